//! The page of the demo: one base, continued with its own loss alone and with the entropy criterion added.

mod figures;
mod findings;

use e2mc_record::{EvaluationResult, Run, RunLog};

use super::embedding::{Subject, scaled_table, sections_of};
use super::{run, section};
use crate::ink::Inks;
use crate::number::fixed;
use crate::page::{Block, Report, Section};

pub use findings::findings;

/// One of the three models.
#[derive(Clone, Debug)]
pub struct Arm {
    /// What tables and charts call it.
    pub name: String,
    /// How it was trained; none of the base.
    pub run: Option<Run>,
    /// What its frozen features are worth.
    pub result: EvaluationResult,
    /// Mean marginal entropy of the test images' embeddings, in nats.
    pub entropy: f64,
    /// Off-diagonal covariance of the transformed embeddings, summed over the pairs, over d.
    pub covariance: f64,
    /// The test images' embeddings.
    pub subject: Subject,
}

/// What the page is made from.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The base as it was.
    pub base: Arm,
    /// The control: continued with its own loss alone.
    pub continued: Arm,
    /// Continued with the entropy criterion added.
    pub entropic: Arm,
    /// Epochs of both runs.
    pub epochs: u64,
    /// The recipe of the run with the criterion, as TOML.
    pub recipe: String,
    /// How it was made: names with their values.
    pub made: Vec<(String, String)>,
    /// The command that was typed.
    pub command: String,
}

impl Comparison {
    fn arms(&self) -> [&Arm; 3] {
        [&self.base, &self.continued, &self.entropic]
    }
}

/// The page.
#[must_use]
pub fn report(comparison: &Comparison) -> Report {
    let logs: Vec<RunLog> = figures::logs(comparison);
    let said = |heading: &str, prose: &str, blocks| Section {
        prose: vec![prose.into()],
        ..section(heading, blocks)
    };
    let mut training = Vec::new();
    for lines in [run::terms(&logs), run::quality(&logs)] {
        if !lines.charts.is_empty() {
            training.push(lines.into());
        }
    }
    let mut sections = vec![
        section("What came out", vec![Block::Findings(findings(comparison))]),
        said(
            "Accuracy of the frozen features",
            "All three models are measured alike; the base model is the same file untouched.",
            vec![
                Block::Table(figures::accuracy_table(comparison)),
                figures::accuracy_dots(comparison).into(),
            ],
        ),
        said(
            "The embedding",
            "The criterion pushes each coordinate towards the uniform distribution and pairs of coordinates towards zero \
             covariance. It acts on the projector's output; what is used, and probed above, is the backbone before it.",
            embedding_blocks(comparison),
        ),
    ];
    if !training.is_empty() {
        sections.push(section("Training", training));
    }
    // What the criterion did to the embedding, in detail, and what training alone did.
    sections.extend(sections_of(&subjects(comparison)));
    sections.push(section("How it was made", made(comparison)));
    let mut inks = Inks::with_base(&comparison.base.name);
    for arm in comparison.arms() {
        inks.identify(&arm.name, &super::images::identity(&arm.result));
    }
    Report {
        title: "Effective entropy maximisation: the demo".into(),
        subtitle: format!(
            "One base model continued twice for {} epoch{} on {} images: with its own loss alone, \
             and with the entropy criterion (E2MC) added.",
            comparison.epochs,
            if comparison.epochs == 1 { "" } else { "s" },
            fixed(comparison.base.result.train_images as f64, 0)
        ),
        sections,
        inks,
    }
}

/// Entropy and covariance of the three models, and of the base with the spread of the others.
fn embedding_blocks(comparison: &Comparison) -> Vec<Block> {
    let mut blocks = vec![figures::embedding_dots(comparison).into()];
    blocks.extend(scaled_table(&subjects(comparison)).map(Block::Table));
    blocks
}

/// The embeddings of the three models by the models' names.
fn subjects(comparison: &Comparison) -> [Subject; 3] {
    comparison.arms().map(|arm| Subject {
        name: arm.name.clone(),
        ..arm.subject.clone()
    })
}

fn made(comparison: &Comparison) -> Vec<Block> {
    vec![
        Block::KeyValues(comparison.made.clone()),
        super::command(&comparison.command),
        Block::Code {
            caption: "Recipe of the E2MC run".into(),
            text: comparison.recipe.clone(),
        },
    ]
}
