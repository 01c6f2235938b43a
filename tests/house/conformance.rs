//! `docs/conformance.md` says which clients are held to what; this sees to it that all of it is there, and writes the page.

use std::fmt::Write as _;

use serde::Deserialize;

use super::{assert_fresh, text};

const SOURCE: &str = include_str!("conformance.toml");
const NPM: &str = "tests/clients/package-lock.json";
const PYTHON: &str = "tests/python/requirements.txt";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    client: Vec<Client>,
    suite: Vec<Suite>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    name: String,
    /// None of our own.
    package: Option<String>,
    transports: String,
    /// A behaviour, and the file that shows it.
    rows: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    name: String,
    file: String,
}

/// The version that tests use.
fn version(package: &str) -> String {
    let pinned = text(PYTHON);
    let pinned = pinned
        .lines()
        .find_map(|line| line.split_once("==").filter(|it| it.0 == package));
    if let Some((_, version)) = pinned {
        return version.to_owned();
    }
    let lock: serde_json::Value = serde_json::from_str(&text(NPM)).expect("it is JSON");
    let version = lock["packages"][package]["version"].as_str();
    let version = version.unwrap_or_else(|| panic!("no {package} in {NPM} or {PYTHON}"));
    version.to_owned()
}

/// How many tests a file of JavaScript or Python has. Many of them run once for each kind of client.
fn tests(file: &str) -> usize {
    let starts = ["it(", "test(", "check(", "def test_"];
    let text = text(file);
    let lines = text.lines().map(str::trim_start);
    let count = lines
        .filter(|line| starts.iter().any(|start| line.starts_with(start)))
        .count();
    assert!(count > 0, "no test in {file}");
    count
}

fn page() -> String {
    let source: Source = toml::from_str(SOURCE).expect("conformance.toml can be read");
    let mut page = String::from(
        "# Conformance\n\n\
         Which clients, unmodified and in which versions, are held to what, and which other people's suites are passed. `make test`\n\
         runs the clients; `tests/README.md` tells how the suites are run.\n\n\
         <!-- From tests/house/conformance.toml: UPDATE=1 cargo nextest run --test house conformance -->\n\n\
         ## Clients\n\n| client | version | transports | behaviour | tests | in |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for client in source.client {
        let version = client
            .package
            .as_deref()
            .map_or_else(|| "this one".to_owned(), version);
        for (behaviour, file) in client.rows {
            let (name, transports, count) = (&client.name, &client.transports, tests(&file));
            writeln!(
                page,
                "| {name} | {version} | {transports} | {behaviour} | {count} | `{file}` |"
            )
            .unwrap();
        }
    }
    page.push_str("\nTests are counted as they stand in their files. Many run once for each version, transport and door.\n");
    page.push_str("\n## Suites\n\n| suite | passed | tolerated | failed, with a reason | skipped | expectations |\n| --- | --- | --- | --- | --- | --- |\n");
    for Suite { name, file } in source.suite {
        let expected = text(&file);
        let count = |outcome: &str| {
            let lines = expected.lines();
            lines
                .filter(|line| line.split_whitespace().next() == Some(outcome))
                .count()
        };
        let [passed, tolerated, failed, skipped] =
            ["passed", "tolerated", "failed", "skipped"].map(count);
        assert!(passed > 0, "no case in {file}");
        writeln!(
            page,
            "| {name} | {passed} | {tolerated} | {failed} | {skipped} | `{file}` |"
        )
        .unwrap();
    }
    page.push_str(
        "\nEvery transport of this repository passes `tests/conformance/suite.rs` as well: `ws`, `polling`, `socketio` and `memory`.\n",
    );
    page
}

#[test]
fn conformance_is_shown_by_tests_that_are_there() {
    assert_fresh("docs/conformance.md", "conformance", &page());
}
