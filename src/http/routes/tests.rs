use serde_json::json;

use super::RouteMethod::{All, Delete, Get, Patch, Post, Put};
use super::*;

/// `action name=value …` for what `path` means, `-` for nothing.
fn find(routes: &Routes, method: &str, path: &str) -> String {
    let segments: Vec<_> = path.split('/').collect();
    let method = method.parse().unwrap();
    let Some(matched) = routes.find(&method, &segments) else {
        return "-".to_owned();
    };
    let params = matched.params.iter();
    let params = params.map(|(name, value)| format!(" {name}={value}"));
    format!("{}{}", matched.action, params.collect::<String>())
}

fn table<const N: usize>(routes: [Route; N]) -> Routes {
    Routes::new(Vec::from(routes)).unwrap()
}

/// A table with one GET route.
fn one(path: &str) -> Routes {
    table([Route::new(Get, path, "x")])
}

#[test]
fn literals_match_in_any_case() {
    let routes = one("/Users/List");
    for path in ["/users/list", "USERS/LIST", "users/list/", "//users/LIST//"] {
        assert_eq!(find(&routes, "GET", path), "x", "{path}");
    }
    for path in [
        "",
        "/",
        "users",
        "users/list/1",
        "users/lists",
        "users//list",
    ] {
        assert_eq!(find(&routes, "GET", path), "-", "{path}");
    }
    assert_eq!(
        find(&one("/stra\u{df}e/\u{c4}"), "GET", "STRA%C3%9FE/%C3%A4"),
        "x"
    );
    // Not a regular expression.
    assert_eq!(find(&one("/a.c"), "GET", "abc"), "-");
}

#[test]
fn captures_keep_their_case_and_are_decoded_once() {
    let routes = one("/users/:userId/:Part");
    for (path, found) in [
        ("/USERS/AbC/x", "x userId=AbC Part=x"),
        ("/users/a%20b+c/%C3%A4", "x userId=a b+c Part=\u{e4}"),
        ("/users/%2541/a%2Fb", "x userId=%41 Part=a/b"),
        ("/users/:userId/.", "x userId=:userId Part=."),
    ] {
        assert_eq!(find(&routes, "GET", path), found);
    }
    for path in ["/users/1", "/users//1", "/users/1/2/3"] {
        assert_eq!(find(&routes, "GET", path), "-", "{path}");
    }
}

#[test]
fn paths_that_cannot_be_decoded_match_nothing() {
    let routes = table([Route::new(All, "/:any", "x")]);
    for path in ["%", "%4", "%zz", "%ff", "a%00"] {
        assert_eq!(find(&routes, "GET", path), "-", "{path}");
    }
}

#[test]
fn rules_describe_the_whole_of_a_segment() {
    let routes = table([
        Route::new(Get, "/users/:id(^[0-9]+$)", "anchored"),
        Route::new(Get, "/users/:name([a-z]+)", "name"),
        Route::new(Get, "/users/:either(A|(B))", "either"),
        Route::new(Get, "/users/:lines(A.B|.C)", "lines"),
    ]);
    for (segment, found) in [
        ("12", "anchored id=12"),
        ("abc", "name name=abc"),
        ("A", "either either=A"),
        ("B", "either either=B"),
        ("A-B", "lines lines=A-B"),
        ("12a", "-"),
        ("a12", "-"),
        ("AB", "-"),
        ("12%0A", "-"),
        ("A%0AB", "-"),
    ] {
        let path = format!("/users/{segment}");
        assert_eq!(find(&routes, "GET", &path), found, "{segment}");
    }
}

#[test]
fn rules_may_contain_slashes_and_parentheses() {
    let routes = table([
        Route::new(Get, "/a/:b((x|y)(z))/c/:d([^/(]+)", "x"),
        Route::new(Get, "/:rest(v[0-9]+/.*)", "rest").match_trailing(),
    ]);
    assert_eq!(find(&routes, "GET", "a/yz/c/1"), "x b=yz d=1");
    assert_eq!(find(&routes, "GET", "a/y/c/1"), "-");
    assert_eq!(find(&routes, "GET", "v2/a/b"), "rest rest=v2/a/b");
    assert_eq!(find(&routes, "GET", "v2"), "-");
}

#[test]
fn the_first_route_that_fits_is_taken() {
    let routes = table([
        Route::new(Get, "/:a/special", "captured"),
        Route::new(Get, "/x/special", "literal"),
        Route::new(All, "/x/:b", "any"),
        Route::new(Get, "/x/:b", "never"),
    ]);
    assert_eq!(find(&routes, "GET", "x/special"), "captured a=x");
    assert_eq!(find(&routes, "POST", "x/special"), "any b=special");
    assert_eq!(find(&routes, "GET", "x/1"), "any b=1");
}

#[test]
fn methods_are_told_apart() {
    let routes = table([
        Route::new(Get, "/x", "get"),
        Route::new(Post, "/x", "post"),
        Route::new(Put, "/x", "put").also(Patch),
        Route::new(Delete, "/x", "delete"),
        Route::new(Get, "/y", "get"),
        Route::new(All, "/z", "all"),
    ]);
    for (method, action) in [
        ("GET", "get"),
        ("HEAD", "get"),
        ("POST", "post"),
        ("PUT", "put"),
        ("PATCH", "put"),
        ("DELETE", "delete"),
        ("TRACE", "-"),
        ("get", "-"),
    ] {
        assert_eq!(find(&routes, method, "x"), action, "{method}");
        assert_eq!(find(&routes, method, "z"), "all", "{method}");
    }
    assert_eq!(find(&routes, "POST", "y"), "-");
    assert_eq!(find(&Routes::default(), "GET", "x"), "-");
}

