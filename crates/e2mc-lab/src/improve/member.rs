//! The part of an improvement that is done by a process other than the first, and how the first one has it
//! done.

use std::path::PathBuf;
use std::sync::Arc;

use e2mc::Matrix;
use e2mc_base::stop::Stop;
use e2mc_data::{Dataset, Pipeline};
use e2mc_record::DataOptions;
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::{Device, EmbedOptions, Model, Output, Recipe, World, device, embed_rows};
use serde::{Deserialize, Serialize};

use super::measure::Trial;
use super::pool::{Dealt, Pool};
use super::stage::Stage;
use crate::checkpoint::Reading;
use crate::crew::{self, Network, RunOrder};
use crate::error::Error;
use crate::guard::Guard;
use crate::machine::{BATCH, Machine};
use crate::notice::Notices;
use crate::run::{self, RunImages, Surroundings, Unobserved};

/// What process 0 asks of the others.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Open what is worked on: the first order, unless there is nothing to do.
    Open(Box<Opening>),
    /// Embed these images.
    Embed {
        network: Box<Network>,
        images: Vec<usize>,
    },
    /// Take some steps that are measured.
    Measure(Box<Trial>),
    /// Know which images are trained on and which are held out.
    Deal(Box<Dealt>),
    /// Train a run.
    Train {
        run: Box<RunOrder>,
        start: Start,
        set: TrainingSet,
    },
    /// There is nothing left to do.
    End,
}

/// What is worked on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Opening {
    checkpoint: PathBuf,
    reading: Reading,
    data: PathBuf,
    taken: DataOptions,
}

impl Opening {
    pub(super) fn of(stage: &Stage<'_>) -> Self {
        let work = stage.work;
        Self {
            checkpoint: work.checkpoint.clone(),
            reading: work.reading.clone(),
            data: work.data.clone(),
            taken: work.taken,
        }
    }
}

/// What a new run starts from.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Start {
    /// The checkpoint that is improved.
    Base,
    /// The same with new heads, in a file.
    Heads(PathBuf),
}

/// The images of an epoch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct TrainingSet {
    /// How many of those that may be trained on; all of them at most.
    pub(super) images: usize,
    /// Whether the guard looks at the bank and A.
    pub(super) guarded: bool,
    pub(super) seed: u64,
}

impl TrainingSet {
    pub(super) fn open(
        self,
        pool: &Pool,
        dealt: &Dealt,
        threads: usize,
    ) -> Result<RunImages, Error> {
        let select = |images: &[usize]| pool.select(images.to_vec());
        let guard = match self.guarded {
            true => {
                let (bank, choose) = (select(&dealt.bank.images)?, select(&dealt.choose.images)?);
                Some(Guard::over(&bank, choose, self.seed, threads)?)
            }
            false => None,
        };
        let train = match self.images >= dealt.train.len() {
            true => select(&dealt.train)?,
            false => select(&self.some(&dealt.train))?,
        };
        Ok(RunImages { train, guard })
    }

    /// As many of the images, drawn at random, in rising order.
    fn some(self, images: &[usize]) -> Vec<usize> {
        let order = e2mc_data::stream(self.seed, u64::MAX, 3, 0).permutation(images.len());
        let drawn = order[..self.images].iter().map(|&place| images[place]);
        let mut drawn: Vec<usize> = drawn.collect();
        drawn.sort_unstable();
        drawn
    }
}

/// What all processes must have found of the images.
pub(super) fn images(pool: &Pool) -> (&'static str, String) {
    ("set of images", pool.fingerprint().to_owned())
}

/// One row of the backbone's features an image `(n, d)`, made by all processes at the word of this first one.
pub(super) fn embed(
    world: &World,
    pool: &Pool,
    (model, recipe): (&Model, &Recipe),
    images: Vec<usize>,
    threads: usize,
) -> Result<Matrix, Error> {
    let dataset = pool.select(images.clone())?;
    let network = Box::new(Network::of(model, recipe));
    crew::give(world, &Order::Embed { network, images })?;
    model.share_backbone(world)?;
    rows(world, (model, recipe), dataset, threads)
}

