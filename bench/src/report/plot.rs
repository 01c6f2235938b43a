//! Bars of ratios as SVG, on a logarithmic scale, readable on light and dark
//! ground.

use std::fmt::Write as _;

use super::results::{Spread, Table, Verdict};
use super::{markdown, number};
use crate::scenario::{Aim, Group};

const WIDTH: f64 = 860.0;
/// Of the names.
const LEFT: f64 = 400.0;
/// Of the figures behind the bars.
const RIGHT: f64 = 70.0;
const ROW: f64 = 22.0;
const TITLE_ROW: f64 = 26.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 30.0;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#24292f}\
    .title{font-weight:600}.small{font-size:11px;fill:#57606a}\
    .grid{stroke:#d0d7de}.one{stroke:#24292f}.reached{fill:#1f883d}.missed{fill:#bc4c00}.plain{fill:#6e7781}\
    .range{stroke:#24292f;stroke-width:1.5}.aim{stroke:#8250df;stroke-width:2.5}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.grid{stroke:#3d444d}\
    .one{stroke:#e6edf3}.reached{fill:#3fb950}.missed{fill:#db6d28}.plain{fill:#8b949e}.range{stroke:#e6edf3}.aim{stroke:#ab7df8}}";

/// One bar.
#[derive(Debug)]
pub(super) struct Ratio<'a> {
    table: &'a Table,
    rival: &'static str,
    figure: usize,
    found: Spread,
    aim: Option<Aim>,
}

/// The headline of each comparison, and every other figure that has an aim.
pub(super) fn ratios(tables: &[Table], group: Group) -> impl Iterator<Item = Ratio<'_>> {
    markdown::of_group(tables, group).flat_map(|table| {
        let rivals = table.case.rivals.iter().enumerate();
        rivals.flat_map(move |(index, rival)| {
            (0..table.figures().len()).filter_map(move |figure| {
                let aim = rival.aims.iter().find(|aim| aim.figure == figure);
                if figure != table.case.headline && aim.is_none() {
                    return None;
                }
                Some(Ratio {
                    table,
                    rival: rival.name,
                    figure,
                    found: table.ratio(index, figure)?,
                    aim: aim.copied(),
                })
            })
        })
    })
}

/// The plot of a group, if it has ratios.
pub(super) fn svg(tables: &[Table], group: Group) -> Option<String> {
    let ratios: Vec<Ratio<'_>> = ratios(tables, group).collect();
    if ratios.is_empty() {
        return None;
    }
    let scale = Scale::of(&ratios);
    let mut rows = String::new();
    let mut y = TOP;
    for alike in ratios.chunk_by(|a, b| std::ptr::eq(a.table, b.table)) {
        let title = &alike[0].table.case.title.replace('`', "");
        y += TITLE_ROW;
        let _ = writeln!(
            rows,
            r#"<text class="title" x="12" y="{:.1}">{}</text>"#,
            y - 8.0,
            escaped(title)
        );
        for ratio in alike {
            write_bar(&mut rows, ratio, y, scale);
            y += ROW;
        }
    }
    let height = y + BOTTOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">\n<title>{title}: ours divided by theirs</title>\n<style>{STYLE}</style>\n\
         <text class=\"title\" x=\"12\" y=\"20\">{title}: ours divided by theirs</text>\n\
         <text class=\"small\" x=\"12\" y=\"37\">bar: median, green if the aim is reached, orange if not; line: least to most; \
         upright: the aim; logarithmic scale</text>\n",
        title = escaped(group.title()),
    );
    for tick in scale.ticks() {
        let x = scale.x(tick);
        let class = if tick == 1.0 { "one" } else { "grid" };
        let _ = writeln!(
            svg,
            r#"<line class="{class}" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{y:.1}"/><text class="small" x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            y + 16.0,
            tick
        );
    }
    svg += &rows;
    svg += "</svg>\n";
    Some(svg)
}

fn write_bar(rows: &mut String, ratio: &Ratio<'_>, y: f64, scale: Scale) {
    let Spread {
        median,
        least,
        most,
    } = ratio.found;
    let figure = &ratio.table.figures()[ratio.figure];
    let verdict = ratio
        .aim
        .map(|aim| ratio.table.verdict(aim, Some(ratio.found)));
    let class = match verdict {
        Some(Verdict::Reached | Verdict::Within10Percent) => "reached",
        Some(Verdict::NotReached | Verdict::NotMeasured) => "missed",
        None => "plain",
    };
    let (one, end) = (scale.x(1.0), scale.x(median));
    let middle = y + ROW / 2.0;
    let _ = writeln!(
        rows,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{} <tspan class="small">{}</tspan></text><rect class="{}" x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}"/><line class="range" x1="{:.1}" x2="{:.1}" y1="{middle:.1}" y2="{middle:.1}"/><text class="small" x="{:.1}" y="{:.1}">{}</text>"#,
        LEFT - 8.0,
        middle + 4.0,
        escaped(ratio.rival),
        escaped(figure.label),
        class,
        one.min(end),
        y + 4.0,
        (one - end).abs().max(1.0),
        ROW - 8.0,
        scale.x(least),
        scale.x(most),
        WIDTH - RIGHT + 12.0,
        middle + 4.0,
        number(median),
    );
    if let Some(aim) = ratio.aim {
        let x = scale.x(aim.limit);
        let _ = writeln!(
            rows,
            r#"<line class="aim" x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{:.1}"/>"#,
            y + 1.0,
            y + ROW - 1.0,
        );
    }
}

#[derive(Debug, Clone, Copy)]
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    /// Holds all that is drawn, and always a factor of two to either side of 1.
    fn of(ratios: &[Ratio<'_>]) -> Self {
        let drawn = ratios.iter().flat_map(|ratio| {
            let Spread { least, most, .. } = ratio.found;
            [least, most]
                .into_iter()
                .chain(ratio.aim.map(|aim| aim.limit))
        });
        let drawn = drawn.filter(|value| value.is_finite() && *value > 0.0);
        let (least, most) = drawn.fold((0.5, 2.0), |(least, most): (f64, f64), value| {
            (least.min(value), most.max(value))
        });
        Self {
            least: least / 1.1,
            most: most * 1.1,
        }
    }

    fn x(self, ratio: f64) -> f64 {
        let ratio = ratio.clamp(self.least, self.most);
        let share = (ratio / self.least).ln() / (self.most / self.least).ln();
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn ticks(self) -> impl Iterator<Item = f64> {
        const STEPS: [f64; 11] = [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
        let is_shown = move |tick: &f64| (self.least..=self.most).contains(tick);
        STEPS.into_iter().filter(is_shown)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{measured, table};

    #[test]
    fn a_bar_ends_at_its_ratio_and_begins_at_one() {
        let mut table = table();
        table.enter_pair(0, Ok(measured(1.0)), Ok(measured(4.0)));
        let group = table.case.group;
        let tables = [table];
        let svg = svg(&tables, group).unwrap();
        let bars: Vec<Ratio<'_>> = ratios(&tables, group).collect();
        let scale = Scale::of(&bars);
        let bar = format!(
            r#"<rect class="reached" x="{:.1}" y="{:.1}" width="{:.1}""#,
            scale.x(0.25),
            TOP + TITLE_ROW + 4.0,
            scale.x(1.0) - scale.x(0.25)
        );
        assert!(svg.contains(&bar), "{bar} in {svg}");
        assert!(svg.contains("prefers-color-scheme:dark"));
    }

    #[test]
    fn a_group_without_ratios_has_no_plot() {
        let table = table();
        let group = table.case.group;
        assert!(svg(&[table], group).is_none());
    }
}
