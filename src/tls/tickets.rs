//! Tickets that every server with the same secret can read: another node, or the same one after a restart.
//!
//! A ticket holds a session, encrypted, so that its client can go on with it anywhere. The key is derived from the
//! secret and the time: a new one every [`PERIOD`], the same on all servers, without a word between them. A ticket is
//! read in the period that it is from and in the next. The secret opens all of them, so guard it like the private key,
//! and change it now and then. The first line of the file makes tickets. The lines below still read theirs.
//!
//! ```text
//! ticket = name of the key (16 bytes) ‖ nonce (12) ‖ AES-256-GCM(session), with the name as additional data
//! ```

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio_rustls::rustls::server::ProducesTickets;

/// How many characters a secret has at least: 32 bytes in hexadecimal or base64 have more.
pub(super) const MIN_SECRET: usize = 32;
/// How long a key makes tickets, in seconds.
const PERIOD: u64 = 6 * 60 * 60;
/// How far the clocks of servers may be apart, in seconds: a key reads from then on.
const SKEW: u64 = 5 * 60;
/// The bytes of a key's name.
const NAME_LEN: usize = 16;
/// Far more than a session takes; what is larger is not looked at.
const MAX_TICKET: usize = 16 * 1024;

/// Makes and reads tickets with keys that are derived from secrets.
pub(super) struct Shared {
    secrets: Vec<hkdf::Prk>,
    random: SystemRandom,
}

/// The key of a period.
struct Key {
    name: [u8; NAME_LEN],
    key: LessSafeKey,
}

impl Shared {
    /// One secret a line. Empty lines and those that begin with `#` are passed over.
    pub(super) fn from_secrets(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"stellar: tickets of TLS sessions");
        let mut secrets = Vec::new();
        for line in lines {
            if line.len() < MIN_SECRET {
                return Err(format!(
                    "a secret of {} characters is too short",
                    line.len()
                ));
            }
            secrets.push(salt.extract(line.as_bytes()));
        }
        if secrets.is_empty() {
            return Err("no secret in it".to_owned());
        }
        Ok(Self {
            secrets,
            random: SystemRandom::new(),
        })
    }

    /// A ticket that is made at a time, in seconds since the Unix epoch.
    fn seal(&self, session: &[u8], now: u64) -> Option<Vec<u8>> {
        let Key { name, key } = Key::of(self.secrets.first()?, now / PERIOD)?;
        // A counter would tell how many others there were, and a restart would begin it anew.
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut ticket = [&name[..], &nonce, session].concat();
        let sealed = &mut ticket[NAME_LEN + NONCE_LEN..];
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(name), sealed);
        ticket.extend_from_slice(tag.ok()?.as_ref());
        Some(ticket)
    }

    /// The session of a ticket that is shown at a time.
    fn open(&self, ticket: &[u8], now: u64) -> Option<Vec<u8>> {
        if ticket.len() > MAX_TICKET {
            return None;
        }
        let (name, rest) = ticket.split_at_checked(NAME_LEN)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        // That of this period, of the one before, and of one that has begun elsewhere.
        let last = (now + SKEW) / PERIOD;
        let first = (now / PERIOD).saturating_sub(1);
        let mut keys = self.secrets.iter().flat_map(|secret| {
            let periods = (first..=last).rev();
            periods.filter_map(|period| Key::of(secret, period))
        });
        let Key { name, key } = keys.find(|key| key.name[..] == *name)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut session = sealed.to_vec();
        let length = key.open_in_place(nonce, Aad::from(name), &mut session);
        let length = length.ok()?.len();
        session.truncate(length);
        Some(session)
    }
}

impl Key {
    fn of(secret: &hkdf::Prk, period: u64) -> Option<Self> {
        let period = period.to_be_bytes();
        let about = [&b"key"[..], &period];
        let key = UnboundKey::from(secret.expand(&about, &AES_256_GCM).ok()?);
        let about = [&b"name"[..], &period];
        let mut name = [0; NAME_LEN];
        secret.expand(&about, NameLen).ok()?.fill(&mut name).ok()?;
        Some(Self {
            name,
            key: LessSafeKey::new(key),
        })
    }
}

