//! Models by protocol: a row a model, a column a protocol, fraction of the labels and classifier.

use std::collections::BTreeMap;

use e2mc_cli::output::plus_minus;
use e2mc_record::{EvaluationResult, Protocol, rounded_percent};
use serde_json::{Value, json};

/// A column; columns are ordered by protocol as in Table 1, then by number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Column {
    protocol: Protocol,
    /// Labels in billionths, rounded to what their percentage shows; neighbours of k-NN.
    number: u64,
    /// The classifier, or what is measured.
    what: String,
}

/// A mean in percent and its standard error.
type Cell = (f64, Option<f64>);

/// Rows by model, in the order of the folders.
#[derive(Default)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<(String, BTreeMap<Column, Cell>)>,
}

impl Column {
    fn of_labels(protocol: Protocol, fraction: f64, what: &str) -> Self {
        Self {
            protocol,
            // What is no number, or below 0, becomes 0.
            number: (1e7 * rounded_percent(fraction)).round() as u64,
            what: what.to_owned(),
        }
    }

    /// The name over the column.
    fn name(&self) -> String {
        let percent = self.number as f64 / 1e7;
        match self.protocol {
            Protocol::Linear => format!("linear {percent} % ({})", self.what),
            Protocol::SemiSupervised => format!("semi-sup. {percent} %"),
            Protocol::Svm => format!("SVM {}", self.what),
            _ => self.what.clone(),
        }
    }
}

/// What a result says, by column.
fn cells(result: &EvaluationResult) -> Vec<(Column, Cell)> {
    let protocol = result.evaluation;
    let probes = result.probes.iter().map(|row| {
        let column = Column::of_labels(protocol, row.fraction, &row.probe);
        (column, (row.accuracy, row.noise()))
    });
    // Beside probes, neighbours are a first look; they have a command of their own.
    let looked_for = (protocol == Protocol::Knn).then_some(&result.results);
    let neighbours = looked_for.into_iter().flatten().map(|fit| {
        let column = Column {
            protocol: Protocol::Knn,
            number: fit.k as u64,
            what: format!("{}-NN {}", fit.k, fit.vote),
        };
        (column, (fit.figures.top1, None))
    });
    let machines = result.svm.iter().flat_map(|svm| {
        let precision = svm.precisions.as_ref();
        let precision = precision.map(|found| ("mAP", found.mean_average_precision));
        let top1 = svm.figures.as_ref().map(|found| ("top-1", found.top1));
        precision.into_iter().chain(top1).map(|(what, value)| {
            let column = Column {
                protocol: Protocol::Svm,
                number: 0,
                what: what.to_owned(),
            };
            (column, (value, None))
        })
    });
    probes.chain(neighbours).chain(machines).collect()
}

impl Table {
    /// The table of all results; the second list names models and columns that came more than once.
    pub(super) fn of<'a>(
        results: impl Iterator<Item = &'a EvaluationResult>,
    ) -> (Self, Vec<(String, String)>) {
        let (mut table, mut twice) = (Self::default(), Vec::new());
        for result in results {
            let model = &result.model;
            let at = match table.rows.iter().position(|(name, _)| name == model) {
                Some(at) => at,
                None => {
                    table.rows.push((model.clone(), BTreeMap::new()));
                    table.rows.len() - 1
                }
            };
            for (column, cell) in cells(result) {
                if table.rows[at].1.insert(column.clone(), cell).is_some() {
                    twice.push((model.clone(), column.name()));
                }
                if !table.columns.contains(&column) {
                    table.columns.push(column);
                }
            }
        }
        table.columns.sort();
        (table, twice)
    }

    pub(super) fn json(&self) -> Value {
        let cell = |cell: &Cell| json!({ "mean": cell.0, "standard_error": cell.1 });
        let rows = self.rows.iter().map(|(model, cells)| {
            let cells = self
                .columns
                .iter()
                .map(|column| cells.get(column).map(cell));
            json!({ "model": model, "cells": cells.collect::<Vec<_>>() })
        });
        json!({ "columns": self.names(), "rows": rows.collect::<Vec<_>>() })
    }

    fn names(&self) -> Vec<String> {
        self.columns.iter().map(Column::name).collect()
    }

    /// Rows of text, the header first.
    pub(super) fn cells(&self) -> Vec<Vec<String>> {
        let mut header = vec!["model".to_owned()];
        header.extend(self.names());
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

    /// What ± spans; nothing where no cell has it.
    pub(super) fn spans(&self) -> &'static str {
        let mut cells = self.rows.iter().flat_map(|(_, cells)| cells.values());
        match cells.any(|cell| cell.1.is_some()) {
            true => {
                "± is the standard error over label subsets; it does not cover other training \
                 seeds."
            }
            false => "",
        }
    }

    pub(super) fn markdown(&self) -> String {
        let mut rows = self.cells();
        let rule = vec!["---".to_owned(); rows[0].len()];
        rows.insert(1, rule);
        let line = |row: &Vec<String>| {
            let cells = row.iter().map(|cell| cell.replace('|', "\\|"));
            format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn csv(&self) -> String {
        let mut header = vec!["model".to_owned()];
        for name in self.names() {
            header.extend([name.clone(), format!("{name} standard error")]);
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
        let mut writer = csv::Writer::from_writer(Vec::new());
        for line in lines {
            let written = writer.write_record(line);
            written.expect("lines of equal length are written to memory");
        }
        let bytes = writer.into_inner().expect("memory takes everything");
        String::from_utf8(bytes).expect("made of strings")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_named_as_a_person_would() {
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
            let column = Column::of_labels(Protocol::SemiSupervised, fraction, "finetune");
            assert_eq!(column.name(), format!("semi-sup. {expected} %"));
        }
        let number = |fraction| Column::of_labels(Protocol::Linear, fraction, "sgd").number;
        assert_eq!((number(f64::NAN), number(0.0)), (0, 0));
    }

    #[test]
    fn columns_follow_table_1_and_neighbours_their_number() {
        let mut result = EvaluationResult::new("knn", "a", Protocol::Knn);
        let figures = e2mc_record::Figures {
            top1: 50.0,
            top5: None,
            mean_per_class: 50.0,
            per_class: Vec::new(),
            confusion: None,
        };
        result.results = [100, 20]
            .map(|k| e2mc_record::NeighbourFit {
                k,
                vote: "majority".into(),
                figures: figures.clone(),
                predictions: None,
            })
            .to_vec();
        let (table, twice) = Table::of([&result, &result].into_iter());
        assert_eq!(table.names(), ["20-NN majority", "100-NN majority"]);
        assert_eq!(twice.len(), 2);
        assert_eq!(table.csv().lines().nth(1), Some("a,50,,50,"));
        result.model = "one, \"two\"\nthree".to_owned();
        let (table, _) = Table::of([&result].into_iter());
        let csv = table.csv();
        assert!(
            csv.contains("\n\"one, \"\"two\"\"\nthree\",50,,50,\n"),
            "{csv}"
        );
    }
}
