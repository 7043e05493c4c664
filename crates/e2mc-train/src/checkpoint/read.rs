//! The one way in: any checkpoint that can be read, whoever wrote it.

use std::collections::BTreeMap;
use std::path::Path;

use tch::Kind;

use super::companions::Companions;
use super::heads::Heads;
use super::layout::{Layout, STATE_DICT};
use super::momentum::momentum;
use super::recipe::{Convention, conventional};
use super::recognise::recognise;
use super::{
    BACKBONE_PREFIX, Checkpoint, FORMAT_VERSION, FoldedMap, Foreign, Header, METHOD_PREFIX,
    OPTIMIZER_PREFIX,
};
use crate::Error;
use crate::advice::Advice;
use crate::archive::{Archive, Problem, Unread, brief, place_among_files};
use crate::meter::EpochSoFar;
use crate::method::MethodConfig;
use crate::optim::STEPS;

/// How to take a checkpoint that is not quite what it should be.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Naming scheme of the tensors; detected from the names if `None`.
    pub layout: Option<Layout>,
    /// Which of several networks to take: a part or a word of the way to it, such as `teacher`.
    pub network: Option<String>,
    /// Attention heads of a block, where the file does not say.
    pub heads: Option<usize>,
    /// Starts of our names of tensors that the file may lack.
    pub allow_missing: Vec<String>,
    /// Starts of the names, ours or the file's as the error lists them, of tensors that the file
    /// may have too many.
    pub allow_unexpected: Vec<String>,
}

