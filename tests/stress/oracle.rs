//! Who had to hear what, and who must not have heard it.
//!
//! Nobody can tell the moment at which the server takes a request; only that it lies between its sending and the answer to
//! the speaker's next request. (Its own answer may be read a moment before the members have it.) So every sending and every
//! answer is given a [`Tick`] of one clock, and the oracle asks for what follows from them:
//!
//! * What was said after the answer to a join, and done before the member sent a question whose answer it has read, was
//!   heard. What was done before a join was sent, or said after the answer to a leave, was not.
//! * Between these, a stay in a room has heard an unbroken piece of what a witness has heard, who is there all the time:
//!   nothing twice, nothing missing, nothing in another order.
//! * What was said by the member itself is in the piece of the stay during which it was said.
//! * The witness has heard everything that was answered with OK, once, in each speaker's order, and nothing that was not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// A moment. No two are the same.
pub(crate) type Tick = u64;

/// The clock of a round.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicU64);

/// Who said it, and their how-manieth it is.
pub(crate) type Words = (u64, u64);

/// Something that somebody asked to be said.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) room: usize,
    pub(crate) words: Words,
    pub(crate) sent: Tick,
    pub(crate) fate: Fate,
    /// The stay of the speaker during which it was sent: an index into its [`Life::stays`].
    pub(crate) stay: Option<usize>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Answered with OK. Done at this moment at the latest, if the speaker's next request was answered too.
    Taken(Option<Tick>),
    Refused,
    /// The speaker ended before it was answered.
    Unknown,
}

/// One membership, from a join to a leave or to the member's end.
#[derive(Clone, Debug)]
pub(crate) struct Stay {
    pub(crate) room: usize,
    pub(crate) join_sent: Tick,
    pub(crate) join_answered: Option<Tick>,
    pub(crate) leave_answered: Option<Tick>,
    /// When the last question was sent that was answered during the stay, or by its end.
    pub(crate) caught_up: Tick,
    /// The room's numbers and what was heard, in the order of arrival.
    pub(crate) heard: Vec<(u64, Words)>,
}

/// One client from its beginning to its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    pub(crate) who: String,
    pub(crate) said: Vec<Said>,
    pub(crate) stays: Vec<Stay>,
}

