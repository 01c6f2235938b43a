mod conditions;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use tempfile::TempDir;

use super::*;

/// Saturday, 2 January 2016, 03:04:05.678 UTC.
const CHANGED: Duration = Duration::from_millis(1_451_703_845_678);
const CHANGED_TEXT: &str = "Sat, 02 Jan 2016 03:04:05 GMT";

/// A public folder with something secret beside it, and one embedded file.
struct Site {
    dir: TempDir,
    files: PublicFiles,
    options: StaticOptions,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = PublicFiles::new()
            .root(dir.path().join("public"))
            .embed("built/in.js", b"let built = 1;");
        let site = Self {
            dir,
            files,
            options: StaticOptions::default(),
        };
        site.write("public/simple.html", "<h1>simple</h1>");
        site.write("public/index.html", "<h1>index</h1>");
        site.write("public/sub/index.html", "<h1>sub</h1>");
        site.write("public/a b.txt", "0123456789");
        site.write("public/empty.txt", "");
        site.write("public-old/secret.txt", "secret");
        site.write("config/config.json", "secret");
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        self.touch(name, UNIX_EPOCH + CHANGED);
    }

    fn touch(&self, name: &str, time: SystemTime) {
        let file = fs::File::options().write(true).open(self.path(name));
        file.unwrap().set_modified(time).unwrap();
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
    ) -> Response<Body> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        let response = serve(&self.files, &self.options, &method, &map, path).await;
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        response
    }

    async fn get(&self, path: &str) -> Response<Body> {
        self.ask(Method::GET, path, &[]).await
    }

    async fn get_with(&self, path: &str, name: HeaderName, value: &str) -> Response<Body> {
        self.ask(Method::GET, path, &[(name, value)]).await
    }
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn header(response: &Response<Body>, name: HeaderName) -> Option<String> {
    let values: Vec<_> = response.headers().get_all(name).iter().collect();
    assert!(values.len() < 2, "sent twice: {values:?}");
    Some(values.first()?.to_str().unwrap().to_owned())
}

/// How many descriptors of this process are open on `path`.
#[cfg(target_os = "linux")]
fn open_descriptors(path: &Path) -> usize {
    let path = path.canonicalize().unwrap();
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().flatten();
    descriptors
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == path))
        .count()
}

/// Waits until the last reader of `path` has gone: a read under way ends on its own thread.
#[cfg(target_os = "linux")]
async fn is_closed(path: &Path) -> bool {
    for _ in 0..500 {
        if open_descriptors(path) == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    false
}

#[tokio::test]
async fn a_file_is_sent_with_its_headers() {
    let site = Site::new();
    let response = site.get("/simple.html").await;
    assert_eq!(response.status(), 200);
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_LENGTH, "15"),
        (CACHE_CONTROL, "max-age=60, must-revalidate, public"),
        (LAST_MODIFIED, CHANGED_TEXT),
        (http::header::ACCEPT_RANGES, "bytes"),
    ] {
        assert_eq!(header(&response, name).unwrap(), value);
    }
    assert!(header(&response, ETAG).unwrap().starts_with("W/\"f-"));
    assert_eq!(text(response).await, "<h1>simple</h1>");
}

#[tokio::test]
async fn types_follow_the_extension() {
    let site = Site::new();
    for (name, mime) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.json", "application/json; charset=utf-8"),
        ("a.png", "image/png"),
        ("a.wasm", "application/wasm"),
        ("a.unknown", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ] {
        site.write(&format!("public/{name}"), "x");
        let response = site.get(&format!("/{name}")).await;
        assert_eq!(header(&response, CONTENT_TYPE).unwrap(), mime, "{name}");
    }
}

#[tokio::test]
async fn folders_mean_their_index() {
    let site = Site::new();
    for (path, content) in [
        ("", "<h1>index</h1>"),
        ("/", "<h1>index</h1>"),
        ("/sub", "<h1>sub</h1>"),
        ("/sub/", "<h1>sub</h1>"),
        ("sub", "<h1>sub</h1>"),
        ("/sub/../simple.html", "<h1>simple</h1>"),
        ("/a%20b.txt", "0123456789"),
        ("/%73imple.html", "<h1>simple</h1>"),
    ] {
        let response = site.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(text(response).await, content, "{path}");
    }
}

async fn assert_not_found(response: Response<Body>, case: &str) {
    assert_eq!(response.status(), 404, "{case}");
    assert_eq!(header(&response, CONTENT_TYPE).unwrap(), "text/html");
    assert_eq!(header(&response, CONTENT_LENGTH).unwrap(), "33");
    assert_eq!(header(&response, CACHE_CONTROL), None);
    assert_eq!(text(response).await, "The requested file does not exist");
}

