//! One comparison: the same load on our server and on others, and how close or
//! far apart they are to be.

use super::Run;
use crate::client::Transport;
use crate::server::Kind;

/// A part of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Requests,
    Rooms,
    Connections,
    Conditions,
    Polling,
    Socketio,
}

/// One load, on our server and on others.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) group: Group,
    pub(crate) title: String,
    pub(crate) ours: Run,
    pub(crate) rivals: Vec<Rival>,
    /// The figure that plots and progress show.
    pub(crate) headline: usize,
    /// Of our own figures.
    pub(crate) aims: Vec<Aim>,
}

#[derive(Debug)]
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
    /// Of ours divided by theirs.
    pub(crate) aims: Vec<Aim>,
}

/// A limit for one figure: the most if less is better, else the least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Aim {
    pub(crate) figure: usize,
    pub(crate) limit: f64,
}

fn aims(limits: &[(usize, f64)]) -> Vec<Aim> {
    let aim = |&(figure, limit)| Aim { figure, limit };
    limits.iter().map(aim).collect()
}

impl Case {
    pub(super) fn new(group: Group, title: impl Into<String>, ours: Run) -> Self {
        Self {
            group,
            title: title.into(),
            ours,
            rivals: Vec::new(),
            headline: 0,
            aims: Vec::new(),
        }
    }

    /// Compares with `kind` under the same conditions.
    pub(super) fn against(mut self, kind: Kind, limits: &[(usize, f64)]) -> Self {
        let transport = match kind {
            // It has no other.
            Kind::Socketioxide => Transport::Socketio,
            _ => self.ours.transport,
        };
        self.rivals.push(Rival {
            name: kind.name(),
            run: Run {
                kind,
                transport,
                ..self.ours
            },
            aims: aims(limits),
        });
        self
    }

    /// Compares with our own server under other conditions.
    pub(super) fn against_ours(
        mut self,
        name: &'static str,
        run: Run,
        limits: &[(usize, f64)],
    ) -> Self {
        self.rivals.push(Rival {
            name,
            run,
            aims: aims(limits),
        });
        self
    }

    pub(super) fn aiming(mut self, figure: usize, limit: f64) -> Self {
        self.aims.push(Aim { figure, limit });
        self
    }

    pub(super) fn headed_by(mut self, figure: usize) -> Self {
        self.headline = figure;
        self
    }

    /// Without the rivals that are not among `kinds`, if that leaves something
    /// to measure.
    pub(crate) fn only_against(mut self, kinds: &[Kind]) -> Option<Self> {
        let was_alone = self.rivals.is_empty();
        self.rivals.retain(|rival| kinds.contains(&rival.run.kind));
        (was_alone || !self.rivals.is_empty()).then_some(self)
    }

    /// Both sides of all comparisons.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Run> {
        let rivals = self.rivals.iter().map(|rival| rival.run);
        [self.ours].into_iter().chain(rivals)
    }
}
