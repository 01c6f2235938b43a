use super::*;

#[test]
fn letters_are_those_of_any_script() {
    let letters = "The x may only contain letters.";
    accepts("alpha", json!(["abc", "Åse", "e\u{301}", "日本", "हिन्दी"]));
    refuses(
        "alpha",
        letters,
        json!(["", "a1", "a b", "a\n", 1, null, ["a"]]),
    );
    accepts("alpha_num", json!(["abc1", 12, "٣"]));
    refuses(
        "alpha_num",
        "The x may only contain letters and numbers.",
        json!(["a-1", -1, 1.5]),
    );
    accepts("alpha_dash", json!(["a-b_1", -1]));
    refuses(
        "alpha_dash",
        "The x may only contain letters, numbers, dashes and underscores.",
        json!(["a.b", ""]),
    );
}

#[test]
fn kinds_of_values() {
    accepts("array", json!([[], [1]]));
    refuses("array", "The x must be an array.", json!([{}, "[]", null]));
    accepts("boolean", json!([true, false, 0, 1, "0", "1", "true"]));
    refuses(
        "boolean",
        "The x field must be true or false.",
        json!(["yes", 2, null, [true]]),
    );
    accepts("json", json!(["{\"a\":[1]}", "3", " null "]));
    refuses(
        "json",
        "The x must be a valid JSON string.",
        json!(["{a:1}", "", {}, 3]),
    );
    accepts("integer", json!([3, -3, 3.0, u64::MAX, "3", "-3"]));
    refuses(
        "integer",
        "The x must be an integer.",
        json!([3.5, "3.0", "3px", " 3", "", true]),
    );
    accepts("numeric", json!([3, 3.5, "3", "-3.5", "1e3", ".5"]));
    refuses(
        "numeric",
        "The x must be a number.",
        json!(["3px", " 3", "inf", "NaN", "1e999", "", "0x1f", [3]]),
    );
}

#[test]
fn dates_are_iso_8601_or_rfc_2822() {
    accepts(
        "date",
        json!([
            "2016-08-02",
            "2016-08-02T10:00",
            "2016-08-02T10:00:00",
            "2016-08-02 10:00:00",
            "2016-08-02T10:00:00Z",
            "2016-08-02T10:00:00.000Z",
            "2016-08-02 10:00:00+02:00",
            "2016-02-29",
            "Tue, 02 Aug 2016 10:00:00 GMT",
            "Tue, 2 Aug 2016 10:00:00 +0200",
        ]),
    );
    refuses(
        "date",
        "The x is not a valid date.",
        json!([
            "",
            "2015-02-29",
            "2016-13-01",
            "2016-08-02T25:00:00Z",
            "tomorrow",
            "02/08/2016",
            "10:00:00",
            "2016-08-02x",
            "20é16-08-02",
            "2016-08-0é 1",
            "((((((((((".repeat(10_000),
            1_470_132_000_000_i64,
            null,
        ]),
    );
}

#[test]
fn before_and_after_compare_instants() {
    accepts(
        "before:2016-08-02",
        json!(["2016-08-01", "2016-08-01T23:59:59.999Z"]),
    );
    refuses(
        "before:2016-08-02",
        "The x must be a date before 2016-08-02.",
        json!(["2016-08-02", "2016-08-02T00:00:00Z", "no date", 1]),
    );
    accepts(
        "before:2016-08-02T00:00:00Z",
        json!(["2016-08-02T01:00:00+02:00"]),
    );
    accepts(
        "after:2016-08-02",
        json!(["2016-08-02T00:00:01", "Tue, 02 Aug 2016 10:00:00 GMT"]),
    );
    refuses(
        "after:2016-08-02",
        "The x must be a date after 2016-08-02.",
        json!(["2016-08-02", "9"]),
    );
    // The ends of the calendar, shifted past them by an offset, are no reason to panic.
    accepts("before:9999-12-31", json!(["0000-01-01T00:00:00+23:59"]));
    accepts("after:0001-01-01", json!(["9999-12-31T23:59:59-23:59"]));
}

#[test]
fn sizes_of_numbers_texts_and_arrays() {
    accepts("min:3", json!([3, 3.5, "äöü", [1, 2, 3]]));
    refuses(
        "min:3",
        "The x must be at least 3.",
        json!([
            2.9,
            -4,
            null,
            true,
            { "a": 1 },
        ]),
    );
    refuses(
        "min:3",
        "The x must be at least 3 characters.",
        json!(["日本", "99", ""]),
    );
    refuses("min:3", "The x must have at least 3 items.", json!([[1]]));
    accepts("max:3", json!([3, -9, "日本語", [], ""]));
    refuses(
        "max:3",
        "The x may not be greater than 3.",
        json!([3.1, u64::MAX]),
    );
    refuses(
        "max:3",
        "The x may not be greater than 3 characters.",
        json!(["abcd", "1.00"]),
    );
    refuses(
        "max:3",
        "The x may not have more than 3 items.",
        json!([[1, 2, 3, 4]]),
    );
    accepts("between:2,3", json!([2, 3, "ab", [1, 2]]));
    refuses(
        "between:2,3",
        "The x must be between 2 and 3.",
        json!([1, 3.5, false]),
    );
    refuses(
        "between:2,3",
        "The x must be between 2 and 3 characters.",
        json!(["a", "abcd"]),
    );
    refuses(
        "between:2,3",
        "The x must have between 2 and 3 items.",
        json!([[1]]),
    );
    accepts("size:2", json!([2, 2.0, "é!", [1, 2]]));
    refuses("size:2", "The x must be 2.", json!([3]));
    refuses("size:2", "The x must be 2 characters.", json!(["abc"]));
    refuses("size:2", "The x must contain 2 items.", json!([[]]));
    accepts("between:-1.5, -0.5", json!([-1]));
}

