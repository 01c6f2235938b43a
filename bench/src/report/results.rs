//! What was measured: pairs of adjacent runs, ours and theirs.

use crate::ledger::Faults;
use crate::report::{Better, Figure};
use crate::scenario::{Aim, Case, Measured, Rival};

/// Of one run: its figures, or why there are none.
pub(crate) type Outcome = Result<Measured, String>;

/// All rounds of one case.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) case: Case,
    /// One for each rival, in their order.
    pairs: Vec<Vec<Pair>>,
    /// Runs of ours that have no counterpart.
    singles: Vec<Outcome>,
}

#[derive(Debug)]
struct Pair {
    ours: Outcome,
    theirs: Outcome,
}

/// The middle of all rounds, and the ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// Whether a figure is what it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Reached,
    /// By less than what counts as a difference.
    Within10Percent,
    NotReached,
    NotMeasured,
}

impl Table {
    pub(crate) fn new(case: Case) -> Self {
        Self {
            pairs: case.rivals.iter().map(|_| Vec::new()).collect(),
            singles: Vec::new(),
            case,
        }
    }

    pub(crate) fn enter_pair(&mut self, rival: usize, ours: Outcome, theirs: Outcome) {
        self.pairs[rival].push(Pair { ours, theirs });
    }

    pub(crate) fn enter_single(&mut self, ours: Outcome) {
        self.singles.push(ours);
    }

    pub(crate) fn is_begun(&self) -> bool {
        !self.singles.is_empty() || self.pairs.iter().any(|pairs| !pairs.is_empty())
    }

    pub(crate) fn figures(&self) -> &'static [Figure] {
        self.case.ours.figures()
    }

    fn our_outcomes(&self) -> impl Iterator<Item = &Outcome> {
        let paired = self.pairs.iter().flatten().map(|pair| &pair.ours);
        paired.chain(&self.singles)
    }

    /// Of all our runs.
    pub(crate) fn ours(&self, figure: usize) -> Option<Spread> {
        let values = self.our_outcomes().filter_map(|run| value(run, figure));
        Spread::of(values)
    }

    /// Of all runs of one rival.
    pub(crate) fn theirs(&self, rival: usize, figure: usize) -> Option<Spread> {
        let runs = self.pairs[rival].iter().map(|pair| &pair.theirs);
        Spread::of(runs.filter_map(|run| value(run, figure)))
    }

    /// Ours divided by theirs, of each pair.
    pub(crate) fn ratio(&self, rival: usize, figure: usize) -> Option<Spread> {
        if self.figures()[figure].better == Better::Neither {
            return None;
        }
        let ratios = self.pairs[rival].iter().filter_map(|pair| {
            let (ours, theirs) = (value(&pair.ours, figure)?, value(&pair.theirs, figure)?);
            (theirs > 0.0).then(|| ours / theirs)
        });
        Spread::of(ratios)
    }

    pub(crate) fn verdict(&self, aim: Aim, found: Option<Spread>) -> Verdict {
        /// Smaller differences count as none.
        const TOLERANCE: f64 = 1.1;

        let Some(Spread { median, .. }) = found else {
            return Verdict::NotMeasured;
        };
        let excess = match self.figures()[aim.figure].better {
            Better::More => aim.limit / median,
            Better::Less | Better::Neither => median / aim.limit,
        };
        match excess {
            reached if reached <= 1.0 => Verdict::Reached,
            near if near < TOLERANCE => Verdict::Within10Percent,
            _ => Verdict::NotReached,
        }
    }

    /// Of all our runs that came to their end.
    pub(crate) fn our_faults(&self) -> Faults {
        sum(self.our_outcomes())
    }

    pub(crate) fn their_faults(&self, rival: usize) -> Faults {
        sum(self.pairs[rival].iter().map(|pair| &pair.theirs))
    }

    /// Every run that did not come through, and every one with faults.
    fn failures(&self) -> impl Iterator<Item = String> {
        let named = |name: &str, round: usize, outcome: &Outcome| {
            let reason = match outcome {
                Ok(measured) if measured.faults.any() => {
                    format!("lost/doubled/reordered {}", measured.faults)
                }
                Ok(_) => return None,
                Err(reason) => reason.clone(),
            };
            let title = &self.case.title;
            Some(format!("{title}, {name}, round {round}: {reason}"))
        };
        let paired = self.case.rivals.iter().zip(&self.pairs);
        let paired = paired.flat_map(move |(rival, pairs): (&Rival, _)| {
            (1..).zip(pairs).flat_map(move |(round, pair): (_, &Pair)| {
                let ours = format!("ours against {}", rival.name);
                let ours = named(&ours, round, &pair.ours);
                ours.into_iter()
                    .chain(named(rival.name, round, &pair.theirs))
            })
        });
        let singles = (1..).zip(&self.singles);
        paired.chain(singles.filter_map(move |(round, run)| named("ours", round, run)))
    }
}

