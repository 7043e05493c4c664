//! Rows and fits of all protocols, seen alike: for tables, pages and comparisons.

use std::fmt;
use std::path::Path;

use super::{EvaluationResult, Figures, Protocol, Spans};

/// What tells a fit from the others of a result, and finds its partner in another result.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FitKey {
    /// How features are evaluated.
    pub protocol: Protocol,
    /// `logistic`, `sgd`, `finetune`, `svm`, or such as `20-NN weighted`.
    pub classifier: String,
    /// The fraction of the labels in billionths of a percent, rounded as
    /// [`percent`](crate::percent()) names it.
    fraction: u64,
    /// Seed of the label subset and of the fit; 0 where there is none.
    pub seed: u64,
}

impl FitKey {
    /// The key of a fit at a fraction of the labels, in (0, 1].
    pub fn new(
        protocol: Protocol,
        classifier: impl Into<String>,
        fraction: f64,
        seed: u64,
    ) -> Self {
        // What is no number, or below 0, becomes 0.
        let fraction = (1e9 * crate::rounded_percent(fraction)).round() as u64;
        Self {
            protocol,
            classifier: classifier.into(),
            fraction,
            seed,
        }
    }

    /// The fraction of the labels in percent, to three digits that count.
    pub fn percent(&self) -> f64 {
        self.fraction as f64 / 1e9
    }

    /// The same key for all seeds: of the row that the fit is in.
    pub fn row(&self) -> Self {
        Self {
            seed: 0,
            ..self.clone()
        }
    }

    /// The row's name, as tables have it: `logistic, 1 % of labels`, or `20-NN weighted`.
    pub fn row_name(&self) -> String {
        match self.protocol {
            Protocol::Linear | Protocol::SemiSupervised => {
                format!("{}, {} % of labels", self.classifier, self.percent())
            }
            Protocol::Knn => self.classifier.clone(),
            Protocol::Svm => "SVM".to_owned(),
        }
    }
}

impl fmt::Display for FitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.row_name())?;
        match self.protocol {
            Protocol::Linear | Protocol::SemiSupervised => write!(f, ", seed {}", self.seed),
            Protocol::Knn | Protocol::Svm => Ok(()),
        }
    }
}

/// One fit of any protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct FitView<'a> {
    /// Which one it is.
    pub key: FitKey,
    /// How good it is; none of several labels a row.
    pub figures: Option<&'a Figures>,
    /// The fingerprint of the labels that it learned from, where it is known.
    pub subset: Option<&'a str>,
    /// Where its predictions are, relative to the folder of the result.
    pub predictions: Option<&'a Path>,
}

/// One line of a table: a classifier at a fraction of the labels.
#[derive(Clone, Debug, PartialEq)]
pub struct RowView {
    /// Which one it is, for all seeds.
    pub key: FitKey,
    /// Mean over the fits, in percent: top-1, or average precision of several labels a row.
    pub mean: f64,
    /// `top-1` or `mAP`.
    pub measure: &'static str,
    /// Standard error of the mean, in percentage points; `None` for a single fit.
    pub standard_error: Option<f64>,
    /// What the standard error spans.
    pub spans: Option<Spans>,
    /// One value a fit, in percent.
    pub values: Vec<f64>,
}

impl RowView {
    /// The standard error where it says how well the mean is known: see
    /// [`ProbeRow::noise`](super::ProbeRow::noise).
    pub fn noise(&self) -> Option<f64> {
        let fraction = self.key.percent() / 100.0;
        super::figures::noise(self.standard_error, self.spans, fraction)
    }
}

