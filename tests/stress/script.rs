//! What a client does in its life: chosen by chance, and noted for the oracle.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::ROOMS;
use crate::guest::{Guest, Heard, Request, WAYS};
use crate::oracle::{Clock, Fate, Life, Said, Stay, Tick, Words};

/// Most requests that are sent at once.
const BURST: usize = 6;

/// What all clients of a round share.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Clock,
    /// Clients so far.
    names: AtomicU64,
    /// Clients that polled and have gone without a word: the server still has them.
    pub(crate) abandoned: AtomicU64,
}

/// A client under way.
struct Actor {
    round: Arc<Round>,
    rng: Rng,
    guest: Guest,
    name: u64,
    life: Life,
    /// The stay in each room where it is, once everything asked so far is done.
    within: [Option<usize>; ROOMS.len()],
    /// What was sent and is not answered.
    open: Vec<Open>,
    /// What was said and answered last: an index into [`Life::said`].
    unsure: Option<usize>,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Open {
    number: u64,
    sent: Tick,
    what: What,
    /// The code that it must be answered with.
    expected: Option<&'static str>,
}

#[derive(Debug)]
enum What {
    Join(usize),
    Leave(usize),
    /// An index into [`Life::said`].
    Say(usize),
    Details,
}

impl Round {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            clock: Clock::default(),
            names: AtomicU64::new(1),
            abandoned: AtomicU64::new(0),
        }
    }
}

/// What a push holds: the room, its number, and who said what.
pub(crate) fn read(push: &Value) -> (usize, u64, Words) {
    assert_eq!(push["context"], "user", "{push}");
    let room = ROOMS.iter().position(|room| push["room"] == *room);
    let words = &push["message"]["words"];
    let words = (words[0].as_u64(), words[1].as_u64());
    let (Some(room), Some(number), (Some(who), Some(count))) = (room, push["seq"].as_u64(), words)
    else {
        panic!("not as it was said: {push}");
    };
    (room, number, (who, count))
}

/// Lives one life after the other until all steps are done.
pub(crate) async fn act(round: Arc<Round>, seed: u64, steps: usize) -> Vec<Life> {
    let mut rng = Rng::with_seed(seed);
    let mut lives = Vec::new();
    let mut left = steps;
    while left > 0 {
        let mut actor = Actor::born(&round, rng.fork()).await;
        loop {
            left = left.saturating_sub(1);
            match actor.rng.u32(0..100) {
                _ if left == 0 => break actor.closes(&mut lives).await,
                0..60 => {
                    actor.asks().await;
                    actor.hears_all().await;
                }
                60..75 => {
                    actor.asks_for_details().await;
                    actor.hears_all().await;
                }
                75..90 => actor.moves().await,
                90..96 => break actor.aborts(&mut lives).await,
                _ => break actor.closes(&mut lives).await,
            }
        }
    }
    lives
}

impl Actor {
    async fn born(round: &Arc<Round>, mut rng: Rng) -> Self {
        let way = rng.choice(WAYS).expect("there are some");
        let name = round.names.fetch_add(1, Ordering::SeqCst);
        Self {
            guest: Guest::connect(round.address, way).await,
            round: Arc::clone(round),
            rng,
            name,
            life: Life {
                who: format!("{name} by {way:?}"),
                ..Life::default()
            },
            within: [None; ROOMS.len()],
            open: Vec::new(),
            unsure: None,
        }
    }

    /// Sends some requests, most of which make sense, and does not wait.
    async fn asks(&mut self) {
        let sent = self.round.clock.tick();
        let count = self.rng.usize(1..=BURST);
        let requests: Vec<_> = (0..count).map(|_| self.chooses(sent)).collect();
        self.sends(sent, requests).await;
    }

    async fn asks_for_details(&mut self) {
        let sent = self.round.clock.tick();
        let details = (Request::details(), What::Details, None);
        self.sends(sent, vec![details]).await;
    }

