//! The generated part of the report, as Markdown.

use std::fmt::Write as _;

use super::results::{Spread, Table, Verdict, failures};
use super::{Better, number, plot};
use crate::scenario::{Aim, Group};

const NONE: &str = "–";

impl Group {
    pub(super) const ALL: [Self; 6] = [
        Self::Requests,
        Self::Rooms,
        Self::Connections,
        Self::Conditions,
        Self::Polling,
        Self::Socketio,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Requests => "Requests over WebSocket",
            Self::Rooms => "Rooms over WebSocket",
            Self::Connections => "Connections over WebSocket",
            Self::Conditions => "Our server under other conditions",
            Self::Polling => "Long polling",
            Self::Socketio => "socket.io",
        }
    }

    /// Of its plot, without its extension.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Rooms => "rooms",
            Self::Connections => "connections",
            Self::Conditions => "conditions",
            Self::Polling => "polling",
            Self::Socketio => "socketio",
        }
    }
}

pub(super) fn of_group(tables: &[Table], group: Group) -> impl Iterator<Item = &Table> {
    tables
        .iter()
        .filter(move |table| table.case.group == group && table.is_begun())
}

/// The whole of what is generated. `plots` is the folder of the plots as the
/// report names it, if there are any.
pub(crate) fn text(
    tables: &[Table],
    rounds: u16,
    origin: &[String],
    plots: Option<&str>,
) -> String {
    let mut text = String::from("# Benchmarks\n\n");
    for line in origin {
        let _ = writeln!(text, "* {line}");
    }
    let _ = writeln!(
        text,
        "* {rounds} pairs of adjacent runs of each comparison, ours first; every run has a server process of its own\n\
         * ratios are ours divided by theirs, of each pair; shown are the median and, in parentheses, the least and the \
         most\n\
         * server and generator share the machine; `bench/README.md` tells how to read the figures\n"
    );
    write_aims(&mut text, tables);
    for group in Group::ALL {
        if of_group(tables, group).next().is_none() {
            continue;
        }
        let title = group.title();
        let _ = writeln!(text, "## {title}\n");
        if let Some(folder) = plots
            && plot::ratios(tables, group).next().is_some()
        {
            let file = group.file();
            let _ = writeln!(text, "![Ratios: {title}]({folder}/{file}.svg)\n");
        }
        for table in of_group(tables, group) {
            write_table(&mut text, table);
        }
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

/// One row for each aim.
fn write_aims(text: &mut String, tables: &[Table]) {
    let mut rows = String::new();
    for table in tables.iter().filter(|table| table.is_begun()) {
        for aim in &table.case.aims {
            let ours = table.ours(aim.figure);
            write_aim(&mut rows, table, *aim, NONE, None, ours);
        }
        for (index, rival) in table.case.rivals.iter().enumerate() {
            for aim in &rival.aims {
                let theirs = table.theirs(index, aim.figure);
                let ratio = table.ratio(index, aim.figure);
                write_aim(&mut rows, table, *aim, rival.name, theirs, ratio);
            }
        }
    }
    if !rows.is_empty() {
        *text += "## Aims\n\n\
            | scenario | figure | ours | against | theirs | found | aim | |\n\
            | --- | --- | --: | --- | --: | --: | --: | --- |\n";
        *text += &rows;
        *text += "\nAn aim that is missed by less than 10 % is marked as near: smaller differences count as none.\n\n";
    }
}

fn write_aim(
    rows: &mut String,
    table: &Table,
    aim: Aim,
    rival: &str,
    theirs: Option<Spread>,
    found: Option<Spread>,
) {
    let figure = &table.figures()[aim.figure];
    let sign = match figure.better {
        Better::More => "≥",
        Better::Less | Better::Neither => "≤",
    };
    let verdict = match table.verdict(aim, found) {
        Verdict::Reached => "reached",
        Verdict::Within10Percent => "near",
        Verdict::NotReached => "**not reached**",
        Verdict::NotMeasured => "not measured",
    };
    let _ = writeln!(
        rows,
        "| {} | {} | {} | {rival} | {} | {} | {sign} {} | {verdict} |",
        table.case.title,
        figure.label,
        median(table.ours(aim.figure)),
        median(theirs),
        spread(found),
        number(aim.limit),
    );
}

/// All figures of one case.
fn write_table(text: &mut String, table: &Table) {
    let rivals = &table.case.rivals;
    let _ = writeln!(text, "### {}\n", table.case.title);
    let mut heading = vec!["figure".to_owned(), "ours".to_owned()];
    heading.extend(rivals.iter().map(|rival| rival.name.to_owned()));
    heading.extend(rivals.iter().map(|rival| format!("ours / {}", rival.name)));
    let rule = " --: |".repeat(heading.len() - 1);
    let _ = writeln!(text, "| {} |\n| --- |{rule}", heading.join(" | "));
    for (index, figure) in table.figures().iter().enumerate() {
        let arrow = match figure.better {
            Better::Less => " ↓",
            Better::More => " ↑",
            Better::Neither => "",
        };
        let mut cells = vec![format!("{}{arrow}", figure.label)];
        cells.push(median(table.ours(index)));
        let rivals = 0..rivals.len();
        cells.extend(
            rivals
                .clone()
                .map(|rival| median(table.theirs(rival, index))),
        );
        cells.extend(rivals.map(|rival| spread(table.ratio(rival, index))));
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    let mut cells = vec!["lost/doubled/reordered".to_owned()];
    cells.push(table.our_faults().to_string());
    cells.extend((0..rivals.len()).map(|rival| table.their_faults(rival).to_string()));
    cells.extend(rivals.iter().map(|_| NONE.to_owned()));
    let _ = writeln!(text, "| {} |\n", cells.join(" | "));
}

fn median(spread: Option<Spread>) -> String {
    spread.map_or_else(|| NONE.to_owned(), |spread| number(spread.median))
}

fn spread(spread: Option<Spread>) -> String {
    match spread {
        None => NONE.to_owned(),
        Some(Spread {
            median,
            least,
            most,
        }) if least < most => {
            format!("{} ({}–{})", number(median), number(least), number(most))
        }
        Some(Spread { median, .. }) => number(median),
    }
}
