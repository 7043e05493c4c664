//! `e2mc knn`: embeddings in files by nearest neighbours in cosine similarity.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_base::stop::Phase;
use e2mc_cli::options::KnnOptions;
use e2mc_cli::{output, signals};
use e2mc_eval::protocol::{EmbeddingFiles, NeighbourData, evaluate_neighbours};
use e2mc_record::{EvaluationResult, Origin, Protocol};

use super::{alone, files, map_of};

pub(crate) fn run(options: &KnnOptions) -> Result<ExitCode> {
    alone(options.processes)?;
    let origin = files(&options.embeddings)?;
    // Rows stay in the files: only the pieces that are needed are in memory.
    let (map, map_origin) = map_of(options.embeddings.map.as_ref())?;
    let opened = EmbeddingFiles::open(&origin, map)?;
    let (train_labels, test_labels, classes) = opened.classes()?;
    let (train, test) = (opened.train_rows()?, opened.test_rows()?);
    let data = NeighbourData {
        train: &*train,
        train_labels,
        test: &*test,
        test_labels,
        classes,
    };
    let mut folder = options.record.folder()?;
    let name = options.record.model(options.embeddings.model());
    let mut result = EvaluationResult::new("knn", name, Protocol::Knn);
    result.origin = Origin::Files(origin);
    result.map = map_origin;
    let result = evaluate_neighbours(result, &data, &options.plan(), &mut folder)?;
    let _finishing = signals::stop().enter(Phase::Finishing);
    folder.write(&result)?;
    output::evaluation(options.record.json, &result, &[]);
    Ok(ExitCode::SUCCESS)
}
