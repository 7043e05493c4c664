//! `e2mc inspect`: what an embedding looks like. Files need no libtorch work; a checkpoint embeds its data set first.

mod figures;
mod findings;
mod page;
mod subject;
mod summary;

use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::options::InspectOptions;

use crate::failure::Failure;
use crate::output;
use crate::report::save_figures;

pub(crate) use page::embedding_sections;
pub(crate) use subject::Subject;

pub(crate) fn run(options: &InspectOptions) -> Result<ExitCode> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.machine.threads())
        .build_global()?;
    if options.views == 1 {
        return Err(Failure::usage(
            "--views 1: one view has no other to be compared with",
            "give at least 2",
        ));
    }
    let subjects = subject::all(options)?;
    let findings = findings::findings(&subjects);
    if options.report.is_some() || options.figures.is_some() {
        let page = page::report(&subjects, &findings);
        if let Some(path) = &options.report {
            page.save(path)?;
        }
        if let Some(folder) = &options.figures {
            save_figures(&page, folder)?;
        }
    }
    let result = summary::json(&subjects, &findings, options);
    output::result(options.json, &result, || {
        summary::text(&subjects, &findings, options)
    });
    Ok(ExitCode::SUCCESS)
}
