//! What each path may take, as `ceilings.toml` has it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// What a count may exceed its ceiling by: compilers and the C library differ
/// between machines, and a thread that finds work may look for it once more.
pub(crate) const TOLERANCE_PERCENT: u64 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Within,
    /// More than the ceiling and its tolerance.
    Above,
    /// So far below that the ceiling no longer guards.
    Below,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Within => "",
            Self::Above => "  ABOVE: find out why, or raise the ceiling and say why",
            Self::Below => "  below: lower the ceiling with --write",
        })
    }
}

/// Instructions by path.
#[derive(Debug, Default)]
pub(crate) struct Ceilings(BTreeMap<String, u64>);

impl Ceilings {
    pub(crate) fn read() -> Result<Self> {
        let text = std::fs::read_to_string(file()).context("no ceilings.toml")?;
        Ok(Self(toml::from_str(&text).context("ceilings.toml")?))
    }

    /// Every path has a ceiling, and every ceiling a path: neither is forgotten.
    pub(crate) fn must_name(&self, paths: &[&str]) -> Result<()> {
        for path in paths {
            ensure!(self.0.contains_key(*path), "no ceiling for {path}");
        }
        for name in self.0.keys() {
            ensure!(
                paths.contains(&name.as_str()),
                "a ceiling for no path: {name}"
            );
        }
        Ok(())
    }

    pub(crate) fn set(&mut self, path: &str, counted: u64) {
        self.0.insert(path.to_owned(), counted);
    }

    pub(crate) fn judge(&self, path: &str, counted: u64) -> (u64, Verdict) {
        let ceiling = self.0.get(path).copied().unwrap_or_default();
        let verdict = if counted * 100 > ceiling * (100 + TOLERANCE_PERCENT) {
            Verdict::Above
        } else if counted * 100 < ceiling * (100 - TOLERANCE_PERCENT) {
            Verdict::Below
        } else {
            Verdict::Within
        };
        (ceiling, verdict)
    }

    pub(crate) fn write(&self) -> Result<()> {
        let head = format!(
            "# Instructions per operation, as counted on x86-64. `make count` fails {TOLERANCE_PERCENT} % above them.\n"
        );
        std::fs::write(file(), head + &toml::to_string(&self.0)?)?;
        Ok(())
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("ceilings.toml")
}