impl EvaluationResult {
    /// All fits: neighbours, then probes, then support vector machines.
    pub fn fits(&self) -> impl Iterator<Item = FitView<'_>> {
        let neighbours = self.results.iter().map(|fit| FitView {
            key: neighbours(fit.k, &fit.vote),
            figures: Some(&fit.figures),
            subset: None,
            predictions: fit.predictions.as_deref(),
        });
        let protocol = self.protocol_of_probes();
        let probes = self.probes.iter().flat_map(move |row| {
            row.runs.iter().map(move |fit| FitView {
                key: FitKey::new(protocol, &row.probe, row.fraction, fit.seed),
                figures: Some(&fit.figures),
                subset: fit.subset.as_deref(),
                predictions: fit.predictions.as_deref(),
            })
        });
        let svm = self.svm.iter().map(|svm| FitView {
            key: FitKey::new(Protocol::Svm, "svm", 1.0, 0),
            figures: svm.figures.as_ref(),
            subset: None,
            predictions: svm.predictions.as_deref(),
        });
        neighbours.chain(probes).chain(svm)
    }

    /// All rows, in the same order. Neighbours that are evaluated beside probes come first where no
    /// list has them.
    pub fn rows(&self) -> impl Iterator<Item = RowView> {
        let single = |key, mean, measure| RowView {
            key,
            mean,
            measure,
            standard_error: None,
            spans: None,
            values: vec![mean],
        };
        let beside = self.k.zip(self.knn).filter(|_| self.results.is_empty());
        let beside = beside.map(move |(k, knn)| {
            let key = FitKey::new(Protocol::Knn, format!("{k}-NN"), 1.0, 0);
            single(key, knn, "top-1")
        });
        let of_neighbours = self
            .results
            .iter()
            .map(move |fit| single(neighbours(fit.k, &fit.vote), fit.figures.top1, "top-1"));
        let protocol = self.protocol_of_probes();
        let probes = self.probes.iter().map(move |row| RowView {
            key: FitKey::new(protocol, &row.probe, row.fraction, 0),
            mean: row.accuracy,
            measure: "top-1",
            standard_error: row.standard_error,
            spans: row.spans,
            values: row.accuracies.clone(),
        });
        let svm = self.svm.iter().flat_map(move |svm| {
            let key = FitKey::new(Protocol::Svm, "svm", 1.0, 0);
            let precision = svm.precisions.as_ref();
            let precision = precision.map(|found| (found.mean_average_precision, "mAP"));
            let top1 = svm.figures.as_ref().map(|found| (found.top1, "top-1"));
            let both = precision.into_iter().chain(top1);
            both.map(move |(mean, measure)| single(key.clone(), mean, measure))
        });
        let lists = of_neighbours.chain(probes).chain(svm);
        beside.into_iter().chain(lists)
    }

    /// Rows of probes are of fine-tuning where that is what the command is for.
    fn protocol_of_probes(&self) -> Protocol {
        match self.evaluation {
            Protocol::SemiSupervised => Protocol::SemiSupervised,
            _ => Protocol::Linear,
        }
    }
}

fn neighbours(k: usize, vote: &str) -> FitKey {
    FitKey::new(Protocol::Knn, format!("{k}-NN {vote}"), 1.0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::percent;

    #[test]
    fn only_label_subsets_say_how_well_a_mean_is_known() {
        let row = |spans, fraction| RowView {
            key: FitKey::new(Protocol::Linear, "sgd", fraction, 0),
            mean: 75.0,
            measure: "top-1",
            standard_error: Some(0.5),
            spans,
            values: vec![74.5, 75.5],
        };
        assert_eq!(row(Some(Spans::LabelSubsets), 0.1).noise(), Some(0.5));
        assert_eq!(row(Some(Spans::FitSeeds), 0.1).noise(), None);
        assert_eq!(row(None, 0.1).noise(), Some(0.5));
        assert_eq!(row(None, 1.0).noise(), None);
    }

    #[test]
    fn neighbours_beside_probes_are_one_row_whether_a_list_has_them_or_not() {
        let mut result = EvaluationResult::new("probe", "a", Protocol::Linear);
        (result.k, result.knn) = (Some(20), Some(40.0));
        let names = |result: &EvaluationResult| -> Vec<String> {
            result.rows().map(|row| row.key.row_name()).collect()
        };
        assert_eq!(names(&result), ["20-NN"]);
        result.results.push(super::super::NeighbourFit {
            k: 20,
            vote: "majority".into(),
            figures: Figures {
                top1: 40.0,
                top5: None,
                mean_per_class: 40.0,
                per_class: Vec::new(),
                confusion: None,
            },
            predictions: None,
        });
        assert_eq!(names(&result), ["20-NN majority"]);
    }

    #[test]
    fn keys_meet_at_the_percentage_that_is_shown() {
        let key = |fraction| FitKey::new(Protocol::Linear, "sgd", fraction, 3);
        assert_eq!(key(0.01), key(12_811.0 / 1_281_167.0));
        assert_ne!(key(0.01), key(0.011));
        for fraction in [0.01, 0.125, 1.0 / 3.0, 2.5e-6, 1.0] {
            assert_eq!(key(fraction).percent().to_string(), percent(fraction));
        }
        assert_eq!(key(0.01).to_string(), "sgd, 1 % of labels, seed 3");
        assert_eq!(key(0.01).row_name(), "sgd, 1 % of labels");
        assert_eq!(neighbours(20, "weighted").to_string(), "20-NN weighted");
    }
}
