//! `e2mc results`: the results below a folder in one table, laid out as the paper's Table 1.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use e2mc_cli::options::{ResultsOptions, TableFormat};
use serde_json::{Value, json};

use crate::evaluation::record::RESULT;
use crate::evaluation::{plus_minus, rounded_percent};
use crate::failure::Failure;
use crate::output;

/// Columns from left to right: kind, part of the labels as [`part`] has it, classifier.
type Column = (Kind, u64, String);

/// As Table 1 orders them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Linear,
    SemiSupervised,
    Knn,
    Svm,
}

/// A mean in percent and its standard error.
type Cell = (f64, Option<f64>);

/// Rows by model, in the order of the folders.
struct Table {
    columns: Vec<Column>,
    rows: Vec<(String, BTreeMap<Column, Cell>)>,
}

pub(crate) fn run(options: &ResultsOptions) -> Result<ExitCode> {
    let mut files = Vec::new();
    find(&options.folder, &mut files)?;
    files.sort();
    let mut table = Table {
        columns: Vec::new(),
        rows: Vec::new(),
    };
    for file in &files {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        match serde_json::from_str::<Value>(&text) {
            Ok(result) if result["command"].is_string() && result["model"].is_string() => {
                table.add(&result);
            }
            _ => output::warning(&format!(
                "{}: not a result of e2mc, left out",
                file.display()
            )),
        }
    }
    if table.rows.is_empty() {
        return Err(Failure::new(
            format!(
                "{}: expected {RESULT} of evaluations, found none",
                options.folder.display()
            ),
            "run probe, finetune, knn or svm with --out below that folder",
        ));
    }
    let json = json!({
        "columns": table.columns.iter().map(name).collect::<Vec<_>>(),
        "rows": table.rows.iter().map(|(model, cells)| json!({
            "model": model,
            "cells": table.columns.iter().map(|column| cells.get(column).map(|&(mean, error)| {
                json!({ "mean": mean, "standard_error": error })
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    });
    output::result(options.json, &json, || match options.format {
        TableFormat::Terminal => output::table(&table.cells()),
        TableFormat::Markdown => table.markdown(),
        TableFormat::Csv => table.csv(),
    });
    Ok(ExitCode::SUCCESS)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        // Links are not followed: they could lead back.
        let kind = entry.file_type().with_context(failed)?;
        if kind.is_dir() {
            find(&entry.path(), files)?;
        } else if entry.file_name() == RESULT {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// A part of the labels in billionths, as columns name it.
fn part(fraction: f64) -> u64 {
    // What is no number, or below 0, becomes 0.
    (1e7 * rounded_percent(fraction)).round() as u64
}

/// The name of a column.
fn name((kind, part, classifier): &Column) -> String {
    let percent = *part as f64 / 1e7;
    match kind {
        Kind::Linear => format!("linear {percent} % ({classifier})"),
        Kind::SemiSupervised => format!("semi-sup. {percent} %"),
        Kind::Knn => classifier.clone(),
        Kind::Svm => format!("SVM {classifier}"),
    }
}

impl Table {
    fn add(&mut self, result: &Value) {
        let mut cells = Vec::new();
        let number = |value: &Value| value.as_f64();
        match result["evaluation"].as_str() {
            Some(evaluation @ ("linear" | "semi-supervised")) => {
                let kind = if evaluation == "linear" {
                    Kind::Linear
                } else {
                    Kind::SemiSupervised
                };
                for row in result["probes"].as_array().into_iter().flatten() {
                    let fraction = part(row["fraction"].as_f64().unwrap_or(0.0));
                    let probe = row["probe"].as_str().unwrap_or_default().to_owned();
                    if let Some(mean) = number(&row["accuracy"]) {
                        let cell = (mean, number(&row["standard_error"]));
                        cells.push(((kind, fraction, probe), cell));
                    }
                }
            }
            Some("knn") => {
                for row in result["results"].as_array().into_iter().flatten() {
                    let vote = row["vote"].as_str().unwrap_or_default();
                    if let (Some(k), Some(top1)) = (row["k"].as_u64(), number(&row["top1"])) {
                        let name = format!("{k}-NN {vote}");
                        cells.push(((Kind::Knn, k, name), (top1, None)));
                    }
                }
            }
            Some("svm") => {
                for (key, name) in [("mean_average_precision", "mAP"), ("top1", "top-1")] {
                    if let Some(value) = number(&result[key]) {
                        cells.push(((Kind::Svm, 0, name.to_owned()), (value, None)));
                    }
                }
            }
            _ => {}
        }
        let model = result["model"].as_str().unwrap_or_default();
        let at = match self.rows.iter().position(|(name, _)| name == model) {
            Some(at) => at,
            None => {
                self.rows.push((model.to_owned(), BTreeMap::new()));
                self.rows.len() - 1
            }
        };
        for (column, cell) in cells {
            if !self.columns.contains(&column) {
                self.columns.push(column.clone());
            }
            if self.rows[at].1.insert(column.clone(), cell).is_some() {
                output::warning(&format!(
                    "several results of {model:?} for {}: the last is shown; tell runs apart by --name",
                    name(&column)
                ));
            }
        }
        self.columns.sort();
    }

    fn cells(&self) -> Vec<Vec<String>> {
        let mut header = vec!["model".to_owned()];
        header.extend(self.columns.iter().map(name));
        let mut rows = vec![header];
        for (model, cells) in &self.rows {
            let mut row = vec![model.clone()];
            row.extend(self.columns.iter().map(|column| match cells.get(column) {
                Some(&(mean, error)) => plus_minus(mean, error),
                None => "-".into(),
            }));
            rows.push(row);
        }
        rows
    }

    fn markdown(&self) -> String {
        let mut rows = self.cells();
        let rule = vec!["---".to_owned(); rows[0].len()];
        rows.insert(1, rule);
        let line = |row: &Vec<String>| {
            let cells = row.iter().map(|cell| cell.replace('|', "\\|"));
            format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn csv(&self) -> String {
        let mut header = vec!["model".to_owned()];
        for column in &self.columns {
            header.extend([name(column), format!("{} standard error", name(column))]);
        }
        let mut lines = vec![header];
        for (model, cells) in &self.rows {
            let mut line = vec![model.clone()];
            for column in &self.columns {
                let cell = cells.get(column);
                line.push(cell.map_or(String::new(), |cell| cell.0.to_string()));
                let error = cell.and_then(|cell| cell.1);
                line.push(error.map_or(String::new(), |error| error.to_string()));
            }
            lines.push(line);
        }
        let quoted = |cell: &String| {
            if cell.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.clone()
            }
        };
        let line = |line: &Vec<String>| line.iter().map(quoted).collect::<Vec<_>>().join(",");
        lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_as_a_person_would() {
        let named = |fraction: f64| name(&(Kind::SemiSupervised, part(fraction), String::new()));
        for (fraction, expected) in [
            (12_811.0 / 1_281_167.0, "1"),
            (0.01, "1"),
            (128_116.0 / 1_281_167.0, "10"),
            (1.0, "100"),
            (0.125, "12.5"),
            (1.0 / 3.0, "33.3"),
            (0.0995, "9.95"),
            (0.001, "0.1"),
            (2.5e-6, "0.00025"),
        ] {
            assert_eq!(named(fraction), format!("semi-sup. {expected} %"));
        }
        assert_eq!((part(f64::NAN), part(0.0)), (0, 0));
    }
}
