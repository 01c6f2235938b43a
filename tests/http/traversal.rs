//! Paths that lead out of the public folder: over HTTP as over the verb `file`.

use serde_json::json;

use crate::Site;
use crate::raw::Raw;

/// The answer to a target that is sent as it is: no client tidies it up.
async fn status_and_body(site: &Site, target: &str) -> (u16, String) {
    let mut client = Raw::connect(site.server.address).await;
    client
        .write(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"))
        .await;
    let answer = client.answer().await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn check_073_no_path_leads_out_of_the_public_folder() {
    let site = Site::new();
    let outside = site.path("secret.txt").to_str().unwrap().to_owned();
    let sibling = site
        .path("public-old/secret.txt")
        .to_str()
        .unwrap()
        .to_owned();
    let inside = site.path("public/simple.html").to_str().unwrap().to_owned();
    for target in [
        "/../config/config.json",
        "/../secret.txt",
        "/public/../../secret.txt",
        "/images/../../secret.txt",
        "/%2e%2e/config/config.json",
        "/%2e%2e%2fconfig%2fconfig.json",
        "/..%2fsecret.txt",
        "/.%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/public/%2e%2e/%2e%2e/secret.txt",
        "/public/..%2f..%2fsecret.txt",
        "/images/%2e%2e/%2e%2e/secret.txt",
        "/%252e%252e%252fsecret.txt",
        "/%25%32%65%25%32%65/secret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/%c0%ae%c0%ae%c0%afsecret.txt",
        "/%e0%80%ae%e0%80%ae/secret.txt",
        "/%uff0e%uff0e/secret.txt",
        "/..;/secret.txt",
        "/..%00/secret.txt",
        "/../secret.txt%00.html",
        "/simple.html%00",
        "/....//secret.txt",
        "/.../secret.txt",
        "/..",
        "/../",
        "/%2e%2e",
        "/../public-old/secret.txt",
        "/%2e%2e/public-old/secret.txt",
        "/-old/secret.txt",
        "/public-old/secret.txt",
        "/public/../public-old/secret.txt",
        "/../public/simple.html",
        "/../../../../../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "///etc/passwd",
        "/%2fetc%2fpasswd",
        "/public//etc/passwd",
        "/etc/passwd",
        "/proc/self/environ",
        "/file:///etc/passwd",
        "/public/file:%2f%2f/etc/passwd",
        "/simple.html/",
        "/simple.html/../../secret.txt",
        "/%",
        "/%zz",
        "/%2",
        "/%ff",
        &*outside,
        &*sibling,
        &*format!("/{outside}"),
        &*format!("/public{sibling}"),
        // Where the roots are is nobody's business: a full path is no path of a URL.
        &*inside,
        &*format!("/{inside}"),
        &*format!("/public/{inside}"),
    ] {
        let (status, body) = status_and_body(&site, target).await;
        assert_eq!(
            (status, &*body),
            (404, "The requested file does not exist"),
            "{target}"
        );
    }
}

#[tokio::test]
async fn check_073_targets_of_another_form_lead_nowhere_either() {
    let site = Site::new();
    for target in ["http://x/../secret.txt", "http://x/%2e%2e/secret.txt"] {
        let (status, _) = status_and_body(&site, target).await;
        assert_eq!(status, 404, "{target}");
    }
    // Without a slash it is taken for a host name, or for nothing: never for a file.
    for target in [
        "../secret.txt",
        "secret.txt",
        "http://../secret.txt",
        "simple.html",
    ] {
        let (status, body) = status_and_body(&site, target).await;
        assert!(status < 500, "{target}: {status}");
        assert!(
            !body.contains("secret") && !body.contains("simple"),
            "{target}: {body}"
        );
    }
    let (status, body) = status_and_body(&site, "http://x/simple.html").await;
    assert_eq!((status, &*body), (200, "<h1>simple</h1>\n"));
}

#[tokio::test]
async fn check_073_paths_within_the_folder_may_wander() {
    let site = Site::new();
    for target in [
        "/images/../simple.html",
        "/./simple.html",
        "//simple.html",
        "/images/./../simple.html",
        "/images//..//simple.html",
    ] {
        let (status, body) = status_and_body(&site, target).await;
        assert_eq!((status, &*body), (200, "<h1>simple</h1>\n"), "{target}");
    }
}

#[tokio::test]
async fn check_073_the_verb_agrees() {
    let site = Site::new();
    let mut client = site.server.primus().await;
    for name in [
        "../config/config.json",
        "..%2fconfig/config.json",
        "%2e%2e/config/config.json",
        "../public-old/secret.txt",
    ] {
        let answer = client.request(json!({"event": "file", "file": name})).await;
        assert_eq!(answer["error"]["code"], "010", "{name}");
        assert_eq!(answer["content"], json!(null));
    }
}

#[tokio::test]
async fn links_out_of_the_folder_and_to_hidden_names_are_an_option() {
    let link = |site: &Site| {
        for (target, name) in [
            ("../secret.txt", "link.txt"),
            ("..", "up"),
            ("/etc/passwd", "passwd"),
            (".env", "env.txt"),
            ("simple.html", "inside.html"),
        ] {
            let name = site.path(&format!("public/{name}"));
            std::os::unix::fs::symlink(target, name).unwrap();
        }
        std::fs::write(site.path("public/.env"), "SECRET=1").unwrap();
    };
    let site = Site::new();
    link(&site);
    for path in ["/link.txt", "/up/secret.txt", "/passwd", "/env.txt"] {
        let reply = site.get(path).await;
        assert_eq!(
            (reply.status, reply.text()),
            (404, "The requested file does not exist"),
            "{path}"
        );
    }
    assert_eq!(site.get("/inside.html").await.status, 200);
    let site = Site::configured("[web]\nfollow_links = true\n");
    link(&site);
    for (path, text) in [
        ("/link.txt", "secret"),
        ("/up/secret.txt", "secret"),
        ("/env.txt", "SECRET=1"),
    ] {
        assert_eq!(site.get(path).await.text(), text, "{path}");
    }
    assert_eq!(site.get("/.env").await.status, 404);
}

#[tokio::test]
async fn what_is_no_regular_file_is_not_served() {
    let site = Site::new();
    std::os::unix::fs::symlink("/dev/zero", site.path("public/zero")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(site.path("public/pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    for path in ["/zero", "/pipe"] {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
}
