mod read;
#[cfg(unix)]
mod unix;

use std::fs;

use tempfile::TempDir;

use super::*;

/// More than any file of these tests has.
const PLENTY: usize = 1 << 20;

/// A project: a public folder, something secret beside it, and a sibling whose name begins alike.
struct Project {
    dir: TempDir,
}

impl Project {
    fn new() -> Self {
        let project = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        project.write("public/simple.html", b"<h1>simple</h1>");
        project.write("public/index.html", b"<h1>index</h1>");
        project.write("public/sub/index.html", b"<h1>sub</h1>");
        project.write("public/sub/image.png", &[0x89, b'P', b'N', b'G', 0, 0xff]);
        project.write("public/empty/notes.txt", b"");
        project.write("public-old/secret.txt", b"secret");
        project.write("config/config.json", b"{\"secret\":true}");
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn files(&self) -> PublicFiles {
        PublicFiles::new().root(self.path("public"))
    }
}

async fn text(files: &PublicFiles, name: &str) -> Option<String> {
    let found = files.find(name).await.ok()?;
    Some(files.read(found, PLENTY).await.unwrap().content)
}

/// Names that must not lead out of the public folder, as they arrive in an URL.
fn hostile_paths(project: &Project) -> Vec<String> {
    let config = project.path("config/config.json");
    let config = config.to_str().unwrap();
    let sibling = project.path("public-old/secret.txt");
    let sibling = sibling.to_str().unwrap();
    let mut paths = vec![config.to_owned(), format!("/{config}"), sibling.to_owned()];
    paths.extend(
        [
            "../config/config.json",
            "/../config/config.json",
            "//../config/config.json",
            "./../config/config.json",
            "sub/../../config/config.json",
            "sub/.././../config/config.json",
            "missing/../../config/config.json",
            "..//config//config.json",
            "../public-old/secret.txt",
            "..-old/secret.txt",
            "-old/secret.txt",
            "../public/simple.html",
            "..",
            "../",
            "/..",
            "sub/../..",
            "../../../../../../../../etc/passwd",
            "/etc/passwd",
            "//etc/passwd",
            "file:///etc/passwd",
            "%2e%2e%2fconfig%2fconfig.json",
            "%2E%2E/config/config.json",
            "..%2fconfig/config.json",
            "sub%2f..%2f..%2fconfig%2fconfig.json",
            "%252e%252e%252fconfig%252fconfig.json",
            "..%252fconfig%252fconfig.json",
            "%c0%ae%c0%ae/config/config.json",
            "%c0%ae%c0%ae%c0%afconfig%c0%afconfig.json",
            "%uff0e%uff0e/config/config.json",
            "．．/config/config.json",
            "..\\config\\config.json",
            "..%5cconfig%5cconfig.json",
            "sub\\..\\..\\config\\config.json",
            "....//config/config.json",
            "...//config/config.json",
            "..;/config/config.json",
            "simple.html%00.png",
            "simple.html\0",
            "\0",
            "%00",
            "~/config",
            "C:\\config\\config.json",
            "simple.html/",
            "simple.html/.",
            "simple.html/../../config/config.json",
            "sub/image.png/index.html",
        ]
        .map(str::to_owned),
    );
    paths
}

#[tokio::test]
async fn a_file_is_found_by_its_name() {
    let project = Project::new();
    let files = project.files();
    for name in [
        "simple.html",
        "/simple.html",
        "//simple.html",
        "./simple.html",
        "sub/../simple.html",
        "sub//..//simple.html",
        "missing/../simple.html",
    ] {
        let content = text(&files, name).await;
        assert_eq!(content.as_deref(), Some("<h1>simple</h1>"), "{name}");
    }
    let found = files.find("simple.html").await.unwrap();
    assert_eq!(found.mime(), "text/html");
    let Found::Disk { metadata, .. } = found else {
        panic!("it is on disk");
    };
    assert_eq!(metadata.len(), 15);
}

#[tokio::test]
async fn hidden_files_are_not_public() {
    let root = tempfile::tempdir().unwrap();
    for folder in [".git", ".well-known"] {
        std::fs::create_dir(root.path().join(folder)).unwrap();
        std::fs::write(root.path().join(folder).join("config"), "x").unwrap();
    }
    std::fs::write(root.path().join(".env"), "SECRET=1").unwrap();
    let files = PublicFiles::new().root(root.path());
    for name in [".env", "/.env", "./.env", ".git/config", ".git/../.env"] {
        assert!(files.find(name).await.is_err(), "{name}");
    }
    assert!(files.find(".well-known/config").await.is_ok());
}

#[tokio::test]
async fn a_folder_stands_for_its_index_file() {
    let project = Project::new();
    let files = project.files();
    for name in ["sub", "sub/", "/sub", "sub/.", "empty/../sub/"] {
        let content = text(&files, name).await;
        assert_eq!(content.as_deref(), Some("<h1>sub</h1>"), "{name}");
    }
    for name in ["/", ".", "./", "sub/..", "//"] {
        let content = text(&files, name).await;
        assert_eq!(content.as_deref(), Some("<h1>index</h1>"), "{name}");
    }
    assert!(files.find("empty").await.is_err());
    assert!(files.find("empty/").await.is_err());
    let found = files.find("sub").await.unwrap();
    assert_eq!(found.mime(), "text/html");
}

#[tokio::test]
async fn the_index_file_has_the_name_it_was_given() {
    let project = Project::new();
    project.write("public/sub/home.txt", b"home");
    let files = project.files().index("home.txt");
    assert_eq!(text(&files, "sub").await.as_deref(), Some("home"));
    assert!(files.find("/").await.is_err());
}

#[tokio::test]
async fn an_index_that_is_a_folder_is_entered_too() {
    let project = Project::new();
    project.write("public/deep/index.html/index.html", b"deep");
    assert_eq!(
        text(&project.files(), "deep").await.as_deref(),
        Some("deep")
    );
}

#[tokio::test]
async fn missing_and_empty_names_are_not_found() {
    let project = Project::new();
    let files = project.files();
    let long = "a".repeat(100_000);
    let deep = "a/".repeat(100_000);
    for name in ["", "missing.html", "missing/", "sub/missing", &long, &deep] {
        assert!(files.find(name).await.is_err());
    }
    assert!(PublicFiles::new().find("simple.html").await.is_err());
    let nowhere = PublicFiles::new().root(project.path("nowhere"));
    assert!(nowhere.find("simple.html").await.is_err());
}

#[tokio::test]
async fn no_name_leads_out_of_the_root() {
    let project = Project::new();
    for links in [Links::Follow, Links::StayInside] {
        let files = project.files().links(links);
        for path in hostile_paths(&project) {
            assert!(files.find(&path).await.is_err(), "{path:?} as it is");
            if let Some(name) = decode_path(&path) {
                assert!(files.find(&name).await.is_err(), "{path:?} decoded");
            }
        }
    }
}

#[tokio::test]
async fn a_full_path_is_a_name_like_any_other() {
    let project = Project::new();
    let files = project.files().links(Links::Follow);
    for name in ["public/simple.html", "public", "public/sub/../sub/"] {
        let full = project.path(name).to_str().unwrap().to_owned();
        let error = files.find(&full).await.unwrap_err();
        assert!(matches!(error, FileError::Missing), "{name}");
    }
}

#[tokio::test]
async fn so_many_files_are_open_and_no_more() {
    let project = Project::new();
    let files = project.files().max_open(2);
    let first = files.find("simple.html").await.unwrap();
    let second = files.clone().find("index.html").await.unwrap();
    for name in ["simple.html", "sub/image.png"] {
        let error = files.find(name).await.unwrap_err();
        assert!(matches!(error, FileError::Busy), "{name}");
    }
    assert_eq!(files.places().refused().get(), 2);
    // What is not there is not there, however many are open.
    let missing = files.find("missing.html").await.unwrap_err();
    assert!(matches!(missing, FileError::Missing));
    drop(second);
    let third = files.find("simple.html").await.unwrap();
    assert!(files.find("simple.html").await.is_err());
    // One that was read is closed.
    for found in [first, third] {
        files.read(found, PLENTY).await.unwrap();
    }
    assert_eq!(text(&files, "sub").await.as_deref(), Some("<h1>sub</h1>"));
}

#[tokio::test]
async fn roots_are_searched_in_order_and_embedded_files_last() {
    let project = Project::new();
    project.write("second/simple.html", b"second");
    project.write("second/only.txt", b"only");
    project.write("second/empty/index.html", b"filled");
    let files = project
        .files()
        .root(project.path("second"))
        .embed("only.txt", b"embedded")
        .embed("/demo/index.html", b"demo")
        .embed("demo/app.js", b"app");
    assert_eq!(
        text(&files, "simple.html").await.as_deref(),
        Some("<h1>simple</h1>")
    );
    assert_eq!(text(&files, "only.txt").await.as_deref(), Some("only"));
    assert_eq!(text(&files, "empty").await.as_deref(), Some("filled"));
    for name in ["demo", "demo/", "/demo/index.html", "demo/../demo"] {
        assert_eq!(text(&files, name).await.as_deref(), Some("demo"), "{name}");
    }
    assert_eq!(
        files.find("demo/app.js").await.unwrap().mime(),
        "text/javascript"
    );
    for name in ["demo/app.js/", "demo/../../demo/app.js", "Demo", "dem"] {
        assert!(files.find(name).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn embedded_files_can_be_all_there_is() {
    let files = PublicFiles::new()
        .embed("index.html", b"<h1>demo</h1>")
        .embed("logo.png", &[0xff, 0]);
    let found = files.find("/").await.unwrap();
    let body = files.read(found, PLENTY).await.unwrap();
    assert_eq!(body.content, "<h1>demo</h1>");
    assert_eq!((body.mime.as_str(), body.length), ("text/html", 13));
    assert_eq!(body.last_modified, None);
    let found = files.find("logo.png").await.unwrap();
    let body = files.read(found, 2).await.unwrap();
    assert_eq!(
        (body.content.as_str(), body.encoding),
        ("/wA=", Some("base64"))
    );
    let found = files.find("logo.png").await.unwrap();
    let error = files.read(found, 1).await.unwrap_err();
    assert!(matches!(error, FileError::TooLarge { limit: 1 }));
    assert!(files.find("").await.is_err());
}

#[tokio::test]
async fn the_mime_type_follows_the_extension() {
    let project = Project::new();
    for (name, mime) in [
        ("a.txt", "text/plain"),
        ("a.css", "text/css"),
        ("a.js", "text/javascript"),
        ("a.json", "application/json"),
        ("a.SVG", "image/svg+xml"),
        ("a.wasm", "application/wasm"),
        ("a.tar.gz", "application/gzip"),
        ("a.unheard-of", "application/octet-stream"),
        ("noextension", "application/octet-stream"),
    ] {
        project.write(&format!("public/{name}"), b"x");
        assert_eq!(
            project.files().find(name).await.unwrap().mime(),
            mime,
            "{name}"
        );
    }
}

#[test]
fn paths_are_decoded_once() {
    for (path, decoded) in [
        ("", Some("")),
        ("/a/b.html", Some("/a/b.html")),
        ("%41%2f%2E%2e", Some("A/..")),
        ("%252e%25", Some("%2e%")),
        ("a+b%20c", Some("a+b c")),
        ("%e2%82%ac", Some("€")),
        ("€", Some("€")),
        ("%", None),
        ("%4", None),
        ("%zz", None),
        ("%+1", None),
        ("a%2", None),
        ("%€", None),
        ("%00", None),
        ("a\0", None),
        ("%ff", None),
        ("%c0%ae", None),
        ("%e2%82", None),
        ("%ed%a0%80", None),
    ] {
        assert_eq!(decode_path(path).as_deref(), decoded, "{path:?}");
    }
}
