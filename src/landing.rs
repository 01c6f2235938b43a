//! The start page of a server that has no files: what runs, and what to try. It is written once, from the configuration
//! alone: nothing of a request is in it, and nothing is loaded for it.

use std::fmt::Write as _;

use stellar::config::Config;
use stellar::transports::{Place, entry};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em}\
                     code,pre{font:14px/1.5 ui-monospace,monospace;background:#8882;border-radius:3px;padding:1px 4px}\
                     pre{padding:.7em;overflow:auto}td{padding:2px 1.5em 2px 0;vertical-align:top}\
                     :root{color-scheme:light dark}";

pub(crate) fn page(settings: &Config) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{name}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{name}</h1>\n\
         <p>Stellar {version} is running. There is no public folder, so this page is all that it shows.</p>\n",
        name = escape(&settings.general.server_name),
        version = env!("CARGO_PKG_VERSION"),
    );
    html.push_str("<h2>Who may come in</h2>\n<table>\n");
    for door in open_doors(settings) {
        html.push_str(&door);
    }
    html.push_str("</table>\n<h2>What there is to open</h2>\n<table>\n");
    for (path, what) in pages(settings) {
        let path = escape(&path);
        let _infallible = writeln!(
            html,
            "<tr><td><a href=\"{path}\"><code>{path}</code></a></td><td>{what}</td></tr>"
        );
    }
    html.push_str("</table>\n<h2>What to try</h2>\n");
    if !settings.client.name.is_empty() {
        let snippet = format!(
            "<script src=\"/{}\"></script>\n<script>\n  var client = new {}();\n  \
             client.connect(function (error, details) {{ console.log(error || details); }});\n</script>\n",
            settings.client.name, settings.client.global,
        );
        let _infallible = writeln!(
            html,
            "<p>In a page that this server delivers:</p>\n<pre>{}</pre>",
            escape(&snippet)
        );
    }
    html.push_str(
        "<ul>\n<li><code>stellar serve --public DIR</code> serves your files, with <code>DIR/index.html</code> in place \
         of this page.</li>\n\
         <li><code>stellar serve --demo</code> has actions and a page to try everything on.</li>\n\
         <li><code>stellar help serve</code> lists the options; <code>stellar.toml</code>, <code>README.md</code> and \
         <code>docs/</code> of the source tell about all there is.</li>\n</ul>\n</body>\n</html>\n",
    );
    html
}

/// A row for each door of what is open.
fn open_doors(settings: &Config) -> impl Iterator<Item = String> {
    let open = settings.transport.iter().filter_map(|name| entry(name));
    open.flat_map(|entry| entry.doors).map(|door| {
        let scheme = match door.place {
            Place::Ws => "WebSocket",
            Place::Primus | Place::EngineIo | Place::SocketIo => "HTTP, WebSocket",
        };
        format!(
            "<tr><td><code>{}</code></td><td>{}</td><td>{scheme}</td></tr>\n",
            escape(door.path(&settings.doors)),
            escape(door.clients),
        )
    })
}

/// What a browser can show.
fn pages(settings: &Config) -> Vec<(String, &'static str)> {
    let (web, script) = (&settings.web, &settings.client.name);
    let mut pages = Vec::new();
    if web.simple_routing {
        let status = format!("/{}/status", web.url_path_for_actions);
        pages.push((status, "the action <code>status</code>, over HTTP"));
    } else if web.query_routing {
        let status = format!("/{}?action=status", web.url_path_for_actions);
        pages.push((status, "the action <code>status</code>, over HTTP"));
    }
    if !script.is_empty() {
        pages.push((format!("/{script}"), "the client for pages, minified"));
        pages.push((format!("/{script}.js"), "the same, to be read"));
    }
    if settings.transport.iter().any(|name| name != "socketio") {
        let primus = &settings.doors.primus;
        pages.push((
            format!("{primus}/primus.js"),
            "a client of Primus&#39;s kind",
        ));
    }
    for (path, what) in [
        ("/healthz", "is the server up"),
        ("/readyz", "does it take connections"),
        ("/metrics", "what it counts, for Prometheus"),
    ] {
        pages.push((path.to_owned(), what));
    }
    pages
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_is_text() {
        let mut settings = Config::default();
        settings.general.server_name = "<script>alert(1)</script>".into();
        settings.client.name = "\"><script>".into();
        settings.client.global = "</pre><script>".into();
        settings.web.url_path_for_actions = "'\"><script>".into();
        let page = page(&settings);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)"));
    }

    #[test]
    fn only_what_is_open_is_told() {
        let mut settings = Config {
            transport: vec!["socketio".into()],
            ..Config::default()
        };
        settings.web.simple_routing = false;
        settings.doors.socketio = "/sio".into();
        let page = page(&settings);
        assert!(page.contains("<code>/sio</code>"));
        assert!(page.contains("\"/api?action=status\""));
        for closed in ["/primus", "/ws<", "/engine.io"] {
            assert!(!page.contains(closed), "{closed} in {page}");
        }
    }
}
