//! The demo's report.

use anyhow::{Context, Result};

use super::{Comparison, figures, findings};
use crate::command::inspect::{Subject, embedding_sections};
use crate::command::report;
use crate::report::{Block, Report, Section, fixed};

/// The page.
pub(super) fn report(comparison: &Comparison) -> Result<Report> {
    let training = &comparison.recipe.training;
    let logs = figures::logs(comparison)?;
    let section = |heading: &str, prose: &[&str], blocks| Section {
        heading: heading.into(),
        prose: prose.iter().map(|&text| text.into()).collect(),
        blocks,
    };
    let mut report = Report {
        title: "Effective entropy maximisation: the demo".into(),
        subtitle: format!(
            "One base model continued twice for {} epoch{} on {} images: with its own loss alone, \
             and with the entropy criterion (E2MC) added.",
            training.epochs,
            if training.epochs == 1 { "" } else { "s" },
            fixed(comparison.train_images as f64, 0)
        ),
        sections: vec![
            section(
                "What came out",
                &[],
                vec![Block::Findings(findings::findings(comparison))],
            ),
            section(
                "Accuracy of the frozen features",
                &[
                    "All three models are measured alike; the base model is the same file untouched.",
                ],
                vec![
                    Block::Table(figures::accuracy_table(comparison)),
                    Block::Dots(figures::accuracy_dots(comparison)),
                ],
            ),
            section(
                "The embedding",
                &[
                    "The criterion pushes each coordinate towards the uniform distribution and pairs \
                   of coordinates towards zero covariance. It acts on the projector's output; what \
                   is used, and probed above, is the backbone before it.",
                ],
                vec![Block::Dots(figures::embedding_dots(comparison))],
            ),
            section(
                "Training",
                &[],
                vec![
                    Block::Lines(report::terms(&logs)),
                    Block::Lines(report::quality(&logs)),
                ],
            ),
        ],
    };
    // What the criterion did to the embedding, in detail.
    let subjects = [0, 2].map(|arm| {
        let arm = &comparison.arms[arm];
        Subject::of_matrix(arm.name, arm.embeddings.view(), comparison.transform)
    });
    let subjects = subjects.into_iter().collect::<Result<Vec<_>>>()?;
    report.sections.extend(embedding_sections(&subjects));
    report
        .sections
        .push(section("How it was made", &[], made(comparison)?));
    Ok(report)
}

fn made(comparison: &Comparison) -> Result<Vec<Block>> {
    let recipe = toml::to_string(&comparison.recipe).context("the recipe as TOML")?;
    let pairs = [
        ("e2mc", env!("CARGO_PKG_VERSION").to_owned()),
        ("seed", comparison.seed.to_string()),
        ("label subsets", comparison.seeds.to_string()),
        ("threads", comparison.threads.to_string()),
        (
            "machine",
            format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        ),
        ("time", format!("{:.0} s", comparison.seconds)),
    ];
    Ok(vec![
        Block::KeyValues(pairs.map(|(key, value)| (key.to_owned(), value)).to_vec()),
        Block::Code {
            caption: "Command".into(),
            text: comparison.command.clone(),
        },
        Block::Code {
            caption: "Recipe of the E2MC run".into(),
            text: recipe,
        },
    ])
}
