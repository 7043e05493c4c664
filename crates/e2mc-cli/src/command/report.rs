//! `e2mc report`: what training runs did, on one page.

mod curves;
mod page;
mod probes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::options::ReportOptions;
use serde_json::json;

use crate::output;
use crate::report::{Report, save_figures};
use crate::runlog::{self, RunLog};

pub(crate) use curves::{quality, terms};

pub(crate) fn run(options: &ReportOptions) -> Result<ExitCode> {
    let out = match (&options.out, &options.runs[..]) {
        (Some(out), _) => out.clone(),
        (None, [run]) => run.join("report.html"),
        (None, _) => {
            return Err(crate::failure::Failure::usage(
                format!("{} runs without a place for their page", options.runs.len()),
                "give --out FILE.html",
            ));
        }
    };
    let logs = read(&options.runs)?;
    let (page, findings) = page::report(&logs)?;
    page.save(&out)?;
    if let Some(folder) = &options.figures {
        save_figures(&page, folder)?;
    }
    let result = json!({
        "report": out,
        "figures": options.figures,
        "runs": logs.iter().map(page::summary).collect::<Vec<_>>(),
        "findings": findings.iter().map(|f| json!({"kind": f.verdict.words(), "text": f.text})).collect::<Vec<_>>(),
    });
    output::result(options.json, &result, || {
        let lines = findings
            .iter()
            .map(|f| format!("{:<13}  {}\n", f.verdict.words(), f.text));
        format!("{}\nreport: {}", lines.collect::<String>(), out.display())
    });
    Ok(ExitCode::SUCCESS)
}

fn read(runs: &[PathBuf]) -> Result<Vec<RunLog>> {
    let mut logs = runs
        .iter()
        .map(|run| RunLog::read(run))
        .collect::<Result<Vec<_>>>()?;
    runlog::name_apart(&mut logs);
    Ok(logs)
}

/// The page of one run, finished or not.
pub(crate) fn of_run(folder: &Path) -> Result<Report> {
    Ok(page::report(&[RunLog::read(folder)?])?.0)
}
