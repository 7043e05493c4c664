//! `e2mc demo`: the whole job on the sample that comes with the source.
//!
//! One base model, continued twice from the same state: with its own loss alone, and with the
//! entropy criterion added. All three are measured alike, and a report shows what came out.

mod figures;
mod findings;
mod page;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use e2mc::{Matrix, Transform};
use e2mc_train::checkpoint::{Checkpoint, write_atomically};
use e2mc_train::criterion::CriterionConfig;
use e2mc_train::{Model, Outcome, Output, Recipe, Trainer, device, embed};
use serde::Serialize;
use serde_json::json;

use crate::command::probe;
use crate::data::ImageOptions;
use crate::evaluation::{Part, Protocol, Scores, evaluate, percent, plus_minus};
use crate::failure::Failure;
use crate::output;
use crate::recipe;
use crate::run::{self, DataPlan, Plan, RunFolder, RunSettings};
use e2mc_cli::options::ProbeName;
use e2mc_cli::options::{DemoOptions, GuardAction};

const RECIPE: &str = "vicreg-small";
const FRACTIONS: [f64; 2] = [0.01, 0.1];

/// One of the three models, as tables and charts name it.
#[derive(Debug, Serialize)]
pub(crate) struct Arm {
    pub(crate) name: &'static str,
    /// The run's folder; none for the base model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<PathBuf>,
    pub(crate) scores: Scores,
    /// Mean marginal entropy of the test images' embeddings, in nats.
    pub(crate) entropy: f64,
    /// Off-diagonal covariance of the transformed embeddings, summed over the pairs, over d.
    pub(crate) covariance: f64,
    #[serde(skip)]
    pub(crate) embeddings: Matrix,
}

/// What the report is made from.
pub(crate) struct Comparison {
    pub(crate) arms: Vec<Arm>,
    pub(crate) recipe: Recipe,
    pub(crate) transform: Transform,
    pub(crate) train_images: usize,
    pub(crate) test_images: usize,
    pub(crate) seeds: u64,
    pub(crate) seconds: f64,
    pub(crate) command: String,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
}

pub(crate) fn run(options: &DemoOptions) -> Result<ExitCode> {
    let started = Instant::now();
    let device = device(&options.machine.device)?;
    let base_path = options.sample.join("base.safetensors");
    if !base_path.exists() {
        return Err(Failure::new(
            format!("{}: no sample is there", options.sample.display()),
            "run the demo in the folder of the source, or give --sample DIR",
        ));
    }
    let base = Checkpoint::read(&base_path)?;
    let recipe = demo_recipe(&base, options)?;
    let folders = [options.out.join("continued"), options.out.join("e2mc")];
    clear(&options.out, &folders)?;
    let (train, test) = probe::open(&options.sample, ImageOptions::default())?;
    let threads = options.machine.threads();
    let judge = Judge {
        options,
        recipe: &recipe,
        train: &train,
        test: &test,
        threads,
    };

    output::note(&format!(
        "base: {} on {}; {} training and {} test images",
        recipe.method.name(),
        recipe.backbone,
        train.len(),
        test.len()
    ));
    let model = Model::new(&base.recipe, device, options.machine.seed)?;
    base.apply_to(&model)?;
    let mut arms = vec![judge.arm("base", None, &model)?];

    let mut continued = recipe.clone();
    continued.criterion = CriterionConfig::None;
    let runs = [
        ("continued", continued),
        ("base loss + E2MC", recipe.clone()),
    ];
    for ((name, recipe), folder) in runs.into_iter().zip(folders) {
        output::note(&format!(
            "\n{name}: {} epochs from the base",
            recipe.training.epochs
        ));
        let (mut trainer, _) = Trainer::from_weights(recipe, &base, device, options.machine.seed)?;
        let plan = Plan {
            folder: RunFolder::new(&folder),
            settings: RunSettings {
                data: DataPlan {
                    data: options.sample.clone(),
                    max_images: None,
                    held_out: 1000,
                    knn_every: 1,
                    images: None,
                    data_options: ImageOptions::default(),
                },
                guard: GuardAction::Warn,
                log_every: 5,
                half: false,
            },
            threads,
            resumed: false,
        };
        if run::train(&mut trainer, plan)?.outcome == Outcome::Interrupted {
            return Err(Failure::new(
                "the demo was stopped by a signal",
                "run it again",
            ));
        }
        arms.push(judge.arm(name, Some(folder), &trainer.model)?);
    }

    let comparison = Comparison {
        arms,
        transform: recipe.transform(),
        train_images: train.len(),
        test_images: test.len(),
        seeds: options.seeds,
        seconds: started.elapsed().as_secs_f64(),
        command: std::env::args().collect::<Vec<_>>().join(" "),
        threads,
        seed: options.machine.seed,
        recipe,
    };
    let report = options.out.join("report.html");
    page::report(&comparison)?.save(&report)?;
    let result = json!({
        "models": comparison.arms, "seeds": options.seeds, "seconds": comparison.seconds,
        "report": report,
    });
    output::result(options.json, &result, || text(&comparison, &report));
    Ok(ExitCode::SUCCESS)
}

