//! The report of `inspect`, and the part of it that other reports show.

use super::{Subject, figures};
use crate::report::{Block, Finding, Report, Section};

/// The page.
pub(super) fn report(subjects: &[Subject], findings: &[Finding]) -> Report {
    let sources: Vec<String> = subjects.iter().map(|s| format!("`{}`", s.source)).collect();
    let d = &subjects[0].diagnostics;
    let mut sections = vec![Section {
        heading: "What stands out".into(),
        prose: Vec::new(),
        blocks: vec![
            Block::Findings(findings.to_vec()),
            Block::Table(figures::table(subjects)),
        ],
    }];
    sections.extend(embedding_sections(subjects));
    sections.push(made(subjects));
    Report {
        title: if subjects.len() > 1 {
            "An embedding before and after".into()
        } else {
            "What the embedding looks like".into()
        },
        subtitle: format!(
            "{}: {} rows of {} dimensions.",
            sources.join(" and "),
            d.rows,
            d.dims
        ),
        sections,
    }
}

/// Dimensions, directions, neighbours and pairs, in charts.
pub(crate) fn embedding_sections(subjects: &[Subject]) -> Vec<Section> {
    let section = |heading: &str, prose: &str, blocks| Section {
        heading: heading.into(),
        prose: vec![prose.into()],
        blocks,
    };
    let mut sections = vec![
        section(
            "Dimensions",
            "Entropy is 0 where a dimension is uniform on the unit interval after the transform, and falls without bound \
             where it piles up.",
            figures::dimensions(subjects),
        ),
        section(
            "Directions",
            "How the variance is spread over directions, whatever the axes.",
            vec![Block::Lines(figures::spectrum(subjects))],
        ),
        section(
            "Neighbours",
            "How far single images are from those next to them.",
            vec![Block::Histograms(figures::neighbours(subjects))],
        ),
    ];
    let pairs = figures::pairs(subjects);
    if !pairs.is_empty() {
        sections.push(section(
            "Pairs of dimensions",
            "Two dimensions after the transform. Uniform marginals without correlation are not yet an even square: an X has \
             both.",
            pairs,
        ));
    }
    sections
}

fn made(subjects: &[Subject]) -> Section {
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
    Section {
        heading: "How it was made".into(),
        prose: Vec::new(),
        blocks: vec![
            Block::KeyValues(pairs.map(|(key, value)| (key.to_owned(), value)).to_vec()),
            Block::Code {
                caption: "Command".into(),
                text: std::env::args().collect::<Vec<_>>().join(" "),
            },
        ],
    }
}