#[test]
fn text_that_must_be_a_number_is_measured_as_one() {
    for rules in ["numeric|min:18", "min:18|integer"] {
        accepts(rules, json!(["20", 20]));
        refuses(rules, "The x must be at least 18.", json!(["5", 5]));
    }
    let inputs = [Input::new("x").integer().rules("min:18")];
    assert_eq!(run(&inputs, json!({ "x": "20" })), Ok(json!({ "x": 20 })));
    assert_eq!(
        run(&inputs, json!({ "x": "5" })),
        Err(json!({ "x": "The x must be at least 18." }))
    );
}

#[test]
fn lists_of_values() {
    accepts("in:a, 1,true", json!(["a", 1, 1.0, "1", true, ["a", 1]]));
    refuses(
        "in:a,1",
        "The selected x is invalid.",
        json!(["b", "", null, ["a", "b"], [["a"]], {}]),
    );
    accepts("in:,a", json!([""]));
    accepts("not_in:a,1", json!(["b", 2, ["b"], null]));
    refuses(
        "not_in:a,1",
        "The selected x is invalid.",
        json!(["a", 1, "1", ["b", "a"]]),
    );
}

#[test]
fn addresses() {
    accepts(
        "email",
        json!([
            "a@b.co",
            "first.last+tag@sub.example.com",
            "o'neil@example.museum",
            "jörg@müller.example",
        ]),
    );
    refuses(
        "email",
        "The x must be a valid email address.",
        json!([
            "",
            "a",
            "@b.co",
            "a@",
            "a@localhost",
            "a..b@c.de",
            ".a@c.de",
            "a b@c.de",
            "a@-c.de",
            "a@c..de",
            "a@b@c.de",
            "a@c.de\n",
            "a\0@c.de",
            format!("{}@c.de", "a".repeat(65)),
            format!("a@{}.de", "c".repeat(64)),
            1,
        ]),
    );
    accepts("ip", json!(["127.0.0.1", "::1", "2001:db8::ff"]));
    refuses(
        "ip",
        "The x must be a valid IP address.",
        json!(["256.0.0.1", "1.2.3", "1.2.3.4:80", 127]),
    );
    accepts(
        "url",
        json!([
            "http://localhost",
            "https://example.com:8443/a/b?c=d#e",
            "HTTPS://user:pw@example.com",
            "ws://127.0.0.1:8080/primus",
            "http://[::1]:80/",
            "https://пример.рф/путь",
            "ftp://example.com?x",
        ]),
    );
    refuses(
        "url",
        "The x must be a valid URL.",
        json!([
            "",
            "example.com",
            "//example.com",
            "http://",
            "http:///path",
            "http://:80",
            "http://a b.com",
            "http://example.com:99999",
            "http://example.com:+80",
            "http://example.com:",
            "http://[::1",
            "http://[::g]",
            "http://[::1]80",
            "http://-a.com",
            "http://a.com\\@b.com",
            "javascript://a.com/%0aalert(1)",
            "data:text/html,x",
            "http://a.com/\n",
            "http://a.com/\"><script>",
            1,
        ]),
    );
}

#[test]
fn comparisons_with_other_fields() {
    let same = |x: Value, y: Value| text("same:y", json!({ "x": x, "y": y }));
    assert_eq!(same(json!("a"), json!("a")), None);
    assert_eq!(same(json!(1), json!(1.0)), None);
    assert_eq!(same(json!([1, "b"]), json!([1, "b"])), None);
    let unlike = Some("The x and y must match.".to_owned());
    assert_eq!(same(json!("1"), json!(1)), unlike);
    assert_eq!(text("same:y", json!({ "x": null })), unlike);

    let different = |x: Value, y: Value| text("different:y", json!({ "x": x, "y": y }));
    assert_eq!(different(json!("a"), json!("b")), None);
    assert_eq!(text("different:y", json!({ "x": "a" })), None);
    let like = Some("The x and y must be different.".to_owned());
    assert_eq!(different(json!(1.0), json!(1)), like);

    assert_eq!(
        text("confirmed", json!({ "x": "a", "x_confirmation": "a" })),
        None
    );
    let unconfirmed = Some("The x confirmation does not match.".to_owned());
    assert_eq!(
        text("confirmed", json!({ "x": "a", "x_confirmation": "b" })),
        unconfirmed
    );
    assert_eq!(text("confirmed", json!({ "x": "a" })), unconfirmed);
}

#[test]
fn patterns() {
    accepts(r"regex:^\d{2,3}$", json!(["12", 123]));
    let expected = "The x format is invalid.";
    refuses(
        r"regex:^\d{2,3}$",
        expected,
        json!(["1", 1234, null, ["12"]]),
    );
    accepts("regex:/^AB/i|max:3", json!(["abc"]));
    accepts("regex:^/a/b$", json!(["/a/b"]));
    let inputs = [Input::new("x").pattern("a|b")];
    assert!(run(&inputs, json!({ "x": "cab" })).is_ok());
    assert_eq!(
        run(&inputs, json!({ "x": "c" })),
        Err(json!({ "x": expected }))
    );
}

#[test]
fn a_pattern_that_backtracks_elsewhere_is_linear_here() {
    let inputs = [Input::new("x").pattern("^(a+)+$")];
    let hostile = "a".repeat(100_000) + "!";
    assert!(run(&inputs, json!({ "x": hostile })).is_err());
}
