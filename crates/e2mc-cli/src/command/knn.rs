//! `e2mc knn`: embeddings in files by nearest neighbours in cosine similarity.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::options::KnnOptions;
use e2mc_cli::output;
use e2mc_eval::protocol::{EmbeddingFiles, NeighbourData, evaluate_neighbours};
use e2mc_record::{EvaluationResult, Origin, Protocol};

use super::files;

pub(crate) fn run(options: &KnnOptions) -> Result<ExitCode> {
    let origin = files(&options.embeddings)?;
    // Rows stay in the files: only the pieces that are needed are in memory.
    let opened = EmbeddingFiles::open(&origin)?;
    let (train_labels, test_labels, classes) = opened.classes()?;
    let data = NeighbourData {
        train: &opened.train,
        train_labels,
        test: &opened.test,
        test_labels,
        classes,
    };
    let mut folder = options.record.folder()?;
    let name = options.record.model(options.embeddings.model());
    let mut result = EvaluationResult::new("knn", name, Protocol::Knn);
    result.origin = Origin::Files(origin);
    let result = evaluate_neighbours(result, &data, &options.plan(), &mut folder)?;
    folder.write(&result)?;
    output::evaluation(options.record.json, &result, &[]);
    Ok(ExitCode::SUCCESS)
}
