//! The whole job on the sample that comes with the source.
//!
//! [`improve`] searches and verifies on the training images, with the paper's second
//! step and its control as the candidates. Then all models are measured on the test images, which
//! took no part in the choice, each with the map and without.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use e2mc::Matrix;
use e2mc_base::stop::{Phase, Stop};
use e2mc_base::write_atomically;
use e2mc_data::Dataset;
use e2mc_eval::CompareConfig;
use e2mc_eval::adapt::{Map, Method, Statistics, Use, Whiten};
use e2mc_eval::protocol::{
    self as eval, Labelled, MapFile, compare_lines, evaluate_probes, match_fits,
};
use e2mc_record::{
    DataOptions, EvaluationResult, FoundResult, Improvement, ImprovementVerdict, Protocol, RESULT,
    ResultFolder,
};
use e2mc_report::pages::BASE;
use e2mc_report::pages::comparison::{Comparison, Line, Other};
use e2mc_report::pages::demo::{self as page, CONTROL, CRITERION, Demonstration, Row, mapped};
use e2mc_report::pages::embedding::Subject;
use e2mc_report::pages::images::{Images, Set, WITHOUT, of_results};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::criterion::CriterionConfig;
use e2mc_train::layer::Precision;
use e2mc_train::world::SOLO;
use e2mc_train::{Device, Model, Output, Recipe, World, device, embed};

use crate::checkpoint::Reading;
use crate::continuation::describe;
use crate::error::Error;
use crate::images::{self, LabelledSplits};
use crate::improve::{self, Breadth, Improve, ImproveFolder};
use crate::machine::{Machine, batch};
use crate::notice::{Notice, Notices};
use crate::protocol::{Judged, LinearSettings, ProbeChoice};
use crate::sweep::ObserverOf;

/// The name of what is given back.
const GIVEN_BACK: &str = "given back";
/// Fractions of the labels: about three and about nine a class of the sample.
const FRACTIONS: [f64; 2] = [0.03, 0.1];
/// The level that all lines of a comparison hold at together.
const LEVEL: f64 = 0.05;
/// Tells the folder of an earlier demo from others.
const MARKER: &str = ".e2mc-demo";
/// The folder of the measurements on the test images.
const TEST: &str = "test";
/// The folder of the search.
const SEARCH: &str = "search";

/// What the demo is run on, and where to.
#[derive(Clone, Debug)]
pub struct Demo {
    /// The folder with the sample's images and base model.
    pub sample: PathBuf,
    /// The folder for everything that comes out.
    pub out: PathBuf,
    /// The time for the improvement; the measurement on the test images comes on top.
    pub budget: Duration,
    /// Label subsets drawn for each fraction, at least 2.
    pub seeds: u64,
    /// Epochs of each candidate at most; what the time allows if `None`.
    pub epochs: Option<u64>,
    /// Where looks at held-out images are counted.
    pub looks: PathBuf,
    /// Where it is computed.
    pub machine: Machine,
    /// Whether the page shows pictures of images.
    pub thumbnails: bool,
    /// The command that was typed.
    pub command: String,
}

/// What came of the demo.
pub struct Shown {
    /// Everything that the page shows.
    pub demonstration: Demonstration,
    /// The page.
    pub report: PathBuf,
    /// How long it took.
    pub seconds: f64,
}