#[tokio::test]
async fn what_is_not_public_is_not_found() {
    let site = Site::new();
    let full = site.path("public/simple.html");
    let outside = site.path("config/config.json");
    for path in [
        "/missing.html",
        "/simple.html/",
        "/simple.html/x",
        "/../config/config.json",
        "../config/config.json",
        "/%2e%2e%2fconfig/config.json",
        "/%2e%2e/config/config.json",
        "/sub/..%2f..%2fconfig%2fconfig.json",
        "/../public-old/secret.txt",
        "/..%2fpublic-old/secret.txt",
        "/%252e%252e/config/config.json",
        "/..%5cconfig%5cconfig.json",
        "/simple.html%00",
        "/%",
        "/%zz",
        "/%ff",
        // A full path is one name among others here: its answer must not tell where the root is.
        full.to_str().unwrap(),
        outside.to_str().unwrap(),
        &format!("/{}", full.display()),
        &full.to_str().unwrap().replace('/', "%2f"),
    ] {
        assert_not_found(site.get(path).await, path).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_no_file_is_not_found() {
    let site = Site::new();
    fs::create_dir(site.path("public/folder")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", site.path("public/zero")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(site.path("public/socket"));
    for path in ["/folder", "/zero", "/socket"] {
        assert_not_found(site.get(path).await, path).await;
    }
    drop(socket);
}

#[tokio::test]
async fn only_get_and_head_are_served() {
    let site = Site::new();
    for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "BREW"] {
        let method: Method = method.parse().unwrap();
        let response = site.ask(method.clone(), "/simple.html", &[]).await;
        assert_eq!(response.status(), 405);
        assert_eq!(header(&response, ALLOW).unwrap(), "GET, HEAD, OPTIONS");
        assert_eq!(header(&response, ETAG), None);
        let length = header(&response, CONTENT_LENGTH).unwrap();
        assert_eq!(text(response).await.len().to_string(), length);

        let wrong_type = [(CONTENT_TYPE, "x/y; ;"), (CONTENT_LENGTH, "5")];
        let response = site.ask(method, "/missing.html", &wrong_type).await;
        assert_not_found(response, "other methods").await;
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let site = Site::new();
    for path in ["/simple.html", "/built/in.js", "/missing", "/empty.txt"] {
        let get = site.get(path).await;
        let head = site.ask(Method::HEAD, path, &[]).await;
        assert_eq!(head.status(), get.status());
        assert_eq!(head.headers(), get.headers(), "{path}");
        assert_eq!(text(head).await, "");
    }
}

#[tokio::test]
async fn embedded_files_have_a_tag_of_their_content() {
    let mut site = Site::new();
    site.files = site.files.embed("other.js", b"let built = 2;");
    let response = site.get("/built/in.js").await;
    assert_eq!(header(&response, CONTENT_LENGTH).unwrap(), "14");
    assert_eq!(header(&response, LAST_MODIFIED), None);
    let tag = header(&response, ETAG).unwrap();
    assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{tag}");
    assert_eq!(text(response).await, "let built = 1;");
    let other = header(&site.get("/other.js").await, ETAG).unwrap();
    assert_ne!(tag, other);
    let response = site.get_with("/built/in.js", IF_NONE_MATCH, &tag).await;
    assert_eq!(response.status(), 304);
}

#[tokio::test]
async fn options_change_the_headers() {
    let mut site = Site::new();
    site.options = StaticOptions {
        max_age: Duration::from_millis(3_600_900),
        etag: false,
        missing: "gone".into(),
    };
    for path in ["/simple.html", "/built/in.js"] {
        let response = site.get(path).await;
        assert_eq!(header(&response, ETAG), None);
        assert_eq!(
            header(&response, CACHE_CONTROL).unwrap(),
            "max-age=3600, must-revalidate, public"
        );
    }
}

#[tokio::test]
async fn large_files_come_in_chunks() {
    let site = Site::new();
    let content: Vec<u8> = (0..1_000_003_u32).map(|it| (it % 251) as u8).collect();
    site.write("public/large.bin", &content);
    let mut body = site.get("/large.bin").await.into_body();
    let mut received = Vec::new();
    while let Some(frame) = body.frame().await {
        let chunk = frame.unwrap().into_data().unwrap();
        assert!(!chunk.is_empty() && chunk.len() <= CHUNK);
        received.extend_from_slice(&chunk);
    }
    assert!(received == content);
}

#[tokio::test]
async fn a_file_that_shrinks_ends_in_an_error() {
    let site = Site::new();
    site.write("public/large.bin", vec![7; 4 * CHUNK]);
    let mut body = site.get("/large.bin").await.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    site.write("public/large.bin", "short");
    assert!(body.collect().await.is_err());
}

#[tokio::test]
async fn a_file_that_grows_is_sent_as_announced() {
    let site = Site::new();
    let response = site.get("/a%20b.txt").await;
    site.write("public/a b.txt", "0123456789 and more");
    assert_eq!(header(&response, CONTENT_LENGTH).unwrap(), "10");
    assert_eq!(text(response).await, "0123456789");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_descriptor_is_left_open() {
    let site = Site::new();
    site.write("public/large.bin", vec![7; 10 * CHUNK]);
    let file = site.path("public/large.bin");
    let path = "/large.bin";

    let response = site.get(path).await;
    assert_eq!(open_descriptors(&file), 1);
    assert_eq!(text(response).await.len(), 10 * CHUNK);
    assert!(is_closed(&file).await, "after 200");

    let mut body = site.get(path).await.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(open_descriptors(&file), 1);
    drop(body);
    assert!(is_closed(&file).await, "after a peer that left");

    for response in [
        site.get_with(path, IF_NONE_MATCH, "*").await,
        site.ask(Method::HEAD, path, &[]).await,
        site.ask(Method::POST, path, &[]).await,
        site.get_with(path, http::header::RANGE, "bytes=99999999-")
            .await,
    ] {
        // The answer is still there: it must not hold the file.
        assert!(is_closed(&file).await, "{}", response.status());
    }
}
