//! Multipart bodies and the files that they bring.

use std::fs;
use std::path::PathBuf;

use super::*;

const MEDIA: &str = "multipart/form-data; boundary=XX";

/// A part with this `Content-Disposition` after `form-data; `.
fn part(disposition: &str, content: &str) -> String {
    format!("--XX\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
}

fn file(name: &str, content: &str) -> String {
    part(&format!("name=\"{name}\"; filename=\"x.txt\""), content)
}

fn body(parts: &[String]) -> String {
    format!("{}--XX--\r\n", parts.concat())
}

fn ask() -> Ask {
    Ask::post("/api").content_type(MEDIA)
}

fn path_of(params: &Params, name: &str) -> PathBuf {
    PathBuf::from(params.values[name]["path"].as_str().unwrap())
}

/// Whether any stored upload has this content. Other tests store theirs at the same time.
fn is_stored(content: &str) -> bool {
    let files = fs::read_dir(std::env::temp_dir()).unwrap();
    files.flatten().any(|file| {
        file.file_name()
            .to_string_lossy()
            .starts_with("stellar-upload-")
            && fs::read_to_string(file.path()).is_ok_and(|stored| stored.contains(content))
    })
}

/// A text that no other test and no other run stores.
fn marker() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[tokio::test]
async fn fields_are_params() {
    let body = body(&[
        part("name=\"a\"", "1"),
        part("name=\"__proto__\"", "a=1&b\r\nc \u{fc}"),
        part("name=\"a\"", ""),
        part("name=bare", "x"),
    ]);
    assert_eq!(
        ask().values(body.clone()).await,
        json!({ "a": ["1", ""], "__proto__": "a=1&b\r\nc \u{fc}", "bare": "x" })
    );
    // In pieces of every size, so that each token is cut at each place.
    for size in 1..body.len() {
        let params = ask().send(chunked(body.as_bytes().chunks(size))).await;
        assert_eq!(params.unwrap().values["a"], json!(["1", ""]));
    }
}

#[tokio::test]
async fn the_body_wins_field_by_field() {
    let ask = Ask::post("/api?a=q&b=q").content_type(MEDIA);
    assert_eq!(
        ask.values(body(&[part("name=\"a\"", "m")])).await,
        json!({ "a": "m", "b": "q" })
    );
    assert_eq!(ask_empty().await, json!({}));
}

async fn ask_empty() -> Value {
    ask().values(body(&[])).await
}

#[tokio::test]
async fn files_are_stored_and_deleted_with_their_guard() {
    let body = format!(
        "--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a b.txt\"\r\n\
         Content-Type: text/plain\r\n\r\nhello\r\n{}--XX--\r\n",
        file("g", "bin\0\r\n--X")
    );
    let params = ask().bytes(body).await.unwrap();
    let (f, g) = (path_of(&params, "f"), path_of(&params, "g"));
    assert_eq!(
        Value::Object(params.values.clone()),
        json!({
            "f": { "path": f, "name": "a b.txt", "type": "text/plain", "size": 5 },
            "g": { "path": g, "name": "x.txt", "type": "application/octet-stream", "size": 9 },
        })
    );
    let stored: Vec<_> = params.uploads.iter().map(Upload::path).collect();
    assert_eq!(stored, [f.as_path(), g.as_path()]);
    assert_eq!(fs::read(&f).unwrap(), b"hello");
    assert_eq!(fs::read(&g).unwrap(), b"bin\0\r\n--X");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&f).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    let Params { values, uploads } = params;
    drop(values);
    assert!(f.exists() && g.exists());
    drop(uploads);
    assert!(!f.exists() && !g.exists());
}

