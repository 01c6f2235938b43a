//! A connection whose frames somebody takes out, while others send and end it.

use std::future::poll_fn;
use std::sync::Arc;

use shuttle::future::block_on;
use shuttle::rand::Rng;
use shuttle::thread;
use stellar_transports_model::{CloseReason, Connection, Message, Outgoing, SendError, Turn};

use crate::{Ledger, Plain, assert_whole, context, explore};

const SPEAKERS: usize = 3;
const EACH: usize = 3;

fn connection() -> Arc<Connection> {
    Connection::new(&context(Arc::default()), "model", &Plain)
}

fn say(connection: &Arc<Connection>, speaker: usize, number: usize) -> Result<(), SendError> {
    connection.send(&Message::text(format!("{speaker}.{number}")))
}

/// Takes frames until there are as many, or until it is to close.
fn take(connection: &Connection, count: usize) -> (Vec<String>, Option<CloseReason>) {
    let mut taken = Vec::new();
    while taken.len() < count {
        match block_on(poll_fn(|cx| connection.poll_outgoing(cx))) {
            Outgoing::Frame(frame) => taken.push(String::from_utf8(frame.to_vec()).unwrap()),
            Outgoing::Close(reason) => return (taken, Some(reason)),
        }
    }
    (taken, None)
}

#[test]
fn no_message_is_lost_and_no_wake() {
    explore(|_| {
        let connection = connection();
        let speakers: Vec<_> = (0..SPEAKERS)
            .map(|speaker| {
                let connection = Arc::clone(&connection);
                thread::spawn(move || {
                    (0..EACH).for_each(|number| say(&connection, speaker, number).unwrap());
                })
            })
            .collect();
        let (taken, closed) = take(&connection, SPEAKERS * EACH);
        assert_eq!(closed, None);
        assert_whole(&taken, SPEAKERS, EACH);
        speakers.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn what_two_turns_write_to_the_same_connections_arrives_at_both() {
    explore(|_| {
        let members = [connection(), connection()];
        let speakers: Vec<_> = (0..SPEAKERS)
            .map(|speaker| {
                let members = members.clone();
                thread::spawn(move || {
                    let _turn = Turn::begin();
                    for number in 0..EACH {
                        for member in &members {
                            say(member, speaker, number).unwrap();
                        }
                    }
                })
            })
            .collect();
        let readers = members.map(|member| thread::spawn(move || take(&member, SPEAKERS * EACH)));
        for reader in readers {
            let (taken, _) = reader.join().unwrap();
            assert_whole(&taken, SPEAKERS, EACH);
        }
        speakers.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn it_is_closed_once_and_what_was_taken_before_that_goes_out() {
    explore(|_| {
        let connection = connection();
        let reasons = [CloseReason::Ended, CloseReason::GoingAway];
        let closers = reasons.clone().map(|reason| {
            let connection = Arc::clone(&connection);
            thread::spawn(move || connection.close(reason))
        });
        let speaking = {
            let connection = Arc::clone(&connection);
            thread::spawn(move || {
                (0..EACH)
                    .take_while(|it| say(&connection, 0, *it).is_ok())
                    .count()
            })
        };
        let (mut taken, closed) = take(&connection, usize::MAX);
        let said = speaking.join().unwrap();
        closers.into_iter().for_each(|it| it.join().unwrap());
        assert!(reasons.contains(&closed.unwrap()));
        assert_eq!(connection.take_closing(), None, "once");
        assert!(say(&connection, 0, EACH).is_err());
        while let Some(frame) = connection.take_frame() {
            taken.push(String::from_utf8(frame.to_vec()).unwrap());
        }
        assert_whole(&taken, 1, said);
    });
}

#[test]
fn whoever_waits_for_an_empty_outbox_is_woken() {
    explore(|_| {
        let connection = connection();
        (0..EACH).for_each(|number| say(&connection, 0, number).unwrap());
        let waiting = {
            let connection = Arc::clone(&connection);
            thread::spawn(move || block_on(poll_fn(|cx| connection.poll_outbox(0, cx))))
        };
        if shuttle::rand::thread_rng().gen_bool(0.5) {
            connection.close(CloseReason::Ended);
        } else {
            take(&connection, EACH);
        }
        waiting.join().unwrap();
    });
}

#[test]
fn a_new_task_is_woken_for_what_came_before_it() {
    explore(|_| {
        let ledger = Arc::<Ledger>::default();
        let connection = Connection::new(&context(ledger), "model", &Plain);
        // Two readers in turn, as when one request takes over from another.
        let first = {
            let connection = Arc::clone(&connection);
            thread::spawn(move || take(&connection, 1))
        };
        let speaking = {
            let connection = Arc::clone(&connection);
            thread::spawn(move || (0..EACH).for_each(|it| say(&connection, 0, it).unwrap()))
        };
        let (mut taken, _) = first.join().unwrap();
        taken.extend(take(&connection, EACH - 1).0);
        assert_whole(&taken, 1, EACH);
        speaking.join().unwrap();
    });
}
