//! The page of embeddings: one, or several of the same images, such as before and after.

mod change;
mod findings;
mod marginals;
mod numbers;
mod pairs;
mod rescaled;
mod spread;
mod subject;

use std::path::Path;

use e2mc_record::RunFolder;

use super::section as plain_section;
use crate::ink::Inks;
use crate::page::{Block, Report, Section};

#[cfg(test)]
pub(super) use change::changes as changes_of;
pub use findings::findings;
pub use numbers::{Quantity, json, quantities};
pub(super) use rescaled::table as scaled_table;
pub use rescaled::{Scaled, scaled};
pub use subject::Subject;
pub(super) use subject::short;

/// The page of at least one subject; `command` is what was typed to get it. The first of several is
/// what the others are compared with.
///
/// # Panics
/// Without a subject.
#[must_use]
pub fn report(subjects: &[Subject], command: &str) -> Report {
    let sources: Vec<String> = subjects.iter().map(|s| format!("`{}`", s.source)).collect();
    let d = &subjects[0].diagnostics;
    let mut blocks = vec![
        Block::Findings(findings(subjects)),
        Block::Table(numbers::table(subjects)),
    ];
    blocks.extend(scaled_table(subjects).map(Block::Table));
    let mut sections = vec![plain_section("What stands out", blocks)];
    sections.extend(sections_of(subjects));
    sections.push(made(subjects, command));
    Report {
        title: match subjects {
            [_] => "What the embedding looks like".into(),
            [_, _] => "Two embeddings of the same images".into(),
            _ => format!("{} embeddings of the same images", subjects.len()),
        },
        subtitle: format!(
            "{}: {} rows of {} dimensions.",
            sources.join(" and "),
            d.rows,
            d.dims
        ),
        sections,
        inks: inks(subjects),
    }
}

/// Grey for the first of several, the others by what their files go by.
fn inks(subjects: &[Subject]) -> Inks {
    let mut inks = match subjects {
        [first, _, ..] => Inks::with_base(&first.name),
        _ => Inks::default(),
    };
    for subject in subjects {
        let identity = RunFolder::name_of(Path::new(&subject.source));
        inks.identify(&subject.name, &identity);
    }
    inks
}

/// Dimensions, directions, neighbours and pairs, in charts.
#[must_use]
pub fn sections_of(subjects: &[Subject]) -> Vec<Section> {
    let section = |heading: &str, prose: &str, blocks| Section {
        heading: heading.into(),
        prose: vec![prose.into()],
        blocks,
    };
    let mut sections = vec![
        section(
            "Dimensions",
            "Entropy is 0 for a dimension that is uniform on the unit interval after the \
             transform, and falls without bound as values concentrate.",
            spread::dimensions(subjects),
        ),
        section(
            "Directions",
            "How the variance is distributed over directions, independently of the axes.",
            vec![spread::spectrum(subjects).into()],
        ),
        section(
            "Neighbours",
            "How far rows are from their neighbours.",
            vec![spread::neighbours(subjects).into()],
        ),
    ];
    let pairs = pairs::pairs(subjects);
    if !pairs.is_empty() {
        sections.push(section(
            "Pairs of dimensions",
            "Two dimensions after the transform. Uniform marginals and no correlation do not imply \
             independence: an X has both.",
            pairs,
        ));
    }
    sections
}

fn made(subjects: &[Subject], command: &str) -> Section {
    let d = &subjects[0].diagnostics;
    let pairs = [
        ("e2mc", env!("CARGO_PKG_VERSION").to_owned()),
        (
            "transform",
            format!("{:?}", subjects[0].transform).to_lowercase(),
        ),
        ("rows for marginals", d.marginal_rows.to_string()),
        (
            "rows that ask for neighbours",
            d.neighbours.queries.to_string(),
        ),
        (
            "rows for pairs of dimensions",
            d.pairs
                .as_ref()
                .map_or("none".into(), |pairs| pairs.rows.to_string()),
        ),
    ];
    let pairs = pairs.map(|(key, value)| (key.to_owned(), value)).to_vec();
    plain_section(
        "How it was made",
        vec![Block::KeyValues(pairs), super::command(command)],
    )
}
