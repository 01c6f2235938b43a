use super::*;
#[cfg(unix)]
use rustix::io::Errno;

#[tokio::test]
async fn text_is_decoded_as_a_whole() {
    let project = Project::new();
    // Three-byte characters never end on the power-of-two borders of a chunk.
    let long = "日本語€".repeat(50_000);
    project.write("public/long.txt", long.as_bytes());
    let files = project.files();
    let found = files.find("long.txt").await.unwrap();
    let body = files.read(found, PLENTY).await.unwrap();
    assert_eq!(body.length, long.len() as u64);
    assert!(body.content == long, "the content differs");
    assert_eq!((body.encoding, body.mime.as_str()), (None, "text/plain"));
}

#[tokio::test]
async fn what_is_not_utf_8_comes_in_base64() {
    let project = Project::new();
    let files = project.files();
    let found = files.find("sub/image.png").await.unwrap();
    let body = files.read(found, PLENTY).await.unwrap();
    assert_eq!(body.content, "iVBORwD/");
    assert_eq!(body.encoding, Some("base64"));
    assert_eq!((body.length, body.mime.as_str()), (6, "image/png"));
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let project = Project::new();
    let files = project.files();
    let found = files.find("empty/notes.txt").await.unwrap();
    let body = files.read(found, 0).await.unwrap();
    assert_eq!(
        (body.content.as_str(), body.length, body.encoding),
        ("", 0, None)
    );
}

#[tokio::test]
async fn the_date_is_in_utc_with_milliseconds() {
    let project = Project::new();
    let files = project.files();
    let date = async |seconds: i64, milliseconds: u64| {
        let distance = std::time::Duration::from_secs(seconds.unsigned_abs());
        let time = if seconds < 0 {
            std::time::UNIX_EPOCH - distance
        } else {
            std::time::UNIX_EPOCH + distance
        };
        let time = time + std::time::Duration::from_millis(milliseconds);
        let file = fs::File::options()
            .write(true)
            .open(project.path("public/simple.html"))
            .unwrap();
        file.set_modified(time).unwrap();
        drop(file);
        let found = files.find("simple.html").await.unwrap();
        files.read(found, PLENTY).await.unwrap().last_modified
    };
    assert_eq!(
        date(1_470_132_000, 0).await.as_deref(),
        Some("2016-08-02T10:00:00.000Z")
    );
    assert_eq!(
        date(0, 5).await.as_deref(),
        Some("1970-01-01T00:00:00.005Z")
    );
    assert_eq!(
        date(-1, 0).await.as_deref(),
        Some("1969-12-31T23:59:59.000Z")
    );
}

#[test]
fn dates_beyond_the_calendar_are_left_out() {
    let far = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1 << 40);
    assert_eq!(body::iso_8601(far), None);
    let long_ago = std::time::UNIX_EPOCH - std::time::Duration::from_secs(1 << 40);
    assert_eq!(body::iso_8601(long_ago), None);
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused() {
    let project = Project::new();
    let files = project.files();
    let found = files.find("simple.html").await.unwrap();
    assert!(files.read(found, 15).await.is_ok());
    let found = files.find("simple.html").await.unwrap();
    let error = files.read(found, 14).await.unwrap_err();
    assert!(matches!(error, FileError::TooLarge { limit: 14 }));
    assert_eq!(error.to_string(), "larger than 14 bytes");
    // It may have grown between the two calls.
    let found = files.find("simple.html").await.unwrap();
    project.write("public/simple.html", &[b'x'; 100]);
    assert!(files.read(found, 15).await.is_err());
}

#[cfg(unix)]
#[test]
fn errors_do_not_name_paths_and_only_what_is_missing_is_missing() {
    for (code, is_missing) in [
        (Errno::NOENT, true),
        (Errno::NOTDIR, true),
        (Errno::ACCESS, true),
        (Errno::LOOP, true),
        (Errno::NAMETOOLONG, true),
        (Errno::IO, false),
        (Errno::STALE, false),
        (Errno::MFILE, false),
        (Errno::NFILE, false),
        (Errno::NOMEM, false),
    ] {
        let error = FileError::of(std::io::Error::from(code));
        assert_eq!(matches!(error, FileError::Missing), is_missing, "{code}");
        assert!(!error.to_string().contains('/'), "{error}");
    }
    for code in [Errno::MFILE, Errno::NFILE] {
        let error = FileError::of(std::io::Error::from(code));
        assert!(matches!(error, FileError::Busy), "{code}");
    }
}