#[tokio::test]
async fn several_files_of_one_name_are_a_list() {
    let body = body(&[file("f", "1"), file("f", "2"), part("name=\"f\"", "3")]);
    let params = ask().bytes(body).await.unwrap();
    let list = params.values["f"].as_array().unwrap();
    let contents = list[..2].iter().map(|file| {
        let path = file["path"].as_str().unwrap();
        fs::read_to_string(path).unwrap()
    });
    assert_eq!(contents.collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(list[2], "3");
}

#[tokio::test]
async fn an_input_without_a_file_is_absent() {
    let none = part("name=\"f\"; filename=\"\"", "");
    let params = ask().bytes(body(&[none])).await.unwrap();
    assert!(params.values.is_empty() && params.uploads.is_empty());
    // A chosen file may be empty, and one with content may have no name.
    let empty = part("name=\"f\"; filename=\"e\"", "");
    let nameless = part("name=\"g\"; filename=\"\"", "x");
    let params = ask().bytes(body(&[empty, nameless])).await.unwrap();
    assert_eq!(params.values["f"]["size"], 0);
    assert_eq!(params.values["g"]["name"], "");
    assert_eq!(params.uploads.len(), 2);
}

#[tokio::test]
async fn names_of_files_have_no_folders() {
    for (sent, name) in [
        ("../../etc/passwd", "passwd"),
        (r"C:\\temp\\a.txt", "a.txt"),
        ("..", ""),
        ("a/.", ""),
        ("..a", "..a"),
    ] {
        let upload = part(&format!("name=\"f\"; filename=\"{sent}\""), "x");
        let params = ask().bytes(body(&[upload])).await.unwrap();
        assert_eq!(params.values["f"]["name"], name, "{sent}");
    }
}

#[tokio::test]
async fn large_files_arrive_whole() {
    // Full of what may be the beginning of a boundary, and of no even length.
    let content = "\r\n--X\r\r\n-".repeat(90_001);
    let body = body(&[file("f", &content), part("name=\"after\"", "1")]);
    for size in [body.len(), 65_536, 8_191, 1_000] {
        let sent = chunked(body.as_bytes().chunks(size));
        let params = ask().send(sent).await.unwrap();
        assert_eq!(params.values["f"]["size"], content.len());
        assert!(fs::read(path_of(&params, "f")).unwrap() == content.as_bytes());
        assert_eq!(params.values["after"], "1");
    }
}

#[tokio::test]
async fn malformed_bodies_are_refused() {
    let whole = body(&[file("f", "content"), part("name=\"a\"", "1")]);
    let complete = whole.len() - "\r\n".len();
    for end in 0..complete {
        let error = ask().send(chunked([&whole.as_bytes()[..end]])).await;
        let error = error.unwrap_err();
        assert!(matches!(error, BadRequest::Multipart(_)), "{end}: {error}");
        assert_eq!(error.status(), 400);
    }
    assert!(ask().bytes(whole[..complete].to_owned()).await.is_ok());

    for wrong in [
        body(&[part("filename=\"x\"", "no name")]),
        "--XX\r\n\r\nno header\r\n--XX--".to_owned(),
        "--XX\r\n:\r\n\r\n\r\n--XX--".to_owned(),
        format!("--XX\r\n{}\r\n1\r\n--XX--", "A: b\r\n".repeat(100)),
    ] {
        assert_eq!(ask().status(wrong.clone()).await, 400, "{wrong}");
    }
    let latin = [&b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n\xfc\r\n--XX--"[..]];
    let error = ask().send(chunked(latin)).await.unwrap_err();
    assert!(matches!(error, BadRequest::NotUtf8));
}

#[tokio::test]
async fn a_boundary_is_needed() {
    let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
    for media in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        &long,
    ] {
        let ask = Ask::post("/api").content_type(media);
        let boundary = media.rsplit('=').next().unwrap();
        let sent = format!("--{boundary}--");
        assert_eq!(ask.status(sent).await, 400, "{media}");
    }
    let longest = format!("multipart/form-data; boundary={}", "x".repeat(70));
    let ask = Ask::post("/api").content_type(&longest);
    let sent = format!("--{}--", "x".repeat(70));
    assert_eq!(ask.values(sent).await, json!({}));
}

#[tokio::test]
async fn what_was_stored_before_an_error_is_deleted() {
    let marker = marker();
    let whole = body(&[file("f", &marker), part("name=\"a\"", &"x".repeat(1000))]);
    let truncated = whole[..whole.len() - 10].to_owned();
    assert_eq!(ask().status(truncated).await, 400);
    assert_eq!(ask().max_body(600).status(whole.clone()).await, 413);
    let limits = BodyLimits {
        max_fields: 1,
        ..BodyLimits::default()
    };
    assert_eq!(ask().limits(limits).status(whole.clone()).await, 413);
    assert!(!is_stored(&marker));
    // The search would have found it.
    let params = ask().bytes(whole).await.unwrap();
    assert!(is_stored(&marker));
    drop(params);
    assert!(!is_stored(&marker));
}

#[tokio::test]
async fn what_was_stored_before_the_peer_left_is_deleted() {
    let marker = marker();
    let sent = file("f", &format!("{marker}\r\n--XX\r\n"));
    let frames = stream::unfold(Some(Bytes::from(sent)), async |chunk| {
        let Some(chunk) = chunk else {
            return std::future::pending().await;
        };
        Some((Ok::<_, Infallible>(Frame::data(chunk)), None))
    });
    let reading = tokio::spawn(ask().send(StreamBody::new(Box::pin(frames))));
    while !is_stored(&marker) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    reading.abort();
    assert!(reading.await.unwrap_err().is_cancelled());
    assert!(!is_stored(&marker));
}

#[tokio::test]
async fn the_rest_after_the_last_boundary_is_read_and_counted() {
    let mut sent = body(&[part("name=\"a\"", "1")]).into_bytes();
    sent.extend_from_slice(&b"epilogue".repeat(1000));
    let mut left = sent.chunks(100);
    let total = left.len();
    let mut read = 0;
    let frames = stream::iter(std::iter::from_fn(|| {
        let chunk = left.next()?;
        read += 1;
        Some(Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(
            chunk,
        ))))
    }));
    let params = ask().send(StreamBody::new(frames)).await.unwrap();
    assert_eq!(params.values["a"], "1");
    assert_eq!(read, total);
    assert_eq!(ask().max_body(1000).status(sent).await, 413);
}

