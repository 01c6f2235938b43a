//! The section of rates.

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::http::VisitRates;
use crate::{app, engine};

/// How often one client may do what. Each rate is what comes per second, and what may come at once after a pause. Over it
/// requests are answered 029 with `retryAfter`; but for the first two. A rate of 0 is no limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RatesConfig {
    /// Connections that one IPv4 address or IPv6 /64 opens, but for trusted proxies. One more is closed at once.
    pub connects_per_second: f64,
    /// Connections at once.
    pub connects_burst: u64,
    /// HTTP requests of one IPv4 address or IPv6 /64; those of trusted proxies count for the client that they name. One more is
    /// answered 429 with `Retry-After`.
    pub requests_per_second: f64,
    /// Requests at once.
    pub requests_burst: u64,
    /// Messages of a connection, whatever they are.
    pub messages_per_second: f64,
    /// Messages at once.
    pub messages_burst: u64,
    /// Bytes of a connection's messages.
    pub bytes_per_second: f64,
    /// Bytes at once.
    pub bytes_burst: u64,
    /// What a connection says in one room, events included.
    pub says_per_second: f64,
    /// Of these at once.
    pub says_burst: u64,
    /// Actions of a realtime connection.
    pub actions_per_second: f64,
    /// Actions at once.
    pub actions_burst: u64,
    /// What a connection's other requests cost: a `roomAdd` or `roomLeave` 10, a `file` 50, a `roomView` 10 and one more
    /// for every ten members that it shows and every hundred that there are, a `detailsView` one for every ten rooms that it shows.
    pub costs_per_second: f64,
    /// Costs at once.
    pub costs_burst: u64,
    /// Requests of a connection over any of these. Over this it is closed with 4007.
    pub refusals_per_second: f64,
    /// Of these at once.
    pub refusals_burst: u64,
}

impl Default for RatesConfig {
    fn default() -> Self {
        Self {
            // Twice what 10,000 clients behind one address need to come back at once.
            connects_per_second: 2_000.0,
            connects_burst: 50_000,
            requests_per_second: 20_000.0,
            requests_burst: 250_000,
            messages_per_second: 20_000.0,
            messages_burst: 40_000,
            bytes_per_second: f64::from(64 * 1024 * 1024),
            bytes_burst: 128 * 1024 * 1024,
            says_per_second: 10_000.0,
            says_burst: 20_000,
            actions_per_second: 10_000.0,
            actions_burst: 20_000,
            costs_per_second: 20_000.0,
            costs_burst: 40_000,
            refusals_per_second: 100.0,
            refusals_burst: 10_000,
        }
    }
}

impl RatesConfig {
    /// The rates of addresses.
    pub(crate) fn visits(&self) -> VisitRates {
        use crate::engine::Rate;
        VisitRates {
            connects: Rate::new(self.connects_per_second, self.connects_burst),
            requests: Rate::new(self.requests_per_second, self.requests_burst),
        }
    }

    /// The rates, as the app has them.
    pub(super) fn options(&self) -> app::Rates {
        use crate::engine::Rate;
        app::Rates {
            connection: engine::Rates {
                messages: Rate::new(self.messages_per_second, self.messages_burst),
                bytes: Rate::new(self.bytes_per_second, self.bytes_burst),
                refusals: Rate::new(self.refusals_per_second, self.refusals_burst),
            },
            says: Rate::new(self.says_per_second, self.says_burst),
            actions: Rate::new(self.actions_per_second, self.actions_burst),
            costs: Rate::new(self.costs_per_second, self.costs_burst),
        }
    }

    /// Checks that each rate is one.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let rates = [
            ("connects", self.connects_per_second),
            ("requests", self.requests_per_second),
            ("messages", self.messages_per_second),
            ("bytes", self.bytes_per_second),
            ("says", self.says_per_second),
            ("actions", self.actions_per_second),
            ("costs", self.costs_per_second),
            ("refusals", self.refusals_per_second),
        ];
        match rates
            .iter()
            .find(|(_, rate)| !(rate.is_finite() && *rate >= 0.0))
        {
            Some((name, rate)) => Err(ConfigError::Value(format!(
                "rates.{name}_per_second: expected a number, 0 (off) or more, but found {rate}"
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_defaults_are_those_of_programs() {
        assert_eq!(RatesConfig::default().options(), app::Rates::default());
    }

    #[test]
    fn a_rate_is_a_number_that_can_be() {
        let wrong = |text: &str| {
            let config = Config::parse(text, "x.toml").and_then(|config| config.check_values());
            config.unwrap_err().to_string()
        };
        for (text, says) in [
            (
                "[rates]\nsays_per_second = -1\n",
                "rates.says_per_second: expected a number, 0 (off) or more, but found -1",
            ),
            (
                "[rates]\ncosts_per_second = nan\n",
                "rates.costs_per_second: expected a number, 0 (off) or more, but found NaN",
            ),
            (
                "[rates]\nbytes_per_second = \"fast\"\n",
                "x.toml: line 2: rates.bytes_per_second: expected a number, 0 (off) or more, but found the text \"fast\"",
            ),
        ] {
            assert_eq!(wrong(text), says);
        }
        let slow = Config::parse("[rates]\nsays_per_second = 0.001\n", "x.toml").unwrap();
        assert!(slow.check_values().is_ok());
        assert_eq!(slow.rates.says_per_second, 0.001);
    }
}
