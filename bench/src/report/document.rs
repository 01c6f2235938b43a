//! The report as a file: a new run replaces what was generated and its plots,
//! and keeps what was written by hand.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::results::Table;
use super::{markdown, plot};
use crate::scenario::Group;

/// What stands behind this line is written by hand.
const MARK: &str = "<!-- written by hand: a new run keeps everything from here on -->";

/// Writes the report to `path`, and its plots to the folder that has its name.
pub(crate) fn write(path: &Path, tables: &[Table], rounds: u16, origin: &[String]) -> Result<()> {
    let folder = path.with_extension("");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for group in Group::ALL {
        let file = folder.join(group.file()).with_extension("svg");
        match plot::svg(tables, group) {
            Some(svg) => {
                fs::write(&file, svg).with_context(|| format!("writing {}", file.display()))?;
            }
            // Of an earlier run, which the report shows no more.
            None if file.exists() => fs::remove_file(&file)?,
            None => {}
        }
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let generated = markdown::text(tables, rounds, origin, Some(&name));
    let before = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let text = joined(&generated, &before);
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

fn joined(generated: &str, before: &str) -> String {
    let by_hand = match before.split_once(MARK) {
        Some((_, by_hand)) => by_hand.trim(),
        None => "",
    };
    format!("{generated}\n{MARK}\n\n{by_hand}\n")
        .trim_end()
        .to_owned()
        + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_by_hand_survives() {
        let first = joined("old figures\n", "");
        assert_eq!(first, format!("old figures\n\n{MARK}\n"));
        let edited = format!("{first}\n## Where the time goes\n\nInto system calls.\n");
        let second = joined("new figures\n", &edited);
        assert_eq!(
            second,
            format!("new figures\n\n{MARK}\n\n## Where the time goes\n\nInto system calls.\n")
        );
        assert_eq!(joined("new figures\n", &second), second);
    }
}
