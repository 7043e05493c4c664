//! `e2mc svm`: embeddings in files by linear support vector machines, one against the rest.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::options::SvmOptions;
use e2mc_cli::output;
use e2mc_eval::protocol::{EmbeddingFiles, Error, MachineData, all_rows, evaluate_machines};
use e2mc_record::{EvaluationResult, Origin, Protocol};

use super::files;

pub(crate) fn run(options: &SvmOptions) -> Result<ExitCode> {
    let origin = files(&options.embeddings)?;
    let opened = EmbeddingFiles::open(&origin)?;
    let mut folder = options.record.folder()?;
    let kinds = opened.kinds();
    let data = MachineData::new(
        (all_rows(&opened.train)?, opened.train_targets),
        (all_rows(&opened.test)?, opened.test_targets),
    )
    .map_err(|error| match error {
        // In files, the kinds have names.
        Error::KindsOfLabels { .. } => Error::KindsOfLabels { kinds },
        error => error,
    })?;
    let name = options.record.model(options.embeddings.model());
    let mut result = EvaluationResult::new("svm", name, Protocol::Svm);
    result.origin = Origin::Files(origin);
    let result = evaluate_machines(result, data, &options.plan(), &mut folder)?;
    folder.write(&result)?;
    output::evaluation(options.record.json, &result, &[]);
    Ok(ExitCode::SUCCESS)
}
