use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::*;

fn make_pipe(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status();
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn a_backslash_is_a_character_of_a_name() {
    let project = Project::new();
    project.write("public/a\\b.txt", b"backslash");
    assert_eq!(
        text(&project.files(), "a\\b.txt").await.as_deref(),
        Some("backslash")
    );
}

#[tokio::test]
async fn links_are_followed_unless_they_must_stay_inside() {
    let project = Project::new();
    let public = project.path("public");
    symlink(public.join("simple.html"), public.join("within.html")).unwrap();
    symlink("sub", public.join("within")).unwrap();
    symlink("../config/config.json", public.join("out.json")).unwrap();
    symlink(project.path("config"), public.join("out")).unwrap();
    symlink(project.path("public-old"), public.join("old")).unwrap();
    symlink("nothing", public.join("dangling")).unwrap();
    fs::create_dir(public.join("folder")).unwrap();
    symlink("../../config/config.json", public.join("folder/index.html")).unwrap();

    let follow = project.files().links(Links::Follow);
    let inside = project.files();
    for (name, content) in [
        ("within.html", "<h1>simple</h1>"),
        ("within", "<h1>sub</h1>"),
    ] {
        assert_eq!(text(&follow, name).await.as_deref(), Some(content));
        assert_eq!(text(&inside, name).await.as_deref(), Some(content));
    }
    for name in [
        "out.json",
        "out/config.json",
        "old/secret.txt",
        "folder",
        "folder/",
    ] {
        assert!(text(&follow, name).await.is_some(), "{name}");
        assert!(inside.find(name).await.is_err(), "{name}");
    }
    for files in [&follow, &inside] {
        assert!(files.find("dangling").await.is_err());
        // Worked out on the name, not by walking through the link.
        assert!(files.find("out/../config/config.json").await.is_err());
    }
}

#[tokio::test]
async fn a_root_may_be_a_link_itself() {
    let project = Project::new();
    symlink("public", project.path("current")).unwrap();
    let files = PublicFiles::new().root(project.path("current"));
    assert_eq!(text(&files, "sub").await.as_deref(), Some("<h1>sub</h1>"));
}

#[tokio::test]
async fn links_in_a_circle_end() {
    let project = Project::new();
    let public = project.path("public");
    symlink("b", public.join("a")).unwrap();
    symlink("a", public.join("b")).unwrap();
    fs::create_dir(public.join("loop")).unwrap();
    symlink(".", public.join("loop/index.html")).unwrap();
    for name in ["a", "b", "loop", "loop/index.html/"] {
        assert!(project.files().find(name).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn only_regular_files_are_served() {
    let project = Project::new();
    let public = project.path("public");
    symlink("/dev/zero", public.join("zero")).unwrap();
    symlink("/dev/null", public.join("null.txt")).unwrap();
    let _listener = UnixListener::bind(public.join("socket")).unwrap();
    make_pipe(&public.join("pipe"));
    for name in ["zero", "null.txt", "socket", "pipe"] {
        assert!(project.files().find(name).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn what_was_found_is_what_is_read() {
    let project = Project::new();
    let files = project.files();
    let path = project.path("public/simple.html");
    let puts: [fn(&Path); 3] = [
        |path| symlink("/dev/zero", path).unwrap(),
        make_pipe,
        |path| fs::create_dir(path).unwrap(),
    ];
    for (n, put) in puts.into_iter().enumerate() {
        let found = files.find("simple.html").await.unwrap();
        fs::rename(&path, project.path("kept")).unwrap();
        put(&path);
        let body = files.read(found, PLENTY).await.unwrap();
        assert_eq!(body.content, "<h1>simple</h1>");
        assert!(files.find("simple.html").await.is_err());
        fs::rename(&path, project.path(&format!("away-{n}"))).unwrap();
        fs::rename(project.path("kept"), &path).unwrap();
    }
}

#[tokio::test]
async fn a_link_to_a_hidden_file_is_hidden() {
    let project = Project::new();
    let public = project.path("public");
    project.write("public/.env", b"SECRET=1");
    project.write("public/.git/config", b"secret");
    project.write("public/.well-known/x", b"known");
    symlink(".env", public.join("env.txt")).unwrap();
    symlink(public.join(".git"), public.join("git")).unwrap();
    symlink(".well-known", public.join("known")).unwrap();
    let files = project.files();
    for name in ["env.txt", "git/config", ".env", "git/../.env"] {
        let error = files.find(name).await.unwrap_err();
        assert!(matches!(error, FileError::Missing), "{name}");
    }
    assert_eq!(text(&files, "known/x").await.as_deref(), Some("known"));
    // The folder's own name is not asked.
    project.write(".site/public/index.html", b"index");
    let files = PublicFiles::new().root(project.path(".site/public"));
    assert_eq!(text(&files, "/").await.as_deref(), Some("index"));
    // Its owner may have it as it was.
    let files = project.files().links(Links::Follow);
    assert_eq!(text(&files, "env.txt").await.as_deref(), Some("SECRET=1"));
}

/// A folder that is now a folder and now a link to what is secret, as fast as it can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_faster_than_the_look_at_a_link() {
    const ENOUGH: usize = 300;
    let project = Project::new();
    project.write("public/place/config.json", b"public");
    project.write("elsewhere/config.json", b"public");
    let public = project.path("public");
    symlink(project.path("config"), public.join("link")).unwrap();
    let files = project.files();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let changing = std::thread::spawn({
        let (stop, public) = (std::sync::Arc::clone(&stop), public.clone());
        move || {
            let step = |from: &str, to: &str| {
                fs::rename(public.join(from), public.join(to)).unwrap();
            };
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                step("place", "away");
                step("link", "place");
                step("place", "link");
                step("away", "place");
            }
        }
    });
    let mut read = 0;
    while read < ENOUGH {
        if let Some(content) = text(&files, "place/config.json").await {
            assert_eq!(content, "public");
            read += 1;
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    changing.join().unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_limit_holds_for_files_that_report_no_length() {
    let project = Project::new();
    symlink("/proc/self/status", project.path("public/status.txt")).unwrap();
    let files = project.files().links(Links::Follow);
    let found = files.find("status.txt").await.unwrap();
    let body = files.read(found, PLENTY).await.unwrap();
    assert_eq!(body.length, body.content.len() as u64);
    assert!(body.length > 10);
    let found = files.find("status.txt").await.unwrap();
    let error = files.read(found, 10).await.unwrap_err();
    assert!(matches!(error, FileError::TooLarge { limit: 10 }));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_descriptor_stays_open() {
    let project = Project::new();
    let files = project.files();
    for _ in 0..50 {
        let found = files.find("simple.html").await.unwrap();
        files.read(found, PLENTY).await.unwrap();
        let found = files.find("simple.html").await.unwrap();
        files.read(found, 1).await.unwrap_err();
        files.find("simple.html").await.unwrap();
    }
    // Other tests of this process open files as well: only those of this project count.
    let open = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter(|target| target.starts_with(project.dir.path()))
        .count();
    assert_eq!(open, 0);
}
