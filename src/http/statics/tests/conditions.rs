//! Conditional requests, ranges and dates.

use http::header::{CONTENT_RANGE, IF_RANGE, RANGE};

use super::*;

const PATH: &str = "/a%20b.txt";

#[tokio::test]
async fn different_files_have_different_tags() {
    let site = Site::new();
    let tag = header(&site.get(PATH).await, ETAG).unwrap();
    assert_eq!(header(&site.get(PATH).await, ETAG).unwrap(), tag);
    let other = header(&site.get("/simple.html").await, ETAG).unwrap();
    assert_ne!(tag, other);
    site.touch(
        "public/a b.txt",
        UNIX_EPOCH + CHANGED + Duration::from_millis(1),
    );
    let touched = header(&site.get(PATH).await, ETAG).unwrap();
    assert_ne!(tag, touched);
    site.write("public/a b.txt", "0123456789+");
    let longer = header(&site.get(PATH).await, ETAG).unwrap();
    assert!(longer != tag && longer != touched);
}

#[tokio::test]
async fn a_known_tag_is_not_modified() {
    let site = Site::new();
    let tag = header(&site.get(PATH).await, ETAG).unwrap();
    let strong = tag.strip_prefix("W/").unwrap();
    for known in [
        tag.as_str(),
        strong,
        "*",
        &format!("\"a\", {tag}"),
        &format!("W/\"a\",{strong} , \"b\""),
    ] {
        let response = site.get_with(PATH, IF_NONE_MATCH, known).await;
        assert_eq!(response.status(), 304, "{known}");
        assert_eq!(header(&response, ETAG).unwrap(), tag);
        assert_eq!(header(&response, LAST_MODIFIED).unwrap(), CHANGED_TEXT);
        assert!(header(&response, CACHE_CONTROL).is_some());
        assert_eq!(header(&response, CONTENT_TYPE), None);
        assert_eq!(header(&response, CONTENT_LENGTH), None);
        assert_eq!(text(response).await, "");
        let headers = [(IF_NONE_MATCH, known)];
        let response = site.ask(Method::HEAD, PATH, &headers).await;
        assert_eq!(response.status(), 304);
    }
    let split = [(IF_NONE_MATCH, "\"a\""), (IF_NONE_MATCH, tag.as_str())];
    assert_eq!(site.ask(Method::GET, PATH, &split).await.status(), 304);
    let bare = strong.trim_matches('"');
    for unknown in ["\"a\"", "W/\"a\"", "", "\"*\"", bare, "w/*"] {
        let response = site.get_with(PATH, IF_NONE_MATCH, unknown).await;
        assert_eq!(response.status(), 200, "{unknown}");
    }
}

#[tokio::test]
async fn no_cache_asks_for_the_file_itself() {
    let site = Site::new();
    for (control, status) in [
        ("no-cache", 200),
        ("max-age=0, No-Cache", 200),
        ("max-age=0", 304),
        ("no-cached", 304),
    ] {
        let headers = [(IF_NONE_MATCH, "*"), (CACHE_CONTROL, control)];
        let response = site.ask(Method::GET, PATH, &headers).await;
        assert_eq!(response.status(), status, "{control}");
    }
}

#[tokio::test]
async fn dates_decide_where_there_is_no_tag() {
    let site = Site::new();
    let later = "Fri, 31 Dec 9999 23:59:59 GMT";
    for (since, status) in [
        // The file changed later within this second.
        (CHANGED_TEXT, 304),
        ("Sat, 02 Jan 2016 03:04:06 GMT", 304),
        ("Sat, 02 Jan 2016 03:04:04 GMT", 200),
        ("Fri, 01 Jan 2016 03:04:05 GMT", 200),
        (later, 304),
        ("Saturday, 02-Jan-16 03:04:05 GMT", 304),
        ("Sat Jan  2 03:04:05 2016", 304),
        ("yesterday", 200),
        ("Fri, 30 Feb 2035 03:04:05 GMT", 200),
        ("Fri, 31 Dec 9999 23:59:59 CET", 200),
        ("", 200),
    ] {
        let response = site.get_with(PATH, IF_MODIFIED_SINCE, since).await;
        assert_eq!(response.status(), status, "{since}");
    }
    // Embedded files have no date.
    let response = site.get_with("/built/in.js", IF_MODIFIED_SINCE, later);
    assert_eq!(response.await.status(), 200);
}

#[tokio::test]
async fn tags_go_before_dates() {
    let site = Site::new();
    let changed = [(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, CHANGED_TEXT)];
    assert_eq!(site.ask(Method::GET, PATH, &changed).await.status(), 200);
    let old = "Fri, 01 Jan 2010 00:00:00 GMT";
    let known = [(IF_NONE_MATCH, "*"), (IF_MODIFIED_SINCE, old)];
    assert_eq!(site.ask(Method::GET, PATH, &known).await.status(), 304);
}

#[tokio::test]
async fn conditions_on_a_missing_file_do_not_matter() {
    let site = Site::new();
    for (name, value) in [
        (IF_MODIFIED_SINCE, CHANGED_TEXT),
        (IF_NONE_MATCH, "*"),
        (RANGE, "bytes=0-1"),
        (IF_RANGE, "\"a\""),
    ] {
        let response = site.get_with("/missing", name, value).await;
        assert_not_found(response, value).await;
    }
}

