//! Parts of files.

use crate::Site;

const CONTENT: &str = "0123456789";

fn site() -> Site {
    let site = Site::new();
    std::fs::write(site.path("public/digits.txt"), CONTENT).unwrap();
    std::fs::write(site.path("public/nothing.txt"), "").unwrap();
    site
}

#[tokio::test]
async fn a_range_is_206() {
    let site = site();
    for (range, content, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=4-4", "4", "bytes 4-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=-99", CONTENT, "bytes 0-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
        ("bytes=5-99999999999999999999999", "56789", "bytes 5-9/10"),
        ("Bytes=0-0", "0", "bytes 0-0/10"),
    ] {
        let reply = site.get_with("/digits.txt", &[("range", range)]).await;
        assert_eq!((reply.status, reply.text()), (206, content), "{range}");
        assert_eq!(reply.header("content-range"), content_range);
        assert_eq!(reply.header("content-length"), content.len().to_string());
        assert!(reply.header("etag").starts_with("W/"));
    }
}

#[tokio::test]
async fn a_range_that_is_not_there_is_416() {
    let site = site();
    for range in [
        "bytes=10-",
        "bytes=10-20",
        "bytes=-0",
        "bytes=99999999999999999999999-",
    ] {
        let reply = site.get_with("/digits.txt", &[("range", range)]).await;
        assert_eq!(reply.status, 416, "{range}");
        assert_eq!(reply.header("content-range"), "bytes */10");
    }
    let reply = site
        .get_with("/nothing.txt", &[("range", "bytes=0-0")])
        .await;
    assert_eq!(
        (reply.status, reply.header("content-range")),
        (416, "bytes */0")
    );
}

#[tokio::test]
async fn what_is_no_single_range_gets_the_whole_file() {
    let site = site();
    let many = format!("bytes={}", ["0-0"; 1000].join(","));
    for range in [
        "bytes=0-1,3-4",
        "bytes=3-2",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "lines=0-1",
        "bytes 0-1",
        "bytes=+1-2",
        "bytes=1-2-3",
        "0-1",
        &*many,
    ] {
        let reply = site.get_with("/digits.txt", &[("range", range)]).await;
        assert_eq!((reply.status, reply.text()), (200, CONTENT), "{range}");
        assert_eq!(reply.header("content-range"), "");
    }
    assert_eq!(site.get("/nothing.txt").await.status, 200);
}

#[tokio::test]
async fn if_range_guards_against_changed_files() {
    let site = site();
    let whole = site.get("/digits.txt").await;
    let part = |condition: String| {
        let site = &site;
        async move {
            site.get_with(
                "/digits.txt",
                &[("range", "bytes=0-3"), ("if-range", &condition)],
            )
            .await
            .status
        }
    };
    assert_eq!(part(whole.header("last-modified").to_owned()).await, 206);
    assert_eq!(part("Tue, 15 Nov 1994 12:45:26 GMT".to_owned()).await, 200);
    assert_eq!(part("\"other\"".to_owned()).await, 200);
    // A weak tag does not promise the same bytes.
    assert_eq!(part(whole.header("etag").to_owned()).await, 200);
}

#[tokio::test]
async fn conditions_go_before_ranges() {
    let site = site();
    let tag = site.get("/digits.txt").await.header("etag").to_owned();
    let reply = site
        .get_with(
            "/digits.txt",
            &[("range", "bytes=0-3"), ("if-none-match", &tag)],
        )
        .await;
    assert_eq!(reply.status, 304);
}

#[tokio::test]
async fn a_large_file_comes_whole_and_in_parts() {
    let site = site();
    let content: Vec<u8> = (0..3_000_000_u32).map(|it| (it % 251) as u8).collect();
    std::fs::write(site.path("public/large.bin"), &content).unwrap();
    assert_eq!(site.get("/large.bin").await.body, content);
    let reply = site
        .get_with("/large.bin", &[("range", "bytes=1000000-2000000")])
        .await;
    assert_eq!(reply.body, content[1_000_000..=2_000_000]);
}
