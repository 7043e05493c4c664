//! The whole job on the sample that comes with the source.
//!
//! One base model, continued twice from the same state: with its own loss alone, and with the
//! entropy criterion added. All three are measured alike, and a page shows what came out.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use e2mc_base::stop::{Phase, Stop};
use e2mc_base::write_atomically;
use e2mc_data::Dataset;
use e2mc_record::{
    DataOptions, FoundResult, RESULT, ResultFolder, Run, RunFolder, RunOutcome, Training,
};
use e2mc_report::pages::demo::{self as page, Arm, Comparison};
use e2mc_report::pages::embedding::Subject;
use e2mc_report::pages::images::{Images, Set, WITHOUT, of_results};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::criterion::CriterionConfig;
use e2mc_train::world::SOLO;
use e2mc_train::{Device, Model, Output, Recipe, Trainer, device, embed};

use crate::continuation::describe;
use crate::error::Error;
use crate::images::{self, LabelledSplits};
use crate::machine::{Machine, batch};
use crate::notice::{Notice, Notices};
use crate::protocol::{self, Judged, LinearSettings, ProbeChoice};
use crate::recipe;
use crate::run::{self, Place, RunObserver, RunPlan, Surroundings, base_checkpoint};

/// The recipe of both continuations.
const RECIPE: &str = "vicreg-small";
/// Steps between two entries of the log: the runs are short.
const LOG_EVERY: u64 = 5;
/// Tells the folder of an earlier demo from others.
const MARKER: &str = ".e2mc-demo";
/// The folders of the base's result and of the two runs.
const FOLDERS: [&str; 3] = ["base", "continued", "e2mc"];
/// The folder of a result in them.
const PROBE: &str = "probe";

/// What the demo is run on, and where to.
#[derive(Clone, Debug)]
pub struct Demo {
    /// The folder with the sample's images and base model.
    pub sample: PathBuf,
    /// The folder for the runs and the page.
    pub out: PathBuf,
    /// Label subsets drawn for each fraction, at least 2.
    pub seeds: u64,
    /// Epochs of each continuation; the recipe's if `None`.
    pub epochs: Option<u64>,
    /// Where it is computed.
    pub machine: Machine,
    /// Whether the page shows pictures of images.
    pub thumbnails: bool,
    /// The command that was typed.
    pub command: String,
}

impl Default for Demo {
    /// `sample` into `demo-run`, five label subsets, the recipe's epochs.
    fn default() -> Self {
        Self {
            sample: PathBuf::from("sample"),
            out: PathBuf::from("demo-run"),
            seeds: 5,
            epochs: None,
            machine: Machine::default(),
            thumbnails: true,
            command: String::new(),
        }
    }
}

/// What came of the demo.
pub struct Shown {
    /// The three models.
    pub comparison: Comparison,
    /// The page.
    pub report: PathBuf,
    /// How long it took.
    pub seconds: f64,
}

/// Runs the demo.
///
/// # Errors
/// Where no sample is there, a run fails or is stopped, or a file cannot be written.
pub fn run(
    demo: &Demo,
    stop: &Stop,
    observer: &mut dyn FnMut() -> Box<dyn RunObserver>,
    notices: &Arc<dyn Notices>,
) -> Result<Shown, Error> {
    let started = Instant::now();
    let device = device(&demo.machine.device)?;
    let base_path = demo.sample.join("base.safetensors");
    if !base_path.exists() {
        return Err(Error::NoSample {
            folder: demo.sample.clone(),
        });
    }
    let base = Checkpoint::read(&base_path)?;
    let epochs = demo.epochs.map(|epochs| {
        let epochs = i64::try_from(epochs).unwrap_or(i64::MAX);
        ("training.epochs".to_owned(), epochs.into())
    });
    let changes: Vec<_> = epochs.into_iter().collect();
    let recipe = recipe::resolve(Some(&base.recipe), Some(RECIPE), &changes)?;
    let folders = FOLDERS.map(|name| demo.out.join(name));
    let _kept = stop.enter(Phase::Kept);
    clear(&demo.out, &folders)?;
    let splits = LabelledSplits::open(&demo.sample, DataOptions::default(), notices)?;
    notices.tell(&Notice::DemoBase {
        model: describe(&recipe),
        train: splits.train.len(),
        test: splits.test.len(),
    });
    let stage = Stage {
        demo,
        base: &base,
        splits: &splits,
        device,
        notices,
    };
    let [of_base, of_continued, of_entropic] = &folders;
    let model = Model::new(&base.recipe, device, demo.machine.seed)?;
    base.apply_to(&model)?;
    let as_it_was = stage.arm("base", (&base_path, of_base, None), &recipe, &model)?;

    let mut alone = recipe.clone();
    alone.criterion = CriterionConfig::None;
    let continued = stage.continued("continued", alone, of_continued, stop, &mut *observer())?;
    let name = "base loss + E2MC";
    let entropic = stage.continued(name, recipe.clone(), of_entropic, stop, &mut *observer())?;

    let seconds = started.elapsed().as_secs_f64();
    let comparison = Comparison {
        base: as_it_was,
        continued,
        entropic,
        epochs: recipe.training.epochs,
        recipe: recipe::to_toml(&recipe)?,
        made: made(demo, seconds),
        command: demo.command.clone(),
    };
    let report = demo.out.join("report.html");
    let mut shown = page::report(&comparison);
    shown.insert(stage.images(&comparison, &folders).sections());
    shown.save(&report)?;
    Ok(Shown {
        comparison,
        report,
        seconds,
    })
}