#[tokio::test]
async fn files_older_than_1970_have_no_date() {
    let site = Site::new();
    site.touch("public/a b.txt", UNIX_EPOCH - Duration::from_secs(100));
    let response = site.get_with(PATH, IF_MODIFIED_SINCE, CHANGED_TEXT).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, LAST_MODIFIED), None);
    assert_eq!(header(&response, ETAG), None);
}

#[tokio::test]
async fn one_range_is_a_part() {
    let site = Site::new();
    for (range, content, described) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-99", "0123456789", "bytes 0-9/10"),
        ("bytes=8-99999999999999999999999", "89", "bytes 8-9/10"),
        ("Bytes= 9-9 ", "9", "bytes 9-9/10"),
    ] {
        let response = site.get_with(PATH, RANGE, range).await;
        assert_eq!(response.status(), 206, "{range}");
        assert_eq!(header(&response, CONTENT_RANGE).unwrap(), described);
        let length = content.len().to_string();
        assert_eq!(header(&response, CONTENT_LENGTH).unwrap(), length);
        assert!(header(&response, ETAG).is_some());
        assert!(header(&response, CONTENT_TYPE).is_some());
        assert_eq!(text(response).await, content, "{range}");
    }
    let response = site.get_with("/built/in.js", RANGE, "bytes=4-8").await;
    assert_eq!(response.status(), 206);
    assert_eq!(header(&response, CONTENT_RANGE).unwrap(), "bytes 4-8/14");
    assert_eq!(text(response).await, "built");
}

#[tokio::test]
async fn a_range_outside_is_refused() {
    let site = Site::new();
    for (path, range, described) in [
        (PATH, "bytes=10-", "bytes */10"),
        (PATH, "bytes=10-20", "bytes */10"),
        (PATH, "bytes=-0", "bytes */10"),
        (PATH, "bytes=99999999999999999999999-", "bytes */10"),
        ("/empty.txt", "bytes=0-", "bytes */0"),
        ("/empty.txt", "bytes=-1", "bytes */0"),
        ("/built/in.js", "bytes=14-", "bytes */14"),
    ] {
        let response = site.get_with(path, RANGE, range).await;
        assert_eq!(response.status(), 416, "{range}");
        assert_eq!(header(&response, CONTENT_RANGE).unwrap(), described);
        assert_eq!(header(&response, CACHE_CONTROL), None);
        let length = header(&response, CONTENT_LENGTH).unwrap();
        assert_eq!(text(response).await.len().to_string(), length);
    }
}

#[tokio::test]
async fn other_ranges_mean_the_whole_file() {
    let site = Site::new();
    for range in [
        "bytes=0-1,3-4",
        "bytes=0-1,",
        "bytes=4-2",
        "bytes=-",
        "bytes=",
        "bytes",
        "bytes=a-b",
        "bytes=+1-2",
        "bytes=1-2-3",
        "bytes=1 - 2",
        "lines=1-2",
        "",
    ] {
        let response = site.get_with(PATH, RANGE, range).await;
        assert_eq!(response.status(), 200, "{range}");
        assert_eq!(header(&response, CONTENT_RANGE), None);
        assert_eq!(text(response).await, "0123456789");
    }
    let twice = [(RANGE, "bytes=0-1"), (RANGE, "bytes=3-4")];
    assert_eq!(site.ask(Method::GET, PATH, &twice).await.status(), 200);
    let head = site.ask(Method::HEAD, PATH, &[(RANGE, "bytes=0-1")]).await;
    assert_eq!(head.status(), 200);
}

#[tokio::test]
async fn a_range_of_another_version_means_the_whole_file() {
    let site = Site::new();
    let tag = header(&site.get(PATH).await, ETAG).unwrap();
    for (validator, status) in [
        (CHANGED_TEXT, 206),
        ("Sat, 02 Jan 2016 03:04:06 GMT", 200),
        ("Sat, 02 Jan 2016 03:04:04 GMT", 200),
        (tag.as_str(), 200),
        (tag.strip_prefix("W/").unwrap(), 200),
        ("\"a\"", 200),
        ("", 200),
    ] {
        let headers = [(RANGE, "bytes=1-2"), (IF_RANGE, validator)];
        let response = site.ask(Method::GET, PATH, &headers).await;
        assert_eq!(response.status(), status, "{validator}");
        let headers = [(RANGE, "bytes=99-"), (IF_RANGE, validator)];
        let response = site.ask(Method::GET, PATH, &headers).await;
        let status = if status == 206 { 416 } else { 200 };
        assert_eq!(response.status(), status, "{validator}");
    }
    // Neither side knows a date: that is no agreement.
    let headers = [(RANGE, "bytes=1-2"), (IF_RANGE, "x")];
    let response = site.ask(Method::GET, "/built/in.js", &headers).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn conditions_go_before_ranges() {
    let site = Site::new();
    let headers = [(RANGE, "bytes=99-"), (IF_NONE_MATCH, "*")];
    assert_eq!(site.ask(Method::GET, PATH, &headers).await.status(), 304);
}