/// Runs the demo.
///
/// # Errors
/// Where no sample is there, the improvement fails or is stopped, or a file cannot be written.
pub fn run(
    demo: &Demo,
    stop: &Stop,
    observer: &mut ObserverOf<'_>,
    notices: &Arc<dyn Notices>,
) -> Result<Shown, Error> {
    let started = Instant::now();
    let checkpoint = demo.sample.join("base.safetensors");
    if !checkpoint.exists() {
        let folder = demo.sample.clone();
        return Err(Error::NoSample { folder });
    }
    let base = Checkpoint::read(&checkpoint)?;
    clear(&demo.out)?;
    let splits = LabelledSplits::open(&demo.sample, DataOptions::default(), notices)?;
    notices.tell(&Notice::DemoBase {
        model: describe(&base.recipe),
        train: splits.train.len(),
        test: splits.test.len(),
    });
    let improved = improve::run(
        &demo.improvement(checkpoint.clone()),
        stop,
        observer,
        notices,
    )?;
    if improved.outcome.interrupted || stop.is_requested() {
        return Err(Error::stopped("run it again"));
    }
    let _kept = stop.enter(Phase::Kept);
    notices.tell(&Notice::DemoTest {
        images: splits.test.len(),
    });
    let bench = Bench {
        demo,
        splits: &splits,
        recipe: &base.recipe,
        device: device(&demo.machine.device)?,
        method: method_of(&improved.folder)?,
    };
    let measured = bench.measure(&checkpoint, &improved.folder, &improved.outcome)?;
    let images = bench.images(&measured.rows);
    let demonstration = measured.demonstration(improved.outcome)?;
    let mut shown = page::report(&demonstration);
    shown.insert(images.sections());
    let report = improved.folder.report();
    shown.save(&report)?;
    Ok(Shown {
        demonstration,
        report,
        seconds: started.elapsed().as_secs_f64(),
    })
}

impl Demo {
    fn improvement(&self, checkpoint: PathBuf) -> Improve {
        let epochs = self.epochs.map(|epochs| {
            let epochs = i64::try_from(epochs).unwrap_or(i64::MAX);
            ("training.epochs".to_owned(), epochs.into())
        });
        Improve {
            checkpoint,
            reading: Reading::default(),
            data: self.sample.clone(),
            taken: DataOptions::default(),
            out: self.out.clone(),
            usage: Use::Neighbours,
            budget: self.budget,
            recipe: None,
            changes: epochs.into_iter().collect(),
            breadth: Breadth::Pair,
            looks: self.looks.clone(),
            machine: self.machine.clone(),
            world: World::solo(),
            command: self.command.clone(),
        }
    }
}

/// A demo may be run again; only what an earlier one made is removed.
fn clear(out: &Path) -> Result<(), Error> {
    let marker = out.join(MARKER);
    let made = ImproveFolder::new(out);
    let folders = [SEARCH, TEST].map(|name| out.join(name));
    let files = [made.model(), made.map(), made.outcome(), made.report()];
    if !marker.exists()
        && let Some(found) = folders.iter().chain(&files).find(|path| path.exists())
    {
        let path = found.clone();
        return Err(Error::NoDemo { path });
    }
    let removed = |path: &Path, done: std::io::Result<()>| {
        done.map_err(|source| Error::io("remove", path, source))
    };
    for folder in folders.iter().filter(|folder| folder.exists()) {
        removed(folder, fs::remove_dir_all(folder))?;
    }
    for file in files.iter().filter(|file| file.exists()) {
        removed(file, fs::remove_file(file))?;
    }
    fs::create_dir_all(out).map_err(|source| Error::io("make", out, source))?;
    write_atomically(&marker, b"made by e2mc demo\n")
        .map_err(|source| Error::write(&marker, source))
}

/// How the map that is given back was fitted; without one, whitening, as a map to compare with.
fn method_of(folder: &ImproveFolder) -> Result<Method, Error> {
    Ok(match folder.map().exists() {
        true => Map::load(folder.map())?.method().clone(),
        false => Method::Whiten(Whiten::default()),
    })
}

/// What all models have in common.
struct Bench<'a> {
    demo: &'a Demo,
    splits: &'a LabelledSplits,
    /// How all of them see images.
    recipe: &'a Recipe,
    device: Device,
    /// The map that each is evaluated with, fitted to its own features.
    method: Method,
}

/// A model that is measured.
struct Contender<'a> {
    name: &'a str,
    path: &'a Path,
    model: &'a Model,
    /// Steps that it was trained on; none of the base.
    steps: Option<u64>,
}

/// What was measured.
struct Measured {
    /// Each with the folder of its result.
    rows: Vec<(Row, PathBuf)>,
    subjects: Vec<Subject>,
    map: String,
}