    async fn sends(&mut self, sent: Tick, requests: Vec<(Request, What, Option<&'static str>)>) {
        let (packets, rest): (Vec<_>, Vec<_>) = requests
            .into_iter()
            .map(|(packet, what, expected)| (packet, (what, expected)))
            .unzip();
        // Before it is sent: on an upgrade the answers may be there at once.
        let first = self.guest.ask(&packets).await;
        let open = rest.into_iter().zip(first..);
        self.open
            .extend(open.map(|((what, expected), number)| Open {
                number,
                sent,
                what,
                expected,
            }));
    }

    /// A request, and what it must lead to: those before it will have been done by then.
    fn chooses(&mut self, sent: Tick) -> (Request, What, Option<&'static str>) {
        let room = self.rng.usize(..ROOMS.len());
        let stay = self.within[room];
        match (self.rng.u32(0..10), stay) {
            (0..8, Some(_)) | (0..1, None) => self.says(room, sent),
            (8, Some(_)) | (1..9, None) => {
                let expected = stay.is_some().then_some("017");
                if stay.is_none() {
                    self.within[room] = Some(self.life.stays.len());
                    self.life.stays.push(Stay {
                        room,
                        join_sent: sent,
                        join_answered: None,
                        leave_answered: None,
                        caught_up: 0,
                        heard: Vec::new(),
                    });
                }
                (Request::join(ROOMS[room]), What::Join(room), expected)
            }
            _ => {
                let expected = self.within[room].take().is_none().then_some("016");
                (Request::leave(ROOMS[room]), What::Leave(room), expected)
            }
        }
    }

    fn says(&mut self, room: usize, sent: Tick) -> (Request, What, Option<&'static str>) {
        let words = (self.name, self.life.said.len() as u64 + 1);
        // Now and then more than fits a read, or a segment.
        let padding = match self.rng.u32(0..20) {
            0 => self.rng.usize(..60_000),
            1..4 => self.rng.usize(..3000),
            _ => 0,
        };
        let message = json!({"words": [words.0, words.1], "padding": "x".repeat(padding)});
        let stay = self.within[room];
        let index = self.life.said.len();
        self.life.said.push(Said {
            room,
            words,
            sent,
            fate: Fate::Unknown,
            stay,
        });
        let expected = stay.is_none().then_some("016");
        let request = Request::say(ROOMS[room], &message);
        (request, What::Say(index), expected)
    }

    async fn hears_all(&mut self) {
        while !self.open.is_empty() {
            self.hears().await;
        }
    }

    async fn hears(&mut self) {
        match self.guest.hear().await {
            Heard::Answer(number, code) => self.is_answered(number, code.as_deref()),
            Heard::Said(push) => {
                let (room, number, words) = read(&push);
                let who = &self.life.who;
                let stays = self.life.stays.iter_mut();
                let mut open = stays.filter(|it| it.room == room && it.leave_answered.is_none());
                let stay = open.next();
                let stay = stay.unwrap_or_else(|| panic!("{who} is in no such room: {push}"));
                stay.heard.push((number, words));
            }
        }
    }

    fn is_answered(&mut self, number: u64, code: Option<&str>) {
        let now = self.round.clock.tick();
        let who = &self.life.who;
        assert!(!self.open.is_empty(), "{who} asked for nothing: {number}");
        let open = self.open.remove(0);
        if let Some(index) = self.unsure.take() {
            self.life.said[index].fate = Fate::Taken(Some(now));
        }
        assert_eq!(number, open.number, "{who}: answers come in order");
        assert_eq!(code, open.expected, "{who}: {open:?}");
        for stay in &mut self.life.stays {
            if stay.leave_answered.is_none() && stay.join_sent <= open.sent {
                stay.caught_up = stay.caught_up.max(open.sent);
            }
        }
        let mut stays = self.life.stays.iter_mut();
        match open.what {
            What::Join(room) if code.is_none() => {
                let stay = stays.find(|it| it.room == room && it.join_answered.is_none());
                stay.expect("it was asked for").join_answered = Some(now);
            }
            What::Leave(room) if code.is_none() => {
                let stay = stays.find(|it| it.room == room && it.leave_answered.is_none());
                stay.expect("it was in there").leave_answered = Some(now);
            }
            What::Say(index) => {
                self.life.said[index].fate = match code {
                    None => {
                        self.unsure = Some(index);
                        Fate::Taken(None)
                    }
                    Some(_) => Fate::Refused,
                };
            }
            What::Join(_) | What::Leave(_) | What::Details => {}
        }
    }

    /// Moves to a WebSocket, perhaps with answers under way, or only begins to.
    async fn moves(&mut self) {
        if self.guest.polls() {
            if self.rng.bool() {
                self.asks().await;
            }
            if self.rng.u32(0..3) == 0 {
                self.guest.try_upgrade().await;
            } else {
                self.guest.upgrade().await;
            }
        } else {
            self.asks_for_details().await;
        }
        self.hears_all().await;
    }

    /// Is gone, perhaps with requests under way.
    async fn aborts(mut self, lives: &mut Vec<Life>) {
        if self.rng.bool() {
            self.asks().await;
        }
        if !self.guest.abort() {
            self.round.abandoned.fetch_add(1, Ordering::SeqCst);
        }
        lives.push(self.life);
    }

    async fn closes(mut self, lives: &mut Vec<Life>) {
        if self.rng.bool() {
            self.asks().await;
        }
        self.guest.close().await;
        lives.push(self.life);
    }
}