/// All failures of all tables.
pub(crate) fn failures(tables: &[Table]) -> Vec<String> {
    tables.iter().flat_map(Table::failures).collect()
}

/// A figure of a run that came through without a fault: one that lost messages
/// waited for them instead of working.
fn value(outcome: &Outcome, figure: usize) -> Option<f64> {
    let measured = outcome.as_ref().ok()?;
    (!measured.faults.any())
        .then(|| measured.values.get(figure).copied())
        .flatten()
}

fn sum<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Faults {
    let mut sum = Faults::default();
    for measured in outcomes.flatten() {
        sum += measured.faults;
    }
    sum
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self {
            median,
            least,
            most,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{measured, table};

    #[test]
    fn a_median_is_the_middle() {
        let median = |values: &[f64]| Spread::of(values.iter().copied()).map(|s| s.median);
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[3.0, 1.0, 9.0, 2.0]), Some(2.5));
    }

    #[test]
    fn ratios_are_of_pairs_and_not_of_medians() {
        let mut table = table();
        for (ours, theirs) in [(1.0, 2.0), (4.0, 4.0), (9.0, 12.0)] {
            table.enter_pair(0, Ok(measured(ours)), Ok(measured(theirs)));
        }
        let ratio = table.ratio(0, 0).unwrap();
        assert_eq!((ratio.least, ratio.median, ratio.most), (0.5, 0.75, 1.0));
        assert_eq!(table.ours(0).unwrap().median, 4.0);
        assert_eq!(table.theirs(0, 0).unwrap().median, 4.0);
    }

    #[test]
    fn a_run_that_failed_or_lost_takes_its_pair_out_and_is_listed() {
        let mut table = table();
        let lossy = Measured {
            faults: Faults {
                lost: 3,
                ..Faults::default()
            },
            ..measured(1.0)
        };
        table.enter_pair(0, Ok(measured(1.0)), Err("closed".to_owned()));
        table.enter_pair(0, Ok(lossy), Ok(measured(1.0)));
        assert_eq!(table.ratio(0, 0), None);
        let title = table.case.title.clone();
        let rival = table.case.rivals[0].name;
        assert_eq!(
            failures(&[table]),
            [
                format!("{title}, {rival}, round 1: closed"),
                format!("{title}, ours against {rival}, round 2: lost/doubled/reordered 3/0/0"),
            ]
        );
    }

    #[test]
    fn small_differences_count_as_none() {
        let table = table();
        let verdict = |limit, median| {
            let found = Spread {
                median,
                least: median,
                most: median,
            };
            table.verdict(Aim { figure: 0, limit }, Some(found))
        };
        assert_eq!(verdict(1.25, 1.25), Verdict::Reached);
        assert_eq!(verdict(1.25, 1.3), Verdict::Within10Percent);
        assert_eq!(verdict(1.25, 1.4), Verdict::NotReached);
        let aim = Aim {
            figure: 0,
            limit: 1.0,
        };
        assert_eq!(table.verdict(aim, None), Verdict::NotMeasured);
    }
}
