//! The tables of docs/protocol say what the code says.

use std::fs;

use stellar::engine::CloseReason;

use super::root;

/// The rows of a page's table that begin with a code: their cells.
fn rows(page: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("docs/protocol").join(page)).unwrap();
    let cells = |line: &str| {
        line.trim_matches('|')
            .split('|')
            .map(|it| it.trim().into())
            .collect()
    };
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let rows = rows.map(cells);
    rows.filter(|row: &Vec<String>| {
        row[0].len() > 2 && row[0].bytes().all(|it| it.is_ascii_digit())
    })
    .collect()
}

#[test]
fn each_close_reason_has_its_row() {
    let rows = rows("endings.md");
    let reasons = [
        CloseReason::Ended,
        CloseReason::GoingAway,
        CloseReason::Reconnect,
        CloseReason::SlowConsumer,
        CloseReason::WriteTimeout,
        CloseReason::HeartbeatMissed,
        CloseReason::ReceiveTimeout,
        CloseReason::ConnectTimeout,
        CloseReason::Overloaded,
        CloseReason::TooManyRequests,
        CloseReason::TooManyFragments,
        CloseReason::TooManyPackets,
        CloseReason::ProtocolError("what was wrong".into()),
        CloseReason::InvalidText,
        CloseReason::UnsupportedData,
        CloseReason::MessageTooBig,
        CloseReason::Internal,
    ];
    // Two are the client's own: their code is in no table.
    assert_eq!(reasons.len(), CloseReason::LABELS.len() - 2);
    for reason in &reasons {
        let come_back = if reason.may_return() { "yes" } else { "no" };
        let row = [
            reason.code().to_string(),
            format!("`{}`", reason.label()),
            reason.to_string(),
            come_back.to_owned(),
        ];
        assert!(rows.iter().any(|it| *it == row), "{row:?}");
    }
    assert_eq!(rows.len(), reasons.len());
}

#[test]
fn each_error_code_has_its_row() {
    let source = fs::read_to_string(root().join("src/app/error.rs")).unwrap();
    let table = source.split("const TEXTS").nth(1).unwrap();
    let table = table.split("];").next().unwrap();
    let rows = rows("errors.md");
    for row in &rows {
        let [code, text, ..] = &row[..] else {
            panic!("{row:?}");
        };
        let is_said =
            table.contains(&format!("\"{code}\"")) && table.contains(&format!("\"{text}\""));
        assert!(is_said, "{code} {text}");
    }
    let texts = table.matches("(\n").count() + table.matches("(\"").count();
    assert_eq!(rows.len(), texts);
}
