//! What a target begins with: seeds, and words that its format is made of.

use std::io;
use std::path::{Path, PathBuf};

/// The seeds of one target, and the words of all.
#[derive(Debug)]
pub struct Corpus {
    /// One file each, in `corpus/<target>/`.
    pub seeds: Vec<Vec<u8>>,
    /// The entries of `dictionary.txt`.
    pub words: Vec<Vec<u8>>,
}

/// A folder or file of this crate.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

impl Corpus {
    /// Reads what the target of this name begins with.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or the dictionary is not in libFuzzer's format.
    pub fn read(target: &str) -> io::Result<Self> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder("corpus").join(target))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?;
        // A run is repeated by its seed, whatever order the file system has.
        files.sort();
        let seeds = files.iter().map(std::fs::read).collect::<io::Result<_>>()?;
        let dictionary = std::fs::read_to_string(folder("dictionary.txt"))?;
        let entries = dictionary.lines().filter(|line| line.starts_with('"'));
        let words: Option<Vec<_>> = entries.map(word).collect();
        let words = words.ok_or_else(|| io::Error::other("dictionary.txt has a wrong entry"))?;
        Ok(Self { seeds, words })
    }
}

/// The bytes of `"text"`, where `\xAB`, `\\` and `\"` are escapes.
fn word(line: &str) -> Option<Vec<u8>> {
    let mut rest = line.trim_end().strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::new();
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escaped = &rest[at + 1..];
        rest = match escaped.strip_prefix('x') {
            Some(digits) => {
                bytes.push(u8::from_str_radix(digits.get(..2)?, 16).ok()?);
                &digits[2..]
            }
            None => {
                let character = escaped
                    .chars()
                    .next()
                    .filter(|it| matches!(it, '\\' | '"'))?;
                bytes.push(character as u8);
                &escaped[1..]
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_escapes() {
        assert_eq!(word(r#""a\x1e\\\"b""#), Some(b"a\x1e\\\"b".to_vec()));
        assert_eq!(word(r#""\x""#), None);
        assert_eq!(word(r#""\n""#), None);
    }
}