/// What is derived is a name.
struct NameLen;

impl hkdf::KeyType for NameLen {
    fn len(&self) -> usize {
        NAME_LEN
    }
}

impl ProducesTickets for Shared {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        // Most that a ticket can be good for.
        (2 * PERIOD) as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain, now())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.open(cipher, now())
    }
}

/// Seconds since the Unix epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "cMuQ8fQ0oZ6pZ9l2mXG4sJvYw3bT7nRk";
    const OTHER: &str = "0123456789abcdef0123456789abcdef";
    /// The beginning of a period.
    const BEGIN: u64 = 80_000 * PERIOD;

    fn shared(text: &str) -> Shared {
        Shared::from_secrets(text).unwrap()
    }

    #[test]
    fn a_ticket_is_read_by_whoever_has_the_secret() {
        let ticket = shared(SECRET).seal(b"a session", BEGIN).unwrap();
        let again = shared(SECRET).seal(b"a session", BEGIN).unwrap();
        assert_ne!(ticket, again, "nobody can tell that they are alike");
        assert!(!ticket.windows(9).any(|it| it == b"a session"));
        let other_node = shared(&format!("# since spring\n  {SECRET}  \n\n"));
        let session = other_node.open(&ticket, BEGIN + 60);
        assert_eq!(session.as_deref(), Some(&b"a session"[..]));
        assert_eq!(shared(OTHER).open(&ticket, BEGIN + 60), None);
    }

    #[test]
    fn a_ticket_is_good_for_its_period_and_the_next() {
        let shared = shared(SECRET);
        let made = BEGIN + PERIOD / 2;
        let ticket = shared.seal(b"a session", made).unwrap();
        for (shown, is_good) in [
            (made, true),
            (BEGIN, true),
            (BEGIN - SKEW, true),
            (BEGIN - SKEW - 1, false),
            (BEGIN + PERIOD, true),
            (BEGIN + 2 * PERIOD - 1, true),
            (BEGIN + 2 * PERIOD, false),
            (BEGIN + 9 * PERIOD, false),
            (0, false),
        ] {
            let session = shared.open(&ticket, shown);
            assert_eq!(session.is_some(), is_good, "{shown}");
        }
    }

    #[test]
    fn a_new_secret_makes_tickets_and_the_old_one_reads_its_own() {
        let old = shared(SECRET).seal(b"old", BEGIN).unwrap();
        let both = shared(&format!("{OTHER}\n{SECRET}\n"));
        assert_eq!(both.open(&old, BEGIN).as_deref(), Some(&b"old"[..]));
        let new = both.seal(b"new", BEGIN).unwrap();
        assert_eq!(
            shared(OTHER).open(&new, BEGIN).as_deref(),
            Some(&b"new"[..])
        );
        assert_eq!(shared(SECRET).open(&new, BEGIN), None);
    }

    #[test]
    fn what_was_changed_is_no_ticket() {
        let shared = shared(SECRET);
        let ticket = shared.seal(b"a session", BEGIN).unwrap();
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(shared.open(&changed, BEGIN), None, "at {at}");
            assert_eq!(shared.open(&ticket[..at], BEGIN), None, "{at} bytes");
        }
        assert_eq!(shared.open(&[&ticket[..], b"x"].concat(), BEGIN), None);
        assert_eq!(shared.open(&ticket.repeat(1000), BEGIN), None);
        let empty = shared.seal(b"", BEGIN).unwrap();
        assert_eq!(shared.open(&empty, BEGIN).as_deref(), Some(&b""[..]));
    }

    #[test]
    fn secrets_are_long_enough() {
        for text in [
            "",
            "\n\n",
            "# only this",
            "short",
            &format!("{SECRET}\nshort"),
        ] {
            assert!(Shared::from_secrets(text).is_err(), "{text:?}");
        }
    }
}
