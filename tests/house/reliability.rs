//! `docs/reliability.md` says which test shows what; this sees to it that each is there, and writes the page.

use std::fmt::Write as _;

use serde::Deserialize;

use super::{assert_fresh, text};

const SOURCE: &str = include_str!("reliability.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    table: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    title: String,
    row: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    what: String,
    tests: Vec<String>,
    bound: String,
}

/// A test as the page shows it. It has to be there.
fn shown(id: &str, test: &str) -> String {
    if let Some((file, title)) = test.split_once(":: ") {
        assert!(text(file).contains(title), "{id}: no {title:?} in {file}");
        return format!("`{file}`: {title}");
    }
    if let Some((file, name)) = test.split_once("::") {
        let is_there = text(file).contains(&format!("fn {name}("));
        assert!(is_there, "{id}: no {name} in {file}");
        return format!("`{file}::{name}`");
    }
    text(test);
    format!("`{test}`")
}

/// The value of a constant, as its file has it.
fn value(id: &str, constant: &str) -> String {
    let (file, name) = constant.split_once("::").expect("<file>::<NAME>");
    let text = text(file);
    let start = text.find(&format!("const {name}: "));
    let start = start.unwrap_or_else(|| panic!("{id}: no {name} in {file}"));
    let (_, value) = text[start..].split_once("= ").expect("it has a value");
    let (value, _) = value.split_once(';').expect("it ends");
    let number = value.replace('_', "").parse::<u64>();
    // Products of a few numbers read better as what they are.
    let product = value
        .split(" * ")
        .map(|it| it.replace('_', "").parse::<u64>());
    match number.or_else(|_| product.product()) {
        Ok(number) => grouped(number),
        Err(_) => value.to_owned(),
    }
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Fills in `{file::NAME}`.
fn filled(id: &str, bound: &str) -> String {
    let mut parts = bound.split('{');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (constant, rest) = part.split_once('}').expect("a brace is closed");
        shown.push_str(&value(id, constant));
        shown.push_str(rest);
    }
    shown
}

fn page() -> String {
    let source: Source = toml::from_str(SOURCE).expect("reliability.toml can be read");
    let mut page = String::from(
        "# Reliability\n\n\
         What the server has to survive, the test that shows that it does, and the bound that the test holds it to. Numbers are\n\
         those of the tests. `make stress`, `make soak` and `make fuzz` go on for longer. What is defended against whom, and what is\n\
         not, is in [threats.md](threats.md).\n\n\
         <!-- From tests/house/reliability.toml: UPDATE=1 cargo nextest run --test house reliability -->\n",
    );
    for table in source.table {
        let title = &table.title;
        write!(
            page,
            "\n## {title}\n\n| | what | bound | shown by |\n| --- | --- | --- | --- |\n"
        )
        .unwrap();
        for row in table.row {
            let tests: Vec<_> = row.tests.iter().map(|test| shown(&row.id, test)).collect();
            let tests = match tests.is_empty() {
                true => "none yet".to_owned(),
                false => tests.join("<br>"),
            };
            let bound = filled(&row.id, &row.bound);
            writeln!(page, "| {} | {} | {bound} | {tests} |", row.id, row.what).unwrap();
        }
    }
    page
}

#[test]
fn reliability_is_shown_by_tests_that_are_there() {
    assert_fresh("docs/reliability.md", "reliability", &page());
}