#[test]
fn trailing_segments_go_to_the_last_capture() {
    let routes = table([
        Route::new(Get, "/wild/:key/:path(.*)", "wild").match_trailing(),
        Route::new(Get, "/files/", "files").match_trailing(),
        Route::new(Get, "/exact/:id", "exact"),
    ]);
    for (path, found) in [
        ("wild/k/and/some/More", "wild key=k path=and/some/More"),
        ("wild/k/one", "wild key=k path=one"),
        ("wild/k/a//b%2Fc/", "wild key=k path=a//b/c"),
        ("wild/k", "-"),
        ("files", "files"),
        ("FILES/a/b", "files"),
        ("file", "-"),
        ("exact/1/2", "-"),
    ] {
        assert_eq!(find(&routes, "GET", path), found, "{path}");
    }
    let everything = table([Route::new(Get, "/", "home").match_trailing()]);
    assert_eq!(find(&everything, "GET", ""), "home");
    assert_eq!(find(&everything, "GET", "/a/b"), "home");
    assert_eq!(find(&one("/"), "GET", "/"), "x");
    assert_eq!(find(&one("/"), "GET", "/a"), "-");
}

#[test]
fn a_version_can_be_pinned() {
    let routes = table([
        Route::new(Get, "/a", "x").api_version(2),
        Route::new(Get, "/b", "x").api_version("1.0"),
        Route::new(Get, "/c", "x"),
    ]);
    for (segment, version) in [
        ("a", Some(json!(2))),
        ("b", Some(json!("1.0"))),
        ("c", None),
    ] {
        let matched = routes.find(&Method::GET, &[segment]).unwrap();
        assert_eq!(matched.api_version, version.as_ref());
        assert_eq!(matched.action, "x");
    }
}

fn error(route: Route) -> String {
    Routes::new(vec![Route::new(Get, "/fine", "x"), route])
        .unwrap_err()
        .to_string()
}

#[test]
fn wrong_routes_are_named() {
    for path in [
        "/a//b",
        "/:",
        "/:(x)",
        "/:a(x",
        "/:a(x)y",
        "/:a b",
        "/:a)",
        "/:a(x))/:b",
    ] {
        assert!(
            Routes::new(vec![Route::new(Get, path, "x")]).is_err(),
            "{path}"
        );
    }
    assert_eq!(
        error(Route::new(Get, "/a//b", "x")),
        "route /a//b: `` is no segment, expected text, :name or :name(regex)"
    );
    assert_eq!(
        error(Route::new(Get, "/:a/:b/:a(x)", "x")),
        "route /:a/:b/:a(x): more than one :a"
    );
    assert_eq!(error(Route::new(Get, "/a", "")), "route /a: no action");
    for version in [json!(true), json!([1]), json!(null)] {
        assert_eq!(
            error(Route::new(Get, "/a", "x").api_version(version)),
            "route /a: an api version is a number or a string"
        );
    }
}

#[test]
fn wrong_rules_are_named() {
    // The third is only correct between parentheses, the last takes more than linear time.
    for rule in ["[", "*", "a)|(b", r"(a)\1"] {
        let path = format!("/x/:id({rule})");
        let error = Routes::new(vec![Route::new(Get, &path, "x")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("route {path}: :id has a wrong regular expression")
        );
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn rules_take_linear_time() {
    let routes = one("/:id((a*)*b)");
    let long = "a".repeat(100_000);
    let start = std::time::Instant::now();
    assert_eq!(find(&routes, "GET", &long), "-");
    assert!(start.elapsed().as_secs() < 5);
}

#[derive(Debug, Deserialize)]
struct File {
    routes: Vec<Route>,
}

fn parse(toml: &str) -> Result<Vec<Route>, String> {
    let file = toml::from_str::<File>(toml);
    file.map(|file| file.routes)
        .map_err(|error| error.to_string())
}

#[test]
fn routes_are_read_from_toml() {
    let routes = parse(
        r#"routes = [
            { method = "get", path = "/users/:id(^[0-9]+$)", action = "user.show", api_version = 1, match_trailing = false },
            { method = ["POST", "put"], path = "/users", action = "user.save", api_version = "b" },
            { method = "All", path = "/rest/:path", action = "rest", match_trailing = true },
        ]"#,
    )
    .unwrap();
    assert_eq!(
        routes,
        [
            Route::new(Get, "/users/:id(^[0-9]+$)", "user.show").api_version(1),
            Route::new(Post, "/users", "user.save")
                .also(Put)
                .api_version("b"),
            Route::new(All, "/rest/:path", "rest").match_trailing(),
        ]
    );
    let routes = Routes::new(routes).unwrap();
    assert_eq!(find(&routes, "GET", "/Users/7"), "user.show id=7");
}

#[test]
fn wrong_toml_is_refused() {
    let parse = |fields: &str| parse(&format!("routes = [{{ {fields} }}]"));
    for (fields, text) in [
        ("path = '/', action = 'x'", "missing field `method`"),
        ("method = 'get', action = 'x'", "missing field `path`"),
        ("method = 'get', path = '/'", "missing field `action`"),
        (
            "method = 'head', path = '/', action = 'x'",
            "unknown method `head`",
        ),
        (
            "method = 1, path = '/', action = 'x'",
            "expected a method or a list",
        ),
        (
            "method = 'get', path = '/', action = 'x', apiVersion = 1",
            "unknown field `apiVersion`",
        ),
    ] {
        let error = parse(fields).unwrap_err();
        assert!(error.contains(text), "{fields}: {error}");
    }
    let none = parse("method = [], path = '/', action = 'x'").unwrap();
    let error = Routes::new(none).unwrap_err().to_string();
    assert_eq!(error, "route /: no method");
}