fn demo_recipe(base: &Checkpoint, options: &DemoOptions) -> Result<Recipe> {
    let epochs = options.epochs.map(|epochs| {
        (
            "training.epochs".to_owned(),
            toml::Value::Integer(epochs as i64),
        )
    });
    recipe::resolve(
        Some(&base.recipe),
        Some(RECIPE),
        &epochs.into_iter().collect::<Vec<_>>(),
    )
}

/// Tells the folder of an earlier demo from others.
const MARKER: &str = ".e2mc-demo";

/// A demo may be run again; only what an earlier one made is removed.
fn clear(out: &Path, folders: &[PathBuf]) -> Result<()> {
    let marker = out.join(MARKER);
    for folder in folders
        .iter()
        .filter(|folder| RunFolder::new(folder).metrics().exists())
    {
        if !marker.exists() {
            return Err(Failure::new(
                format!("{} holds a run that is no demo's", folder.display()),
                "choose another --out",
            ));
        }
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove the earlier {}", folder.display()))?;
    }
    std::fs::create_dir_all(out)
        .with_context(|| format!("cannot make the folder {}", out.display()))?;
    write_atomically(&marker, b"made by e2mc demo\n")?;
    Ok(())
}

/// Measures every model in the same way.
struct Judge<'a> {
    options: &'a DemoOptions,
    recipe: &'a Recipe,
    train: &'a Part,
    test: &'a Part,
    threads: usize,
}

impl Judge<'_> {
    fn arm(&self, name: &'static str, run: Option<PathBuf>, model: &Model) -> Result<Arm> {
        let protocol = Protocol {
            fractions: FRACTIONS.to_vec(),
            seeds: self.options.seeds,
            probe: ProbeName::Both,
            k: 20,
            sgd_epochs: None,
            sgd_rate: None,
        };
        let scores = evaluate(
            model,
            self.recipe,
            self.train,
            self.test,
            &protocol,
            self.threads,
        )?;
        let embeddings = embed(
            model,
            self.test.dataset().clone(),
            &self.recipe.evaluation,
            Output::Projector,
            256,
            self.threads,
        )?;
        let criterion = e2mc::Criterion {
            transform: self.recipe.transform(),
            ..e2mc::Criterion::vicreg()
        };
        let value = criterion.value(embeddings.view())?;
        Ok(Arm {
            name,
            run,
            scores,
            entropy: value.entropy,
            covariance: value.covariance,
            embeddings,
        })
    }
}

fn text(comparison: &Comparison, report: &Path) -> String {
    let first = &comparison.arms[0].scores;
    let mut header = vec![String::new(), format!("{}-NN", first.k)];
    for row in &first.probes {
        header.push(format!("{} % labels, {}", percent(row.fraction), row.probe));
    }
    header.extend(["entropy".into(), "covariance".into()]);
    let mut rows = vec![header];
    for arm in &comparison.arms {
        let mut row = vec![arm.name.to_owned(), format!("{:.2}", arm.scores.knn)];
        let probes = &arm.scores.probes;
        row.extend(
            probes
                .iter()
                .map(|row| plus_minus(row.accuracy, row.standard_error)),
        );
        row.extend([
            format!("{:.4}", arm.entropy),
            format!("{:.4}", arm.covariance),
        ]);
        rows.push(row);
    }
    let mut text = format!(
        "\ntop-1 accuracy in % on {} test images, mean ± standard error over {} label subsets;\n\
         entropy (nats, 0 is uniform) and covariance of the test images' embeddings\n\n{}\n",
        comparison.test_images,
        comparison.seeds,
        output::table(&rows)
    );
    for finding in findings::findings(comparison) {
        text.push_str(&format!("- {}\n", finding.text));
    }
    text.push_str(&format!(
        "\nreport: {}   ({:.0} s in all)",
        std::path::absolute(report)
            .unwrap_or_else(|_| report.to_owned())
            .display(),
        comparison.seconds
    ));
    text
}