#[tokio::test]
async fn a_long_header_of_a_part_is_refused_early() {
    let head = "--XX\r\nContent-Disposition: form-data; name=\"";
    let preamble = "--X\r\n";
    for begin in [head, preamble, "--XX", "--XX\r\nA: b\r\nB: "] {
        let mut sent = 0;
        let chunks = std::iter::once(Bytes::copy_from_slice(begin.as_bytes()))
            .chain(std::iter::repeat_with(|| Bytes::from(vec![b' '; 1024])));
        let frames = stream::iter(chunks.map(|chunk| {
            sent += chunk.len();
            Ok::<_, Infallible>(Frame::data(chunk))
        }));
        let error = ask().send(StreamBody::new(frames)).await.unwrap_err();
        assert!(
            matches!(error, BadRequest::Multipart(_)),
            "{begin}: {error}"
        );
        assert!(sent < 20_000, "{begin}: {sent}");
    }
}

#[tokio::test]
async fn parts_are_counted() {
    let parts = |count| body(&vec![part("name=\"a\"", "1"); count]);
    assert!(ask().bytes(parts(1000)).await.is_ok());
    assert_eq!(ask().status(parts(1001)).await, 413);
}

#[tokio::test]
async fn files_are_counted_in_a_form_and_in_all() {
    let files = |count| body(&vec![file("f", "x"); count]);
    let limits = BodyLimits {
        max_uploads: 2,
        ..BodyLimits::default()
    };
    let ask_for = |count| ask().limits(limits.clone()).bytes(files(count));
    assert_eq!(ask_for(2).await.unwrap().uploads.len(), 2);
    let error = ask_for(3).await.unwrap_err();
    assert_eq!(error.status(), 413);
    assert!(error.to_string().contains("limits.max_uploads"), "{error}");

    let store = Arc::new(Store::new(3, 10));
    let kept = ask().store(&store).bytes(files(2)).await.unwrap();
    let error = ask().store(&store).bytes(files(2)).await.unwrap_err();
    assert!(matches!(error, BadRequest::StoreFull), "{error}");
    assert_eq!(error.status(), 503);
    drop(kept);
    let large = body(&[file("f", "12345678901")]);
    let error = ask().store(&store).bytes(large).await.unwrap_err();
    assert!(matches!(error, BadRequest::StoreFull), "{error}");
    assert_eq!(store.refused().get(), 2);
    // All of it was given back.
    for _ in 0..10 {
        assert!(ask().store(&store).bytes(files(3)).await.is_ok());
    }
}
