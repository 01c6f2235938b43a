//! Bytes that are almost right: seeds with some mistakes in them.

use fastrand::Rng;

use crate::Corpus;

/// The longest that bytes become.
const MAX_LEN: usize = 4096;

/// Makes bytes out of a corpus, the same ones from the same seed.
#[derive(Debug)]
pub struct Mutator<'a> {
    corpus: &'a Corpus,
    rng: Rng,
}

impl<'a> Mutator<'a> {
    /// A mutator of this corpus.
    pub fn new(corpus: &'a Corpus, seed: u64) -> Self {
        let rng = Rng::with_seed(seed);
        Self { corpus, rng }
    }

    /// The next ones.
    pub fn mutated(&mut self) -> Vec<u8> {
        let mut bytes = self.seed().to_vec();
        // Mostly few mistakes: with many, nothing gets past the first check.
        let most = 2 << self.rng.u32(..4);
        for _ in 0..1 + self.rng.usize(..most) {
            self.mutate(&mut bytes);
            bytes.truncate(MAX_LEN);
        }
        bytes
    }

    fn seed(&mut self) -> &'a [u8] {
        self.rng.choice(&self.corpus.seeds).map_or(&[], |seed| seed)
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.rng.usize(..=bytes.len());
        let until = at + self.rng.usize(..=(bytes.len() - at).min(32));
        match self.rng.u32(..10) {
            0 => drop(bytes.drain(at..until)),
            1 => bytes.insert(at, self.rng.u8(..)),
            2 | 3 => {
                let word = self
                    .rng
                    .choice(&self.corpus.words)
                    .map_or(&[][..], |word| word);
                bytes.splice(at..at, word.iter().copied());
            }
            4 => {
                let other = self.seed();
                let from = self.rng.usize(..=other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            // The same again, often: depth, and counts.
            5 => {
                let times = 1 << self.rng.u32(..8);
                let part = bytes[at..until].repeat(times);
                bytes.splice(at..at, part);
            }
            6 => bytes.truncate(at),
            _ => self.change_byte(bytes, at),
        }
    }

    fn change_byte(&mut self, bytes: &mut [u8], at: usize) {
        let change = self.rng.u32(..4);
        let Some(byte) = bytes.get_mut(at) else {
            return;
        };
        *byte = match change {
            0 => *byte ^ 1 << self.rng.u32(..8),
            1 => byte.wrapping_add(1),
            2 => byte.wrapping_sub(1),
            _ => self.rng.u8(..),
        };
    }
}
