//! How entropies, deviations, variances and distances are spread.

use super::Subject;
use super::marginals::marginals;
use super::short;
use super::subject::names;
use crate::chart::histograms::{HistogramPanel, Histograms};
use crate::chart::lines::Lines;
use crate::chart::marks::Mark;
use crate::chart::series::{LineChart, Series};
use crate::number::fixed;
use crate::page::Block;

/// How a quantity is spread over the dimensions; none if all are equal.
fn spread(
    title: &str,
    note: &str,
    x_label: &str,
    subjects: &[Subject],
    values: impl Fn(&Subject) -> Vec<f32>,
) -> Option<HistogramPanel> {
    let samples: Vec<Vec<f32>> = subjects.iter().map(values).collect();
    let (low, high) = range(samples.iter().flatten());
    (low < high).then(|| HistogramPanel {
        title: title.into(),
        note: note.into(),
        samples,
        axis: Some((x_label.into(), (low, high))),
    })
}

fn range<'a>(values: impl Iterator<Item = &'a f32>) -> (f64, f64) {
    values
        .copied()
        .map(f64::from)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
}

/// Entropies, deviations and single marginals.
pub(super) fn dimensions(subjects: &[Subject]) -> Vec<Block> {
    // Constant ones lie so low that the others would be a single bar.
    let dead = subjects
        .iter()
        .any(|subject| !subject.diagnostics.dimensions.dead.is_empty());
    let panels = [
        spread(
            "Marginal entropy",
            if dead {
                "without nearly constant dimensions"
            } else {
                ""
            },
            "nats, 0 is uniform",
            subjects,
            |subject| {
                let d = &subject.diagnostics;
                let entropies = d.marginals.entropy.iter().enumerate();
                entropies
                    .filter(|(j, _)| d.dimensions.dead.binary_search(j).is_err())
                    .map(|(_, &entropy)| entropy)
                    .collect()
            },
        ),
        spread(
            "Standard deviation",
            "",
            "before the transform",
            subjects,
            |subject| {
                let deviation = &subject.diagnostics.dimensions.deviation;
                deviation.iter().map(|&value| value as f32).collect()
            },
        ),
    ];
    let all = Histograms {
        title: "All dimensions".into(),
        caption: "Densities: each area is 1.".into(),
        series: names(subjects),
        bins: 40,
        wide: true,
        panels: panels.into_iter().flatten().collect(),
        ..Histograms::default()
    };
    let mut blocks = Vec::new();
    if !all.panels.is_empty() {
        blocks.push(all.into());
    }
    blocks.push(marginals(subjects).into());
    blocks
}

/// The eigenvalues by rank.
pub(super) fn spectrum(subjects: &[Subject]) -> Lines {
    let series = |share: bool| {
        subjects
            .iter()
            .map(|subject| {
                let values = &subject.diagnostics.spectrum.eigenvalues;
                let total: f64 = values.iter().sum();
                let mut sum = 0.0;
                let points = values.iter().enumerate().map(|(rank, &value)| {
                    sum += value;
                    let value = if share {
                        100.0 * (1.0 - sum / total).max(0.0)
                    } else {
                        value
                    };
                    ((rank + 1) as f64, value)
                });
                // Below the precision of the data there is nothing to see; zeros have no logarithm.
                let floor = subject.diagnostics.spectrum.floor;
                let shown = values.iter().take_while(|value| **value > floor).count();
                Series {
                    name: subject.name.clone(),
                    points: points.take(shown).filter(|point| point.1 > 0.0).collect(),
                }
            })
            .collect()
    };
    let rank = |subject: &Subject| {
        let rank = subject.diagnostics.spectrum.rankme;
        let of = match subjects {
            [_] => String::new(),
            _ => format!(", {}", short(&subject.name)),
        };
        Mark::At {
            x: rank.max(1.0),
            label: format!("rank {}{of}", fixed(rank, 0)),
        }
    };
    let chart = |title: &str, unit: &str, share| LineChart {
        title: title.into(),
        unit: unit.into(),
        series: series(share),
        marks: match share {
            true => Vec::new(),
            false => subjects.iter().map(rank).collect(),
        },
    };
    let ends = subjects.iter().any(|subject| {
        let spectrum = &subject.diagnostics.spectrum;
        let last = spectrum.eigenvalues.last();
        last.is_some_and(|last| *last <= spectrum.floor)
    });
    Lines {
        title: "Spectrum of the covariance".into(),
        caption: format!(
            "Both axes are logarithmic. A collapsed embedding falls steeply after a few \
             directions; one that uses all directions stays level. Dashed: the effective rank \
             (RankMe).{}",
            match ends {
                true => " Lines end at the precision of the data.",
                false => "",
            }
        ),
        x_label: "rank".into(),
        logarithmic: true,
        charts: vec![
            chart("Variance by direction", "", false),
            chart("Variance beyond this rank", "%", true),
        ],
        ..Lines::default()
    }
}

/// Distances to the 1st neighbour, and to the 100th where there is one, a panel a subject over one
/// axis.
pub(super) fn neighbours(subjects: &[Subject]) -> Histograms {
    let of_all = |subject: &Subject| !subject.diagnostics.neighbours.hundredth.is_empty();
    let shown = if subjects.iter().any(of_all) { 2 } else { 1 };
    let distances = |subject: &Subject| {
        let neighbours = &subject.diagnostics.neighbours;
        [&neighbours.first, &neighbours.hundredth].map(|values| {
            values
                .iter()
                .map(|&value| value as f32)
                .collect::<Vec<f32>>()
        })
    };
    let all: Vec<f32> = subjects
        .iter()
        .flat_map(|s| distances(s).concat())
        .collect();
    let (low, high) = range(all.iter());
    let panels = subjects.iter().map(|subject| {
        let neighbours = &subject.diagnostics.neighbours;
        HistogramPanel {
            title: if subjects.len() > 1 {
                format!("Euclidean distance, {}", subject.name)
            } else {
                "Euclidean distance".into()
            },
            note: neighbours.overlap.map_or(String::new(), |overlap| {
                format!("{:.1} % of the area is shared", 100.0 * overlap)
            }),
            samples: distances(subject)[..shown].to_vec(),
            axis: None,
        }
    });
    Histograms {
        title: match shown {
            1 => "Distance to the 1st neighbour".into(),
            _ => "Distance to the 1st and to the 100th neighbour".into(),
        },
        caption: format!(
            "Of {} rows among all {}.{}",
            subjects[0].diagnostics.neighbours.queries,
            subjects[0].diagnostics.rows,
            match shown {
                1 => "",
                _ => " The less the two overlap, the more isolated the images are (paper, Fig. 3).",
            }
        ),
        x_label: "distance".into(),
        series: ["1st neighbour", "100th neighbour"][..shown]
            .iter()
            .map(|&name| name.into())
            .collect(),
        range: (low, high.max(low + 1e-6)),
        bins: 50,
        wide: true,
        panels: panels.collect(),
        ..Histograms::default()
    }
}
