//! Standard output: results for people as text, for machines as one JSON object. Standard error:
//! notes, warnings and what is going on.

mod adaptation;
mod evaluation;
mod status;

use std::io::{ErrorKind, Write};

use e2mc_report::{Finding, terminal};
use serde::Serialize;

pub use adaptation::{Adaptation, map_name};
pub use e2mc_report::plus_minus;
pub use e2mc_report::terminal::table;
pub use evaluation::evaluation;
pub use status::Status;

/// Prints `value` as one JSON object, or `text` for people.
pub fn result(json: bool, value: &impl Serialize, text: impl FnOnce() -> String) {
    if json {
        let value = serde_json::to_string(value).expect("results hold only strings and numbers");
        line(&value);
    } else {
        line(text().trim_end());
    }
}

/// Prints `text` as it is.
pub fn text(text: &str) {
    line(text.trim_end());
}

/// Prints one line. A reader that has seen enough, such as `head`, ends the output quietly.
fn line(text: &str) {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            warning(&format!("cannot print the result: {error}"));
        }
        _ => {}
    }
}

/// Prints a note for the user to standard error, if anyone still reads it.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints a warning to standard error.
pub fn warning(text: &str) {
    note(&format!("warning: {text}"));
}

/// A [`table`] in parts that fit the terminal, each with the first column.
pub fn fitting_table(rows: &[Vec<String>]) -> String {
    terminal::fitting_table(rows, columns())
}

/// Findings: the verdict, then the sentence, broken where the terminal ends.
pub fn findings(findings: &[Finding]) -> String {
    terminal::findings(findings, columns())
}

/// What was typed, by the name of the command, for the records of runs and pages.
pub fn command_line() -> String {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| for_a_shell(&word.to_string_lossy()));
    let words: Vec<_> = std::iter::once("e2mc".to_owned()).chain(words).collect();
    words.join(" ")
}

/// A word as a shell reads it back: in quotes if anything in it has a meaning there.
pub fn for_a_shell(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./=,:+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// The columns of the terminal, or those of a usual one; no more than can be read well.
fn columns() -> usize {
    let size = console::Term::stdout().size_checked();
    size.map_or(80, |(_, columns)| usize::from(columns))
        .clamp(40, 110)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        assert_eq!(for_a_shell("--set"), "--set");
        assert_eq!(for_a_shell("criterion.beta=1e-3"), "criterion.beta=1e-3");
        assert_eq!(for_a_shell("My Photos"), "'My Photos'");
        assert_eq!(for_a_shell("it's"), r"'it'\''s'");
        assert_eq!(for_a_shell(""), "''");
    }
}
