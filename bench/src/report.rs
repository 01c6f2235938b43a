//! The report: medians of all rounds and ratios, as Markdown.

use std::fmt::Write as _;

use crate::ledger::Faults;
use crate::scenario::{Case, Measured};
use crate::server::Kind;

const NONE: &str = "–";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Less,
    More,
    /// Tells how to read the others; has no ratio.
    Neither,
}

#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) label: &'static str,
    pub(crate) better: Better,
}

/// All rounds of one case.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) case: Case,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    kind: Kind,
    rounds: Vec<Result<Measured, String>>,
}

impl Table {
    /// A column for each of `kinds` that can take part.
    pub(crate) fn new(case: Case, kinds: &[Kind]) -> Self {
        let kinds = kinds.iter().filter(|kind| kind.has(case.transport));
        let columns = kinds.map(|kind| Column {
            kind: *kind,
            rounds: Vec::new(),
        });
        Self {
            case,
            columns: columns.collect(),
        }
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.columns.iter().map(|column| column.kind)
    }

    pub(crate) fn enter(&mut self, kind: Kind, outcome: Result<Measured, String>) {
        if let Some(column) = self.columns.iter_mut().find(|column| column.kind == kind) {
            column.rounds.push(outcome);
        }
    }

    /// Every run that did not come through, and every one with faults.
    fn failures(&self) -> impl Iterator<Item = String> {
        self.columns.iter().flat_map(|column| {
            let rounds = (1..).zip(&column.rounds);
            rounds.filter_map(|(round, outcome)| {
                let reason = match outcome {
                    Ok(measured) if measured.faults.any() => {
                        format!("lost/doubled/reordered {}", measured.faults)
                    }
                    Ok(_) => return None,
                    Err(reason) => reason.clone(),
                };
                let (title, name) = (self.case.title(), column.kind.name());
                Some(format!("{title}, {name}, round {round}: {reason}"))
            })
        })
    }

    fn heading(&self) -> String {
        let names = self.columns.iter().map(|column| column.kind.name());
        let ratios = self.peers().map(|peer| ratio_name(peer.kind));
        let cells: Vec<String> = names.map(str::to_owned).chain(ratios).collect();
        let rule = " --: |".repeat(cells.len());
        format!(" {} |\n| --- |{rule}\n", cells.join(" | "))
    }

    /// The cells of one figure: a median for each server, then the ratios.
    fn cells(&self, figure: usize, spread: Spread) -> String {
        let ours = self.column(Kind::Stellar).and_then(|c| c.median(figure));
        let medians = self
            .columns
            .iter()
            .map(|column| column.cell(figure, spread));
        let ratios = self.peers().map(|peer| {
            let better = self.case.figures()[figure].better;
            match (ours, peer.median(figure)) {
                (Some(ours), Some(peer)) if better != Better::Neither && peer > 0.0 => {
                    number(ours / peer)
                }
                _ => NONE.to_owned(),
            }
        });
        let cells: Vec<String> = medians.chain(ratios).collect();
        format!(" {} |\n", cells.join(" | "))
    }

    fn faults(&self) -> String {
        let sums = self.columns.iter().map(|column| {
            let mut sum = Faults::default();
            for measured in column.rounds.iter().flatten() {
                sum += measured.faults;
            }
            sum.to_string()
        });
        let no_ratios = self.peers().map(|_| NONE.to_owned());
        let cells: Vec<String> = sums.chain(no_ratios).collect();
        format!(" {} |\n", cells.join(" | "))
    }

    fn column(&self, kind: Kind) -> Option<&Column> {
        self.columns.iter().find(|column| column.kind == kind)
    }

