//! Marginal distributions of single dimensions.

use super::Subject;
use super::subject::names;
use crate::chart::histograms::{HistogramPanel, Histograms, Reference};
use crate::number::fixed;

/// Dimensions whose marginals are drawn.
const MARGINALS: usize = 8;

/// Marginal distributions of a few dimensions, evenly in rank of the first subject's entropy.
pub(super) fn marginals(subjects: &[Subject]) -> Histograms {
    let first = &subjects[0].diagnostics;
    let mut order = first.marginals.by_entropy();
    // Constant ones show a spike, beside which nothing else can be seen.
    if first.dimensions.dead.len() < order.len() {
        order.retain(|dimension| first.dimensions.dead.binary_search(dimension).is_err());
    }
    let shown = MARGINALS.min(order.len());
    let chosen = (0..shown).map(|i| order[i * (order.len() - 1) / (shown - 1).max(1)]);
    let panels = chosen.map(|dimension| {
        let entropies: Vec<String> = subjects
            .iter()
            .map(|subject| fixed(subject.diagnostics.marginals.entropy[dimension].into(), 2))
            .collect();
        HistogramPanel {
            title: format!("Dimension {dimension}"),
            note: format!("entropy {} nats", entropies.join(" → ")),
            samples: subjects
                .iter()
                .map(|subject| column(subject, dimension))
                .collect(),
            axis: None,
        }
    });
    Histograms {
        title: "Marginal distributions of single dimensions".into(),
        caption: "After the transform to the unit interval: dimensions from the least to the most \
                  uniform, evenly spaced in rank, without nearly constant ones."
            .into(),
        x_label: "transformed coordinate".into(),
        series: names(subjects),
        range: (0.0, 1.0),
        bins: 25,
        reference: Some(Reference {
            name: "uniform".into(),
            density: 1.0,
        }),
        panels: panels.collect(),
        ..Histograms::default()
    }
}

fn column(subject: &Subject, dimension: usize) -> Vec<f32> {
    let rows = subject.picture.data().chunks_exact(subject.picture.cols());
    rows.map(|row| subject.transform.value(row[dimension]))
        .collect()
}
