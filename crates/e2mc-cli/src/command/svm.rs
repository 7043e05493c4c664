//! `e2mc svm`: embeddings in files by linear support vector machines, one against the rest.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_base::stop::Phase;
use e2mc_cli::options::SvmOptions;
use e2mc_cli::{output, signals};
use e2mc_eval::protocol::{EmbeddingFiles, Error, MachineData, all_rows, evaluate_machines};
use e2mc_record::{EvaluationResult, Origin, Protocol};

use super::{files, map_of};

pub(crate) fn run(options: &SvmOptions) -> Result<ExitCode> {
    let origin = files(&options.embeddings)?;
    let (map, map_origin) = map_of(options.embeddings.map.as_ref())?;
    let opened = EmbeddingFiles::open(&origin, map)?;
    let mut folder = options.record.folder()?;
    let kinds = opened.kinds();
    let train = all_rows(&*opened.train_rows()?)?;
    let test = all_rows(&*opened.test_rows()?)?;
    let data = MachineData::new((train, opened.train_targets), (test, opened.test_targets))
        .map_err(|error| match error {
            // In files, the kinds have names.
            Error::KindsOfLabels { .. } => Error::KindsOfLabels { kinds },
            error => error,
        })?;
    let name = options.record.model(options.embeddings.model());
    let mut result = EvaluationResult::new("svm", name, Protocol::Svm);
    result.origin = Origin::Files(origin);
    result.map = map_origin;
    let result = evaluate_machines(result, data, &options.plan(), &mut folder)?;
    let _finishing = signals::stop().enter(Phase::Finishing);
    folder.write(&result)?;
    output::evaluation(options.record.json, &result, &[]);
    Ok(ExitCode::SUCCESS)
}
