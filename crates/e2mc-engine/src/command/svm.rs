//! `e2mc svm`: a checkpoint's features by linear support vector machines, one against the rest.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use e2mc_base::stop::Phase;
use e2mc_cli::options::SvmOptions;
use e2mc_cli::{output, signals};
use e2mc_data::{VOC_CLASSES, is_voc};
use e2mc_lab::notice::Notices;
use e2mc_lab::protocol;

use crate::screen::Screen;
use crate::settings;

pub(crate) fn run(options: &SvmOptions) -> Result<ExitCode> {
    let notices: Arc<dyn Notices> = Screen::new();
    let source = settings::source(&options.embeddings, settings::machine(&options.machine))?;
    let names: &[&str] = match is_voc(&source.data) {
        true => &VOC_CLASSES,
        false => &[],
    };
    let name = options.record.model(options.embeddings.model());
    let (result, folder) = protocol::svm(
        source,
        &options.plan(),
        &name,
        || Ok(options.record.folder()?),
        &notices,
    )?;
    let _finishing = signals::stop().enter(Phase::Finishing);
    folder.write(&result)?;
    output::evaluation(options.record.json, &result, names);
    Ok(ExitCode::SUCCESS)
}
