//! Standard output: results for people as text, for machines as one JSON object. Standard error: notes,
//! warnings and what is going on.

mod adaptation;
mod evaluation;
mod status;

use std::io::Write;

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

/// Standard output may be a pipe whose reader has seen enough, as `head` has.
fn line(text: &str) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}") {
        warning(&format!("the result was not printed: {error}"));
    }
}

/// A note for the user on standard error.
pub fn note(text: &str) {
    eprintln!("{text}");
}

/// A warning on standard error.
pub fn warning(text: &str) {
    eprintln!("warning: {text}");
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
    let words = words.map(|word| word.to_string_lossy().into_owned());
    let words: Vec<_> = std::iter::once("e2mc".to_owned()).chain(words).collect();
    words.join(" ")
}

/// The columns of the terminal, or those of a usual one; no more than can be read well.
fn columns() -> usize {
    let size = console::Term::stdout().size_checked();
    size.map_or(80, |(_, columns)| usize::from(columns))
        .clamp(40, 110)
}