/// This process's share of the rows, or all where it is the first.
fn rows(
    world: &World,
    (model, recipe): (&Model, &Recipe),
    dataset: Arc<dyn Dataset>,
    threads: usize,
) -> Result<Matrix, Error> {
    let pipeline = Pipeline::Preprocess(recipe.evaluation.clone());
    let options = EmbedOptions {
        batch: BATCH,
        threads,
        world: world.clone(),
        ..EmbedOptions::new(Output::Backbone, pipeline)
    };
    Ok(embed_rows(model, dataset, &options)?)
}

/// Does this process's share of the improvement that process 0 of `world` [runs](super::run), to its end.
///
/// # Errors
/// Where images or checkpoint cannot be read or are others than process 0's, or a process fails or is lost;
/// [`Error::Stopped`] where process 0 is gone and this one was asked to end.
pub fn follow(
    machine: &Machine,
    world: &World,
    stop: &Stop,
    notices: &Arc<dyn Notices>,
) -> Result<(), Error> {
    crew::follow(stop, || work(machine, world, stop, notices))
}

fn work(
    machine: &Machine,
    world: &World,
    stop: &Stop,
    notices: &Arc<dyn Notices>,
) -> Result<(), Error> {
    let Order::Open(opening) = crew::take(world)? else {
        return Ok(());
    };
    let pool = Pool::open(&opening.data, opening.taken, notices)?;
    world.same(&[images(&pool)])?;
    let device = device(&machine.device)?;
    let mut member = Member {
        opening: *opening,
        pool,
        dealt: None,
        network: None,
        place: (device, machine.threads),
        world,
    };
    loop {
        match crew::take(world)? {
            Order::End | Order::Open(_) => return Ok(()),
            Order::Embed { network, images } => member.embed(*network, images)?,
            Order::Measure(trial) => {
                let base = member.base()?;
                trial.run(&base, &member.pool, member.place, world)?;
            }
            Order::Deal(dealt) => member.dealt = Some(*dealt),
            Order::Train { run, start, set } => {
                let around = Surroundings {
                    stop,
                    observer: &mut Unobserved,
                    notices,
                };
                member.train(*run, start, set, around)?;
            }
        }
    }
}

/// A process that follows, and what it has opened.
struct Member<'a> {
    opening: Opening,
    pool: Pool,
    dealt: Option<Dealt>,
    /// The last that was embedded with: the next one mostly differs in its weights alone.
    network: Option<(Network, Model)>,
    /// Where, and with how many threads.
    place: (Device, usize),
    world: &'a World,
}

impl Member<'_> {
    fn base(&self) -> Result<Checkpoint, Error> {
        let Opening {
            checkpoint,
            reading,
            ..
        } = &self.opening;
        reading.read(checkpoint, &crate::notice::Silent)
    }

    fn embed(&mut self, network: Network, images: Vec<usize>) -> Result<(), Error> {
        let (device, threads) = self.place;
        let kept = self.network.take();
        let (network, model) = match kept.filter(|(last, _)| *last == network) {
            Some((network, model)) => (network, model),
            None => {
                let model = network.make(device)?;
                (network, model)
            }
        };
        model.share_backbone(self.world)?;
        let dataset = self.pool.select(images)?;
        rows(self.world, (&model, &network.recipe), dataset, threads)?;
        self.network = Some((network, model));
        Ok(())
    }

    fn train(
        &self,
        run: RunOrder,
        start: Start,
        set: TrainingSet,
        around: Surroundings<'_>,
    ) -> Result<(), Error> {
        let (device, threads) = self.place;
        let start = || match &start {
            Start::Base => self.base(),
            Start::Heads(path) => Ok(Checkpoint::read(path)?),
        };
        let mut trainer = run.trainer(start, device)?;
        let dealt = self
            .dealt
            .as_ref()
            .expect("dealt before anything is trained");
        let images = set.open(&self.pool, dealt, threads)?;
        let plan = run.plan(self.world, threads)?;
        let trained = crew::train(self.world, around.stop, &mut trainer, |trainer| {
            run::train_on(trainer, plan, images, around)
        });
        crew::unless_of_all(trained)
    }
}