/// How the page says that it was made.
fn made(demo: &Demo, seconds: f64) -> Vec<(String, String)> {
    let pairs = [
        ("e2mc", e2mc_record::VERSION.to_owned()),
        ("seed", demo.machine.seed.to_string()),
        ("label subsets", demo.seeds.to_string()),
        ("threads", demo.machine.threads.to_string()),
        (
            "machine",
            format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        ),
        ("time", format!("{seconds:.0} s")),
    ];
    pairs.map(|(key, value)| (key.to_owned(), value)).to_vec()
}

/// A demo may be run again; only what an earlier one made is removed.
fn clear(out: &Path, folders: &[PathBuf]) -> Result<(), Error> {
    let marker = out.join(MARKER);
    for folder in folders.iter().filter(|folder| folder.exists()) {
        if !marker.exists() {
            return Err(Error::NoDemo {
                folder: folder.clone(),
            });
        }
        fs::remove_dir_all(folder).map_err(|source| Error::io("remove", folder, source))?;
    }
    fs::create_dir_all(out).map_err(|source| Error::io("make", out, source))?;
    write_atomically(&marker, b"made by e2mc demo\n")
        .map_err(|source| Error::write(&marker, source))
}

/// What all three models have in common.
struct Stage<'a> {
    demo: &'a Demo,
    base: &'a Checkpoint,
    splits: &'a LabelledSplits,
    device: Device,
    notices: &'a Arc<dyn Notices>,
}

impl Stage<'_> {
    /// Continues the base by a recipe, and measures what comes out.
    fn continued(
        &self,
        name: &'static str,
        recipe: Recipe,
        folder: &Path,
        stop: &Stop,
        observer: &mut dyn RunObserver,
    ) -> Result<Arm, Error> {
        let machine = &self.demo.machine;
        self.notices.tell(&Notice::DemoRun {
            name,
            epochs: recipe.training.epochs,
        });
        let (mut trainer, _) = Trainer::from_weights(recipe, self.base, self.device, machine.seed)?;
        let mut settings = run::new_settings(&self.demo.sample);
        settings.seed = machine.seed;
        settings.base = Some(base_checkpoint(&self.base.path)?);
        settings.log_every = LOG_EVERY;
        settings.device = Some(machine.device.clone());
        settings.command = Some(self.demo.command.clone());
        let plan = RunPlan {
            place: Place::free(RunFolder::new(folder))?,
            settings,
            threads: machine.threads,
            resumed: false,
        };
        let model = plan.place.folder().model();
        let around = Surroundings {
            stop,
            observer,
            notices: self.notices,
        };
        let finished = run::train(&mut trainer, plan, around)?;
        if finished.outcome == RunOutcome::Interrupted || stop.is_requested() {
            return Err(Error::stopped("run it again"));
        }
        let training = Training {
            outcome: finished.outcome.as_str().to_owned(),
            epochs: finished.epochs,
        };
        let place = (&*model, folder, Some(training));
        self.arm(name, place, &trainer.recipe, &trainer.model)
    }

    /// What the three models do with single test images, from the results in their folders.
    fn images(&self, comparison: &Comparison, folders: &[PathBuf; 3]) -> Images {
        let arms = [
            &comparison.base,
            &comparison.continued,
            &comparison.entropic,
        ];
        let found = arms.iter().zip(folders).map(|(arm, folder)| FoundResult {
            path: folder.join(PROBE).join(RESULT),
            result: arm.result.clone(),
        });
        let found: Vec<FoundResult> = found.collect();
        let named = arms.iter().zip(&found);
        let named: Vec<_> = named
            .map(|(arm, found)| (arm.name.clone(), found))
            .collect();
        let mut images = of_results(&named);
        if !self.demo.thumbnails {
            images.missing = WITHOUT.to_owned();
        }
        images.show(|id| {
            let images = match id.set {
                Set::Test => &self.splits.test,
                Set::Train => &self.splits.train,
            };
            let place = (&*self.demo.sample, &**images.dataset());
            images::picture(place, id.row, self.demo.thumbnails)
        });
        images
    }

    /// Measures a model, and leaves the result in `probe/` of its folder.
    fn arm(
        &self,
        name: &'static str,
        (checkpoint, folder, training): (&Path, &Path, Option<Training>),
        recipe: &Recipe,
        model: &Model,
    ) -> Result<Arm, Error> {
        let judged = Judged {
            checkpoint,
            data: &self.demo.sample,
            taken: DataOptions::default(),
            model,
            recipe,
            splits: self.splits,
            map: None,
            threads: self.demo.machine.threads,
            world: &SOLO,
        };
        let settings = LinearSettings {
            seeds: self.demo.seeds,
            probe: ProbeChoice::Both,
            ..LinearSettings::default()
        };
        let out = folder.join(PROBE);
        let mut kept = ResultFolder::create(&out, true)?.without_scores();
        let mut result = protocol::evaluate("demo", &judged, &settings, &mut kept, self.notices)?;
        let trained = training.is_some();
        result.training = training;
        result.model = name.to_owned();
        kept.write(&result)?;

        let images: Arc<dyn Dataset> = self.splits.test.dataset().clone();
        let (evaluation, threads) = (&recipe.evaluation, self.demo.machine.threads);
        let batch = batch(evaluation, model.device());
        let z = embed(model, images, evaluation, Output::Projector, batch, threads)?;
        let criterion = e2mc::Criterion {
            transform: recipe.transform(),
            ..e2mc::Criterion::vicreg()
        };
        let value = criterion.value(z.view())?;
        let subject = Subject::of_matrix(name, z.view(), recipe.transform()).map_err(|source| {
            Error::Measure {
                place: name.to_owned(),
                source,
            }
        })?;
        Ok(Arm {
            name: name.to_owned(),
            run: match trained {
                true => Some(Run::read(folder)?),
                false => None,
            },
            result,
            entropy: value.entropy,
            covariance: value.covariance,
            subject,
        })
    }
}