impl Bench<'_> {
    /// The base, the candidates in the order "continued, with the criterion", and what was given
    /// back, on the test images.
    fn measure(
        &self,
        checkpoint: &Path,
        folder: &ImproveFolder,
        outcome: &Improvement,
    ) -> Result<Measured, Error> {
        let mut measured = Measured {
            rows: Vec::new(),
            subjects: Vec::new(),
            map: self.method.to_string(),
        };
        let mut models = vec![(BASE.to_owned(), checkpoint.to_owned())];
        for run in folder.runs()? {
            let trained = Checkpoint::read(&run.checkpoint())?;
            let name = match trained.recipe.criterion {
                CriterionConfig::None => CONTROL,
                _ => CRITERION,
            };
            models.push((name.to_owned(), run.checkpoint()));
        }
        models[1..].sort_by_key(|(name, _)| name != CONTROL);
        for (name, path) in models {
            let (model, trained) = self.load(&path)?;
            let steps = trained.progress.map(|progress| progress.step);
            let contender = Contender {
                name: &name,
                path: &path,
                model: &model,
                steps: steps.filter(|_| name != BASE),
            };
            let features = self.features(&contender)?;
            measured.rows.push(self.judge(&contender, &features, None)?);
            let map = self.fit(&name, &features.train)?;
            measured
                .rows
                .push(self.judge(&contender, &features, Some(&map))?);
            measured.subjects.push(self.subject(&name, &model)?);
        }
        if outcome.verdict == ImprovementVerdict::Better {
            let path = folder.model();
            let model = self.load(&path)?.0;
            let contender = Contender {
                name: GIVEN_BACK,
                path: &path,
                model: &model,
                steps: outcome
                    .chosen_row()
                    .map(|row| row.steps)
                    .filter(|&steps| steps > 0),
            };
            let map = match folder.map().exists() {
                true => Some(MapFile::open(&folder.map())?),
                false => None,
            };
            let features = self.features(&contender)?;
            measured
                .rows
                .push(self.judge(&contender, &features, map.as_ref())?);
        }
        Ok(measured)
    }

    fn load(&self, path: &Path) -> Result<(Model, Checkpoint), Error> {
        let mut checkpoint = Checkpoint::read(path)?;
        checkpoint.recipe.training.precision = Precision::F32;
        Ok((checkpoint.to_model(self.device)?, checkpoint))
    }

    fn judged<'a>(&'a self, contender: &Contender<'a>) -> Judged<'a> {
        Judged {
            checkpoint: contender.path,
            data: &self.demo.sample,
            taken: DataOptions::default(),
            model: contender.model,
            recipe: self.recipe,
            splits: self.splits,
            map: None,
            threads: self.demo.machine.threads,
            world: &SOLO,
        }
    }

    fn features(&self, contender: &Contender<'_>) -> Result<Labelled, Error> {
        self.judged(contender).features(&Output::Backbone)
    }

    fn folder(&self, name: &str) -> PathBuf {
        let plain = name
            .trim_start_matches("+ ")
            .replace(", ", "-")
            .replace(' ', "-");
        self.demo.out.join(TEST).join(plain.to_lowercase())
    }

    /// The map, fitted to a model's features of the training images.
    fn fit(&self, name: &str, train: &Matrix) -> Result<MapFile, Error> {
        let rows = train.view();
        let seed = self.demo.machine.seed;
        let map = Statistics::measure(&rows)?.fit(&rows, &self.method, false, seed)?;
        let folder = self.demo.out.join(TEST);
        fs::create_dir_all(&folder).map_err(|source| Error::io("make", &folder, source))?;
        let path = self.folder(name).with_extension("map.safetensors");
        map.save(&path)?;
        Ok(MapFile::open(&path)?)
    }

    /// Neighbours with all labels and probes with few; the result lies in a folder of its own.
    fn judge(
        &self,
        contender: &Contender<'_>,
        features: &Labelled,
        map: Option<&MapFile>,
    ) -> Result<(Row, PathBuf), Error> {
        let name = match map {
            Some(_) if contender.name != GIVEN_BACK => mapped(contender.name),
            _ => contender.name.to_owned(),
        };
        let settings = LinearSettings {
            fractions: FRACTIONS.to_vec(),
            seeds: self.demo.seeds,
            probe: ProbeChoice::Both,
            ..LinearSettings::default()
        };
        let folder = self.folder(&name);
        let mut kept = ResultFolder::create(&folder, true)?.without_scores();
        let mut result = EvaluationResult::new("demo", &name, Protocol::Linear);
        let judged = Judged {
            map,
            ..self.judged(contender)
        };
        judged.describe(Some(&Output::Backbone), &mut result)?;
        let plan = settings.plan(Some(self.recipe.method.name()))?;
        let mapped = map.map(|map| map.labelled(features.clone())).transpose()?;
        let mapped = mapped.as_ref().unwrap_or(features);
        let result = evaluate_probes(result, mapped, &plan, &mut kept)?;
        kept.write(&result)?;
        let row = Row {
            name,
            mapped: map.is_some(),
            steps: contender.steps,
            result,
        };
        Ok((row, folder))
    }

    /// What the criterion acts on: the embedding of the test images.
    fn subject(&self, name: &str, model: &Model) -> Result<Subject, Error> {
        let images: Arc<dyn Dataset> = self.splits.test.dataset().clone();
        let (evaluation, threads) = (&self.recipe.evaluation, self.demo.machine.threads);
        let batch = batch(evaluation, model.device());
        let z = embed(model, images, evaluation, Output::Projector, batch, threads)?;
        let transform = self.recipe.transform();
        Subject::of_matrix(name, z.view(), transform).map_err(|source| Error::Measure {
            place: name.to_owned(),
            source,
        })
    }

    /// What the base and the last row do with single test images: what was given back, or the
    /// criterion with the map where the old model stays.
    fn images(&self, rows: &[(Row, PathBuf)]) -> Images {
        let shown = [rows.first(), rows.get(1..).and_then(<[_]>::last)];
        let found: Vec<FoundResult> = (shown.into_iter().flatten())
            .map(|(row, folder)| FoundResult {
                path: folder.join(RESULT),
                result: row.result.clone(),
            })
            .collect();
        let named: Vec<_> = (found.iter())
            .map(|found| (found.result.model.clone(), found))
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
}

