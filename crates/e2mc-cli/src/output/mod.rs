//! Standard output: results for people as text, for machines as one JSON object. Standard error: notes,
//! warnings and what is going on.

mod adaptation;
mod evaluation;
mod status;

use std::io::Write;

use e2mc_report::Finding;
use serde::Serialize;

pub use adaptation::{Adaptation, map_name};
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

/// `79.31 ± 0.22`, or `79.31` where there is one value.
pub fn plus_minus(mean: f64, standard_error: Option<f64>) -> String {
    match standard_error {
        Some(error) => format!("{mean:.2} ± {error:.2}"),
        None => format!("{mean:.2}"),
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

/// Findings, one a line: the verdict, then the sentence.
pub fn findings(findings: &[Finding]) -> String {
    let words = |finding: &Finding| finding.verdict.words();
    let width = findings.iter().map(|finding| words(finding).len()).max();
    let width = width.unwrap_or(0);
    let line = |finding: &Finding| format!("{:<width$}  {}\n", words(finding), finding.text);
    findings.iter().map(line).collect()
}

/// What was typed, by the name of the command, for the records of runs and pages.
pub fn command_line() -> String {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| word.to_string_lossy().into_owned());
    let words: Vec<_> = std::iter::once("e2mc".to_owned()).chain(words).collect();
    words.join(" ")
}

/// Lines up columns: the first to the left, the others to the right; one line a row.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<_> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                if column == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        let line: Vec<_> = cells.collect();
        text.push_str(line.join("   ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["a".into(), "1".into()],
            vec!["bb".into(), "10 ± 2".into()],
        ];
        assert_eq!(table(&rows), "a         1\nbb   10 ± 2\n");
    }
}
