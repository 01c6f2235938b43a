//! How much one client may ask for, and what it has left of that.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::LazyLock;
use std::time::Duration;

use super::connection::Connection;
use super::error::Error;
use super::options::Options;
use crate::engine::{self, Bucket, Rate};

/// How often one connection may do what. Over a rate its requests are answered 029, which says when the next one is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// Messages and bytes, whatever they say.
    pub connection: engine::Rates,
    /// What is said in one room, events included. Default 10,000 a second, 20,000 at once.
    pub says: Rate,
    /// Actions. Default 10,000 a second, 20,000 at once.
    pub actions: Rate,
    /// Requests by their cost: a `roomAdd` or `roomLeave` costs 10, a `file` 50, a `roomView` 10 and one more for every
    /// ten members that it shows and every hundred that there are, a `detailsView` one for every ten rooms that it
    /// shows. Default 20,000 a second, 40,000 at once.
    pub costs: Rate,
}

impl Rates {
    /// No limits.
    pub const OFF: Self = Self {
        connection: engine::Rates::OFF,
        says: Rate::OFF,
        actions: Rate::OFF,
        costs: Rate::OFF,
    };
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            connection: engine::Rates::default(),
            says: Rate::new(10_000.0, 20_000),
            actions: Rate::new(10_000.0, 20_000),
            costs: Rate::new(20_000.0, 40_000),
        }
    }
}

/// The buckets of one connection, but for those of rooms.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    actions: Bucket,
    costs: Bucket,
}

/// The buckets of the rooms that a connection has spoken in lately, by the hash of their names. Two with the same hash would
/// share one.
#[derive(Debug, Default)]
pub(super) struct Said(Vec<(u64, Bucket)>);

/// Rooms to be kept before those are looked for whose buckets are full again.
const FEW_ROOMS: usize = 16;

impl Said {
    fn bucket(&mut self, room: &str, now: Duration) -> &Bucket {
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let room = HASHER.hash_one(room);
        let place = self.0.iter().position(|(known, _)| *known == room);
        let place = place.unwrap_or_else(|| {
            if self.0.len() >= FEW_ROOMS {
                self.0.retain(|(_, bucket)| !bucket.is_full(now));
            }
            self.0.push((room, Bucket::default()));
            self.0.len() - 1
        });
        &self.0[place].1
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish<'a> {
    Action,
    Say { room: &'a str },
    Cost(usize),
}

impl Connection {
    /// Takes what is wished for from the connection's buckets.
    ///
    /// # Errors
    ///
    /// 029 where too much was wished for. Whoever does not mind is ended.
    pub(super) fn afford(&self, wish: Wish<'_>, options: &Options) -> Result<(), Error> {
        let Some(spark) = self.spark() else {
            return Ok(());
        };
        let (buckets, rates, now) = (&self.record().buckets, &options.rates, spark.received_at());
        let (rate, taken) = match wish {
            Wish::Action => (
                "rates.actions",
                buckets.actions.take(&rates.actions, 1, now),
            ),
            Wish::Cost(cost) => (
                "rates.costs",
                buckets.costs.take(&rates.costs, cost as u64, now),
            ),
            Wish::Say { room } => {
                let mut rare = self.record().rare.lock();
                let bucket = rare.get_or_insert_default().said.bucket(room, now);
                ("rates.says", bucket.take(&rates.says, 1, now))
            }
        };
        taken.map_err(|retry_after| {
            // Ended or not, it is answered: the answer may still get there.
            let _is_borne = spark.refuse(&rates.connection, rate);
            Error::too_many_requests(retry_after)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_have_buckets_of_their_own_and_are_forgotten() {
        let rate = Rate::new(1.0, 2);
        let mut said = Said::default();
        for second in 0..1000 {
            let now = Duration::from_secs(second);
            for room in ["a", "b"] {
                assert!(said.bucket(room, now).take(&rate, 1, now).is_ok());
            }
            let room = format!("room {second}");
            assert!(said.bucket(&room, now).take(&rate, 2, now).is_ok());
            assert!(said.bucket(&room, now).take(&rate, 1, now).is_err());
        }
        assert!(said.0.len() <= FEW_ROOMS + 1, "{}", said.0.len());
    }
}