impl Measured {
    fn demonstration(self, outcome: Improvement) -> Result<Demonstration, Error> {
        let pairs = [
            (BASE, GIVEN_BACK),
            (BASE, &mapped(BASE)),
            (CONTROL, CRITERION),
            (&mapped(CONTROL), &mapped(CRITERION)),
        ];
        let mut compared = Vec::new();
        for (first, second) in pairs {
            compared.extend(self.compare(first, second)?);
        }
        Ok(Demonstration {
            rows: self.rows.into_iter().map(|(row, _)| row).collect(),
            map: self.map,
            compared,
            subjects: self.subjects,
            outcome,
        })
    }

    /// One model against another on the test images; none if either is not there.
    fn compare(&self, first: &str, second: &str) -> Result<Option<Comparison>, Error> {
        let find = |name: &str| self.rows.iter().find(|(row, _)| row.name == name);
        let Some((a, b)) = find(first).zip(find(second)) else {
            return Ok(None);
        };
        let lines = match_fits(side(a), side(b))?.all()?;
        let lines = compare_lines(&lines, LEVEL, &CompareConfig::default())?;
        let lines = lines.into_iter().map(|line| Line {
            name: line.key.row_name(),
            difference: line.difference,
            confidence: line.confidence,
            p: line.p_corrected,
        });
        Ok(Some(Comparison {
            first: first.to_owned(),
            others: vec![Other {
                name: second.to_owned(),
                identity: String::new(),
                lines: lines.collect(),
            }],
            level: LEVEL,
            ..Comparison::default()
        }))
    }
}

/// A row's result and where its predictions lie.
fn side((row, folder): &(Row, PathBuf)) -> eval::Judged<'_> {
    eval::Judged {
        folder,
        result: &row.result,
    }
}
