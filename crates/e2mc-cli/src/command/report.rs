//! `e2mc report`: what training runs did, on one page.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::failure::Failure;
use e2mc_cli::options::ReportOptions;
use e2mc_cli::output;
use e2mc_record::Run;
use e2mc_report::{pages, save_figures};
use serde_json::json;

use crate::pictures;

pub(crate) fn run(options: &ReportOptions) -> Result<ExitCode> {
    let out = match (&options.out, &options.runs[..]) {
        (Some(out), _) => out.clone(),
        (None, [run]) => run.join("report.html"),
        (None, _) => {
            return Err(Failure::usage(
                format!("{} runs need a file for their page", options.runs.len()),
                "give --out FILE.html",
            ));
        }
    };
    let runs = options.runs.iter().map(|folder| Run::read(folder));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let mut page = pages::run::report(&runs, &output::command_line());
    let mut images = pages::images::of_run(&runs);
    pictures::add(&mut images, !options.no_thumbnails);
    page.insert(images.sections());
    page.save(&out)?;
    if let Some(folder) = &options.figures {
        for remark in &save_figures(&page, folder)?.remarks {
            output::warning(&remark.to_string());
        }
    }
    let findings = pages::run::findings(&runs);
    let told = findings
        .iter()
        .map(|finding| json!({ "kind": finding.verdict.words(), "text": finding.text }));
    let result = json!({
        "report": out, "figures": options.figures,
        "runs": runs.iter().map(pages::run::summary).collect::<Vec<_>>(),
        "findings": told.collect::<Vec<_>>(),
    });
    output::result(options.json, &result, || {
        format!("{}\nreport: {}", output::findings(&findings), out.display())
    });
    Ok(ExitCode::SUCCESS)
}
