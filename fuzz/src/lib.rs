//! The fuzz targets of all crates, by name. `README.md` tells how they are run.

mod corpus;
mod mutate;

pub use corpus::{Corpus, folder};
pub use mutate::Mutator;
pub use stellar::transports::fuzz::Target;

/// All targets.
pub fn targets() -> impl Iterator<Item = (&'static str, Target)> {
    let transports = stellar::transports::fuzz::TARGETS.iter();
    transports.chain(stellar::fuzz::TARGETS).copied()
}

/// Calls the target of this name.
///
/// # Panics
///
/// If there is none, or if something that must hold does not.
pub fn run(name: &str, data: &[u8]) {
    let target = targets().find(|(target, _)| *target == name);
    let (_, target) = target.expect("a target of this name");
    target(data);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn names_in(folder: &Path) -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().path());
        let stem =
            |path: std::path::PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
        names.map(stem).collect()
    }

    #[test]
    fn every_target_has_a_program_and_seeds() {
        let names: BTreeSet<_> = targets().map(|(name, _)| name.to_owned()).collect();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(names_in(&root.join("fuzz_targets")), names);
        assert_eq!(names_in(&root.join("corpus")), names);
    }

    #[test]
    fn seeds_do_no_harm() {
        for (name, target) in targets() {
            let corpus = Corpus::read(name).unwrap();
            assert!(!corpus.seeds.is_empty(), "{name} has no seed");
            corpus.seeds.iter().for_each(|seed| target(seed));
        }
    }
}