impl Checkpoint {
    /// Opens a checkpoint or a model file: our own, PyTorch's or plain safetensors.
    ///
    /// # Errors
    /// Where the file is missing, empty, damaged or beyond the limits, holds no network that is
    /// known, or one that cannot be told from another.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::read_with(path, ReadOptions::default())
    }

    /// As [`Checkpoint::read`], with a layout given or differences allowed.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn read_with(path: &Path, options: ReadOptions) -> Result<Self, Error> {
        let archive = Archive::open(path)?;
        let headless = options.layout == Some(Layout::Backbone);
        let as_found = matches!(options.layout, None | Some(Layout::E2mc | Layout::Backbone));
        let checkpoint = match archive.header.is_some() && as_found {
            true => Self::of_ours(path, archive, options),
            false => Self::of_others(path, archive, options),
        };
        let checkpoint = checkpoint.and_then(|checkpoint| {
            if let Some(map) = &checkpoint.folded {
                map.check(checkpoint.recipe.backbone.features())?;
            }
            Ok(checkpoint)
        });
        let mut checkpoint = checkpoint.map_err(|problem| match place_among_files(path) {
            Some(place) => one_of_several(place, problem).of(path),
            None => problem.of(path),
        })?;
        if headless {
            checkpoint.drop_heads();
        }
        Ok(checkpoint)
    }

    /// Leaves the backbone alone, to be continued with other heads.
    fn drop_heads(&mut self) {
        self.recipe.method = MethodConfig::None;
        self.model
            .retain(|name, _| name.starts_with(BACKBONE_PREFIX));
        self.optimizer.clear();
        self.method.clear();
    }

    fn of_ours(path: &Path, mut archive: Archive, options: ReadOptions) -> Result<Self, Problem> {
        let json = archive.header.take().unwrap_or_default();
        let version = serde_json::from_str::<serde_json::Value>(&json)
            .ok()
            .and_then(|header| header.get("version")?.as_u64());
        if version != Some(FORMAT_VERSION.into()) {
            return Err(Problem {
                expected: format!("format version {FORMAT_VERSION}"),
                found: version.map_or("none".into(), |version| format!("version {version}")),
                advice: Advice::words("use the release of e2mc that wrote the file"),
            });
        }
        let header: Header = serde_json::from_str(&json)
            .map_err(|error| Problem::again("a valid header", brief(&error.to_string())))?;
        let folded = header.map;
        let folded = folded.map(|mark| FoldedMap::take(mark, &mut archive.tensors));
        let mut checkpoint = Self {
            path: path.to_owned(),
            recipe: header.recipe,
            progress: header.progress,
            so_far: header.so_far,
            model: BTreeMap::new(),
            optimizer: Vec::new(),
            method: Vec::new(),
            foreign: None,
            folded: folded.transpose()?,
            allowed: options,
        };
        for (name, tensor) in archive.tensors {
            // In a .pth the network has a dictionary of its own.
            let dictionary = name.strip_prefix(STATE_DICT);
            let name = dictionary
                .and_then(|name| name.strip_prefix('.'))
                .unwrap_or(&name);
            if let Some(name) = name.strip_prefix(OPTIMIZER_PREFIX) {
                checkpoint.optimizer.push((name.to_owned(), tensor));
            } else if let Some(name) = name.strip_prefix(METHOD_PREFIX) {
                checkpoint.method.push((name.to_owned(), tensor));
            } else {
                checkpoint.model.insert(name.to_owned(), tensor);
            }
        }
        Ok(checkpoint)
    }

    fn of_others(path: &Path, mut archive: Archive, options: ReadOptions) -> Result<Self, Problem> {
        let folded = archive.folded.take().map(|json| {
            let mark = serde_json::from_str(&json)
                .map_err(|error| Problem::again("a valid note", brief(&error.to_string())))?;
            FoldedMap::take(mark, &mut archive.tensors)
        });
        let folded = folded.transpose()?;
        let companions = Companions::beside(path)?;
        let mut hints = companions.hints.clone();
        hints.heads = options.heads.or(hints.heads);
        let network = options.network.as_deref();
        let found = recognise(&archive.tensors, options.layout, network, &hints);
        let found = found.map_err(|problem| match archive.tensors.is_empty() {
            true => without_tensors(&archive.passed_over, problem),
            false => problem,
        })?;
        let model = found.network;
        // SimSiam's code does not train this bias: the batch norm behind it would undo it.
        let fixed = match &found.heads {
            Heads::Simsiam { projector, .. } => {
                let last = 3 * (projector.len() - 1);
                Some(format!("projector.{last}.bias"))
            }
            _ => None,
        };
        let assumed = found.backbone.assumed();
        let mut optimizer = Vec::new();
        if let Some(momentum) = momentum(&archive.tensors, &model, fixed.as_deref(), found.family) {
            optimizer = momentum;
            // How many steps it took is not saved, and momentum does not depend on it.
            let source = || Ok(0i64.to_ne_bytes().to_vec());
            let steps = Unread::new(&path.into(), STEPS, Kind::Int64, Vec::new(), source);
            optimizer.push((STEPS.into(), steps));
        }
        let convention = Convention {
            // Leaving the heads out makes no other images of an author's.
            layouts: [found.layout, found.guessed],
            solo_learn: found.solo_learn,
            naming: found.naming,
            preprocessing: companions.preprocessing,
        };
        let evaluation = convention.preprocessing(&found.backbone);
        Ok(Self {
            path: path.to_owned(),
            recipe: conventional(found.layout, found.backbone, found.heads, evaluation.0),
            progress: None,
            so_far: EpochSoFar::default(),
            model,
            optimizer,
            method: Vec::new(),
            foreign: Some(Foreign {
                layout: found.layout,
                epoch: archive.epoch,
                ignored: [found.ignored, archive.passed_over].concat(),
                chosen: found.chosen,
                whole: found.whole,
                assumed,
                of_backbone: found.of_backbone,
                prepared_as: evaluation.1,
                unexpected: found.unexpected,
            }),
            folded,
            allowed: options,
        })
    }
}

/// What is wrong with a file of which no tensor can be read: what it holds instead.
fn without_tensors(passed_over: &[String], problem: Problem) -> Problem {
    if passed_over.is_empty() {
        return problem;
    }
    let advice = match passed_over.iter().any(|words| words.contains("`numpy.")) {
        true => Advice::words(
            "save torch's tensors instead of NumPy's arrays: torch.save({name: torch.from_numpy(array), ...})",
        ),
        false => problem.advice,
    };
    Problem {
        found: format!("no tensor, but {}", passed_over.join(", ")),
        advice,
        ..problem
    }
}

/// What is wrong with one of the files that a network was dealt out to.
fn one_of_several((number, count): (u32, u32), problem: Problem) -> Problem {
    Problem {
        expected: "the files of a whole network".into(),
        found: format!("file {number} of {count} alone ({})", problem.found),
        advice: Advice::words(
            "give the folder of all files, or the index beside them (`….index.json`)",
        ),
    }
}
