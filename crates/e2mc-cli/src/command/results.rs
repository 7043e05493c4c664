//! `e2mc results`: the results below folders in one table, laid out as the paper's Table 1.

mod table;

use std::collections::HashSet;
use std::fs;
use std::process::ExitCode;

use anyhow::Result;
use e2mc_cli::failure::Failure;
use e2mc_cli::options::{ResultsOptions, TableFormat};
use e2mc_cli::output;
use e2mc_record::{RESULT, find_results};

use table::Table;

pub(crate) fn run(options: &ResultsOptions) -> Result<ExitCode> {
    let mut results = Vec::new();
    for folder in &options.folders {
        let found = find_results(folder)?;
        for unread in &found.unread {
            output::warning(&format!("{unread}; left out"));
        }
        if found.results.is_empty() {
            return Err(Failure::new(
                format!(
                    "{}: expected {RESULT} of evaluations, found none",
                    folder.display()
                ),
                "run probe, finetune, knn or svm with --out below that folder",
            ));
        }
        results.extend(found.results);
    }
    // A folder may be given twice, or with one that it lies in.
    let mut seen = HashSet::new();
    results.retain(|found| {
        let path = fs::canonicalize(&found.path);
        seen.insert(path.unwrap_or_else(|_| found.path.clone()))
    });
    let (table, twice) = Table::of(results.iter().map(|found| &found.result));
    for (model, column) in twice {
        output::warning(&format!(
            "several results of {model:?} for {column}: the last is shown; give runs different \
             names with --name"
        ));
    }
    output::result(options.json, &table.json(), || match options.format {
        TableFormat::Terminal => {
            format!("{}{}", output::fitting_table(&table.cells()), table.spans())
        }
        TableFormat::Markdown => table.markdown(),
        TableFormat::Csv => table.csv(),
    });
    Ok(ExitCode::SUCCESS)
}