impl Clock {
    pub(crate) fn tick(&self) -> Tick {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Looks at everything that has happened. `witnessed` is what was heard in each room, from number 1 on.
pub(crate) fn judge(lives: &[Life], witnessed: &[Vec<(u64, Words)>]) -> Result<(), String> {
    let said: HashMap<Words, &Said> = lives
        .iter()
        .flat_map(|life| life.said.iter().map(|said| (said.words, said)))
        .collect();
    for (room, heard) in witnessed.iter().enumerate() {
        judge_witness(room, heard, &said)?;
    }
    let accepted = said.values().filter(|it| matches!(it.fate, Fate::Taken(_)));
    for said in accepted {
        let mut heard = witnessed[said.room].iter();
        if !heard.any(|(_, words)| *words == said.words) {
            return Err(format!("nobody has heard {said:?}"));
        }
    }
    for life in lives {
        for (index, stay) in life.stays.iter().enumerate() {
            judge_stay(life, index, stay, &witnessed[stay.room], &said)
                .map_err(|fault| format!("{fault}\nin the stay {index} of {}", life.who))?;
        }
    }
    Ok(())
}

fn judge_witness(
    room: usize,
    heard: &[(u64, Words)],
    said: &HashMap<Words, &Said>,
) -> Result<(), String> {
    let mut last: HashMap<u64, u64> = HashMap::new();
    for ((number, words), expected) in heard.iter().zip(1..) {
        if *number != expected {
            return Err(format!("{number} instead of {expected} in room {room}"));
        }
        match said.get(words) {
            Some(said) if said.room == room && said.fate != Fate::Refused => {}
            other => return Err(format!("{words:?} in room {room}, but {other:?}")),
        }
        let (who, count) = *words;
        if let Some(before) = last.insert(who, count)
            && before >= count
        {
            return Err(format!("{count} of {who} after {before} in room {room}"));
        }
    }
    Ok(())
}

fn judge_stay(
    life: &Life,
    index: usize,
    stay: &Stay,
    witnessed: &[(u64, Words)],
    said: &HashMap<Words, &Said>,
) -> Result<(), String> {
    let first = stay.heard.first().map_or(1, |(number, _)| *number);
    let start = usize::try_from(first).map_err(|_| "a number that is too large")? - 1;
    let piece = witnessed.get(start..start + stay.heard.len());
    if piece != Some(&stay.heard[..]) {
        let (heard, room) = (&stay.heard, stay.room);
        return Err(format!(
            "heard {heard:?}, but the room {room} was told {piece:?}"
        ));
    }
    let heard: std::collections::HashSet<_> = stay.heard.iter().map(|(_, it)| *it).collect();
    for (_, words) in witnessed {
        let message = said[words];
        let was_heard = heard.contains(words);
        let done_by = |by| matches!(message.fate, Fate::Taken(Some(done)) if done < by);
        let is_before = done_by(stay.join_sent);
        let is_after = stay.leave_answered.is_some_and(|left| message.sent > left);
        if was_heard && (is_before || is_after) {
            return Err(format!("heard outside of {stay:?}: {message:?}"));
        }
        let is_behind_join = stay.join_answered.is_some_and(|it| message.sent > it);
        if !was_heard && is_behind_join && done_by(stay.caught_up) {
            return Err(format!("missed during {stay:?}: {message:?}"));
        }
    }
    let own = life.said.iter().filter(|it| it.stay == Some(index));
    for message in own {
        // The answer comes first: without a later one nobody knows whether the rest was still read.
        let is_caught_up = message.sent < stay.caught_up && message.fate != Fate::Refused;
        if is_caught_up && !heard.contains(&message.words) {
            return Err(format!("did not hear itself: {message:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ann says 1 before Bob comes, 2 and 3 while he is there, and 4 after he has left; the moments are far apart.
    fn history() -> (Vec<Life>, Vec<Vec<(u64, Words)>>) {
        let said = |count, at| Said {
            room: 0,
            words: (1, count),
            sent: at,
            fate: Fate::Taken(Some(at + 1)),
            stay: Some(0),
        };
        let all = vec![(1, (1, 1)), (2, (1, 2)), (3, (1, 3)), (4, (1, 4))];
        let ann = Life {
            who: "Ann".to_owned(),
            said: vec![said(1, 10), said(2, 40), said(3, 50), said(4, 80)],
            stays: vec![Stay {
                room: 0,
                join_sent: 0,
                join_answered: Some(1),
                leave_answered: None,
                caught_up: 100,
                heard: all.clone(),
            }],
        };
        let bob = Life {
            who: "Bob".to_owned(),
            said: Vec::new(),
            stays: vec![Stay {
                room: 0,
                join_sent: 20,
                join_answered: Some(30),
                leave_answered: Some(70),
                caught_up: 60,
                heard: all[1..3].to_vec(),
            }],
        };
        (vec![ann, bob], vec![all])
    }

    /// What the oracle says after a change.
    fn fault(change: impl FnOnce(&mut Vec<Life>, &mut Vec<Vec<(u64, Words)>>)) -> String {
        let (mut lives, mut witnessed) = history();
        change(&mut lives, &mut witnessed);
        judge(&lives, &witnessed).expect_err("it was not noticed")
    }

    #[test]
    fn what_is_as_it_should_be_is_not_objected_to() {
        let (lives, witnessed) = history();
        assert_eq!(judge(&lives, &witnessed), Ok(()));
    }

    #[test]
    fn each_kind_of_fault_is_noticed() {
        let lost = fault(|lives, _| lives[1].stays[0].heard.truncate(1));
        assert!(lost.starts_with("missed"), "{lost}");
        let torn = fault(|lives, _| lives[0].stays[0].heard.retain(|it| it.0 != 2));
        assert!(torn.starts_with("heard"), "{torn}");
        let doubled = fault(|lives, _| lives[1].stays[0].heard.push((3, (1, 3))));
        assert!(doubled.starts_with("heard"), "{doubled}");
        let swapped = fault(|lives, _| lives[1].stays[0].heard.swap(0, 1));
        assert!(swapped.starts_with("heard"), "{swapped}");
        let early = fault(|lives, all| lives[1].stays[0].heard = all[0][..3].to_vec());
        assert!(early.starts_with("heard outside"), "{early}");
        let late = fault(|lives, all| lives[1].stays[0].heard = all[0][1..].to_vec());
        assert!(late.starts_with("heard outside"), "{late}");
        let deaf = fault(|lives, _| lives[0].stays[0].heard.truncate(3));
        assert!(deaf.starts_with("missed"), "{deaf}");
        let forgotten = fault(|_, all| all[0].truncate(3));
        assert!(forgotten.starts_with("nobody"), "{forgotten}");
        let refused = fault(|lives, _| lives[0].said[2].fate = Fate::Refused);
        assert!(refused.contains("Refused"), "{refused}");
        let reordered = fault(|_, all| {
            all[0] = vec![(1, (1, 1)), (2, (1, 3)), (3, (1, 2)), (4, (1, 4))];
        });
        assert!(reordered.contains("after 3"), "{reordered}");
    }
}
