//! `e2mc probe`: what embeddings in files are worth to linear classifiers.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_base::stop::Phase;
use e2mc_cli::failure::Failure;
use e2mc_cli::options::{FeaturesName, ProbeOptions};
use e2mc_cli::{output, signals};
use e2mc_eval::Rows;
use e2mc_eval::protocol::{EmbeddingFiles, Subsets, evaluate_probes};
use e2mc_record::{EvaluationResult, Origin, Protocol};

use super::{alone, files, map_of};

pub(crate) fn run(options: &ProbeOptions) -> Result<ExitCode> {
    if options.features != FeaturesName::Cached {
        return Err(Failure::usage(
            "files of embeddings already hold cached features",
            "omit --features, or give --checkpoint and --data",
        ));
    }
    alone(options.processes)?;
    let origin = files(&options.embeddings)?;
    let (map, map_origin) = map_of(options.embeddings.map.as_ref())?;
    let opened = EmbeddingFiles::open(&origin, map)?;
    let subsets = match &options.list {
        Some(list) => Subsets::read_rows(list, opened.train.rows())?,
        None => Subsets::of_fractions(&options.fractions)?,
    };
    // Before rows are read: a folder that cannot be written to is noticed in time.
    let mut folder = options.record.folder()?;
    let data = opened.labelled()?;
    let name = options.record.model(options.embeddings.model());
    let mut result = EvaluationResult::new("probe", name, Protocol::Linear);
    result.origin = Origin::Files(origin);
    result.map = map_origin;
    let result = evaluate_probes(result, &data, &options.plan(subsets, None), &mut folder)?;
    let _finishing = signals::stop().enter(Phase::Finishing);
    folder.write(&result)?;
    output::evaluation(options.record.json, &result, &[]);
    Ok(ExitCode::SUCCESS)
}