    /// The servers that ours is compared with; none if ours is not measured.
    fn peers(&self) -> impl Iterator<Item = &Column> {
        let is_compared = self.column(Kind::Stellar).is_some();
        self.columns
            .iter()
            .filter(move |column| is_compared && column.kind != Kind::Stellar)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spread {
    Hidden,
    Shown,
}

impl Column {
    /// The values of the rounds that came through without a fault: one that
    /// lost messages waited for them instead of working.
    fn sorted(&self, figure: usize) -> Vec<f64> {
        let measured = self.rounds.iter().flatten();
        let clean = measured.filter(|measured| !measured.faults.any());
        let mut values: Vec<f64> = clean.map(|measured| measured.values[figure]).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self, figure: usize) -> Option<f64> {
        median(&self.sorted(figure))
    }

    fn cell(&self, figure: usize, spread: Spread) -> String {
        let values = self.sorted(figure);
        let Some(middle) = median(&values) else {
            return "failed".to_owned();
        };
        match values[..] {
            [least, .., most] if spread == Spread::Shown => {
                format!("{} ({}–{})", number(middle), number(least), number(most))
            }
            _ => number(middle),
        }
    }
}

fn ratio_name(peer: Kind) -> String {
    format!("{} / {}", Kind::Stellar.name(), peer.name())
}

/// The middle of sorted values.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        even if even.is_multiple_of(2) => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

/// Three significant digits, or all of a whole number.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        large if large >= 99.95 => format!("{value:.0}"),
        medium if medium >= 9.995 => format!("{value:.1}"),
        small if small >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// All failures of all tables.
pub(crate) fn failures(tables: &[Table]) -> Vec<String> {
    tables.iter().flat_map(Table::failures).collect()
}

/// The whole report.
pub(crate) fn markdown(tables: &[Table], rounds: u16, origin: &[String]) -> String {
    let mut text = String::from("# Benchmark\n\n");
    for line in origin {
        let _ = writeln!(text, "* {line}");
    }
    let _ = writeln!(
        text,
        "* medians of {rounds} interleaved rounds; server and generator share the machine\n"
    );

    text += "## Headline: less is better\n\n";
    for alike in tables.chunk_by(|a, b| a.kinds().eq(b.kinds())) {
        let _ = write!(text, "| case |{}", alike[0].heading());
        for table in alike {
            let label = table.case.figures()[0].label;
            let _ = write!(text, "| {}: {label} |", table.case.title());
            text += &table.cells(0, Spread::Hidden);
        }
        text.push('\n');
    }

    for table in tables {
        let _ = writeln!(text, "## {}\n", capitalized(&table.case.title()));
        let _ = write!(text, "| figure |{}", table.heading());
        for (index, figure) in table.case.figures().iter().enumerate() {
            let better = match figure.better {
                Better::Less => " ↓",
                Better::More => " ↑",
                Better::Neither => "",
            };
            let _ = write!(text, "| {}{better} |", figure.label);
            text += &table.cells(index, Spread::Shown);
        }
        let _ = writeln!(text, "| lost/doubled/reordered |{}", table.faults());
    }

    let failures = failures(tables);
    if !failures.is_empty() {
        text += "## Failures\n\n";
        for failure in failures {
            let _ = writeln!(text, "* {failure}");
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn capitalized(title: &str) -> String {
    let mut chars = title.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::args::{Effort, Scenario};

    #[test]
    fn medians_and_numbers() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0, 3.0, 9.0]), Some(2.5));
        let shown = [123_456.7, 12.34, 1.234, 0.1234, 0.0].map(number);
        assert_eq!(shown, ["123457", "12.3", "1.23", "0.123", "0"]);
    }

    fn idle_case(scenario: Scenario) -> Case {
        let effort = Effort {
            warm_up: Duration::ZERO,
            window: Duration::ZERO,
            idle_connections: 10,
            idle_sessions: 10,
            settle: Duration::ZERO,
        };
        Case::all(scenario, effort)[0]
    }

    #[test]
    fn ratios_are_ours_by_theirs_and_failures_are_listed() {
        let mut table = Table::new(idle_case(Scenario::Idle), &Kind::ALL);
        let measured = |value| Measured {
            values: vec![value; 4],
            faults: Faults::default(),
        };
        table.enter(Kind::Stellar, Ok(measured(2.0)));
        table.enter(Kind::Ws, Ok(measured(8.0)));
        table.enter(Kind::Primus, Err("closed by the server".to_owned()));
        assert_eq!(
            table.cells(0, Spread::Hidden),
            " 2.00 | 8.00 | failed | 0.250 | – |\n"
        );
        assert_eq!(
            failures(&[table]),
            ["10 idle connections in a room, primus, round 1: closed by the server"]
        );
    }
    #[test]
    fn the_headline_compares_each_transport_with_its_own_peers() {
        let scenarios = [Scenario::Idle, Scenario::PollIdle, Scenario::SioIdle];
        let tables = scenarios.map(|scenario| Table::new(idle_case(scenario), &Kind::ALL));
        let text = markdown(&tables, 1, &[]);
        let headline = text.split("\n## ").nth(1).unwrap();
        let headings: Vec<&str> = headline
            .lines()
            .filter(|line| line.starts_with("| case |"))
            .collect();
        assert_eq!(
            headings,
            [
                "| case | stellar | ws | primus | stellar / ws | stellar / primus |",
                "| case | stellar | engineio | primus-engineio \
                 | stellar / engineio | stellar / primus-engineio |",
                "| case | stellar | socketio | socketioxide \
                 | stellar / socketio | stellar / socketioxide |",
            ]
        );
    }
}
