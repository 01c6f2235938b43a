//! What the repository refers to is in it: pages of docs/protocol, their headings, and the targets of links.

use std::fs;
use std::path::{Path, PathBuf};

use super::{files, root};

const PAGES: &str = "docs/protocol/";

/// Everything that people write here.
fn texts() -> Vec<PathBuf> {
    let root = root();
    let mut texts: Vec<PathBuf> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .collect();
    for folder in [
        "src",
        "transports",
        "tests",
        "examples",
        "bench",
        "fuzz",
        "docs",
        "client-js/src",
        "client-js/types",
        "client-js/test",
    ] {
        for ending in [".rs", ".js", ".ts", ".py", ".md"] {
            texts.extend(files(&root.join(folder), ending));
        }
    }
    assert!(texts.len() > 300, "{}", texts.len());
    texts
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let mut is_code = false;
    let mut anchors = Vec::new();
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        let heading = line.trim_start_matches('#').strip_prefix(' ');
        if let (false, true, Some(heading)) = (is_code, line.starts_with('#'), heading) {
            let kept = heading.to_lowercase();
            let kept = kept
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            anchors.push(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
        }
    }
    anchors
}

/// What is wrong with a reference to `page`, perhaps with `#heading` behind it.
fn fault(reference: &Path) -> Option<String> {
    let text = reference.to_string_lossy();
    let (page, heading) = text.split_once('#').unwrap_or((&text, ""));
    let page = Path::new(page);
    if !page.exists() {
        return Some(format!("{} does not exist", page.display()));
    }
    let is_there = heading.is_empty() || anchors(page).iter().any(|anchor| anchor == heading);
    (!is_there).then(|| format!("{} has no heading {heading}", page.display()))
}

#[test]
fn each_reference_to_the_protocol_leads_to_a_heading() {
    let (mut faults, mut count) = (Vec::new(), 0);
    for path in texts() {
        let text = fs::read_to_string(&path).unwrap();
        for rest in text.split(PAGES).skip(1) {
            let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || "-_.#".contains(c);
            let name = &rest[..rest.find(|c| !is_of_a_name(c)).unwrap_or(rest.len())];
            let name = name.trim_end_matches('.');
            if !name.contains(".md") {
                continue;
            }
            count += 1;
            let fault = fault(&root().join(PAGES).join(name));
            faults.extend(fault.map(|fault| format!("{}: {fault}", path.display())));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 60, "{count}");
}

#[test]
fn sections_are_those_of_rfcs() {
    for path in texts() {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices('\u{a7}') {
            let words: Vec<_> = text[..at].rsplit([' ', '\n']).take(3).collect();
            let is_of_rfc = matches!(words[..], ["", number, rfc]
                if rfc.ends_with("RFC") && number.parse::<u32>().is_ok());
            // A link inside its document is checked with the other links.
            let is_link = text[..at].ends_with('[');
            assert!(is_of_rfc || is_link, "{}: {words:?}", path.display());
        }
    }
}

#[test]
fn each_link_between_documents_leads_somewhere() {
    let mut faults = Vec::new();
    for path in texts() {
        if path.extension().is_none_or(|it| it != "md") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap();
            if target.contains("://") || target.contains(char::is_whitespace) {
                continue;
            }
            let target = match target.strip_prefix('#') {
                Some(heading) => PathBuf::from(format!("{}#{heading}", path.display())),
                None => path.parent().unwrap().join(target),
            };
            let fault = fault(&target);
            faults.extend(fault.map(|fault| format!("{}: {fault}", path.display())));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
