//! A room in which members over WebSocket sit among others that poll or speak
//! socket.io: what one delivery over WebSocket costs there.
//!
//! The room is measured at one pace with a single WebSocket member, who speaks,
//! and with all of them; the difference is their part.

use super::Measured;
use crate::load;
use crate::report::{Better, Figure};

pub(super) const PER_SECOND: u32 = 50;

pub(super) const FIGURES: &[Figure] = &[
    Figure {
        label: "server CPU of deliveries over WebSocket, s per million",
        better: Better::Less,
    },
    Figure {
        label: "server CPU of all deliveries, s per million",
        better: Better::Neither,
    },
    Figure {
        label: "server CPU, cores",
        better: Better::Neither,
    },
    Figure {
        label: "generator CPU, cores",
        better: Better::Neither,
    },
];

/// What `few` cost is what a room costs with `others` and the speaker alone,
/// what `all` cost is what it costs with all `members`.
pub(super) fn part_of_members(
    few: &Measured,
    all: &Measured,
    members: usize,
    others: usize,
) -> Measured {
    // Of a million messages, all deliveries of each together.
    let spent = |measured: &Measured, members| measured.values[load::CPU] * members as f64;
    let of_members = spent(all, members + others) - spent(few, 1 + others);
    let mut faults = few.faults;
    faults += all.faults;
    Measured {
        values: vec![
            of_members / (members - 1) as f64,
            all.values[load::CPU],
            all.values[load::SERVER_CORES],
            all.values[load::GENERATOR_CORES],
        ],
        faults,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Faults;

    #[test]
    fn what_the_others_cost_is_taken_off() {
        let measured = |cpu| Measured {
            values: vec![cpu; 7],
            faults: Faults::default(),
        };
        // 11 deliveries at 5 each, and 10 more members at 2 each.
        let part = part_of_members(&measured(5.0), &measured(75.0 / 21.0), 11, 10);
        assert!((part.values[0] - 2.0).abs() < 1e-9, "{part:?}");
    }
}
