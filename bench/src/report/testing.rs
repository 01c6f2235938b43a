//! What the tests of the report have in common.

use std::time::Duration;

use super::Table;
use crate::args::{Effort, Scenario};
use crate::ledger::Faults;
use crate::scenario::{Case, Measured};

/// An empty table of a case with rivals.
pub(super) fn table() -> Table {
    let effort = Effort {
        warm_up: Duration::ZERO,
        window: Duration::ZERO,
        idle_connections: 10,
        idle_sessions: 10,
        connects: 10,
        cycles: 10,
        many_cycles: 10,
        storm: 10,
        settle: Duration::ZERO,
        threads: 1,
    };
    let mut cases = Case::all(Scenario::Action, effort);
    Table::new(cases.remove(0))
}

/// A run whose figures are all `value`.
pub(super) fn measured(value: f64) -> Measured {
    Measured {
        values: vec![value; 7],
        faults: Faults::default(),
    }
}
