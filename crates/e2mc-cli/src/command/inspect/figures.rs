//! The charts and the table of `inspect`, for one subject or for before and after.

use e2mc_eval::diagnostics::{Pair, unit_square};

use super::{Subject, summary};
use crate::report::{
    Block, Cell, Column, HistogramPanel, Histograms, LineChart, Lines, Reference, Scatter,
    ScatterPanel, Series, Table,
};

/// Dimensions whose marginals are drawn.
const MARGINALS: usize = 8;
/// Pairs of each kind that are drawn.
const PAIRS: usize = 2;

fn names(subjects: &[Subject]) -> Vec<String> {
    subjects.iter().map(|subject| subject.name.clone()).collect()
}

/// All figures in numbers.
pub(super) fn table(subjects: &[Subject]) -> Table {
    let columns: Vec<_> = subjects.iter().map(summary::figures).collect();
    let heading = |name: String| Column {
        name,
        ..Column::default()
    };
    let rows = columns[0].iter().enumerate().map(|(index, (name, ..))| {
        let cells = columns.iter().map(|column| {
            let (_, _, value, decimals) = column[index];
            value.map_or(Cell::Missing, |value| Cell::Text(crate::report::fixed(value, decimals)))
        });
        std::iter::once(Cell::Text((*name).to_owned())).chain(cells).collect()
    });
    Table {
        caption: "In numbers".into(),
        columns: std::iter::once(heading("Quantity".into()))
            .chain(names(subjects).into_iter().map(heading))
            .collect(),
        rows: rows.collect(),
        note: "What each is, and where it comes from, is in the project's `docs/diagnostics.md`.".into(),
    }
}

/// How a quantity is spread over the dimensions.
fn spread(
    title: &str,
    x_label: &str,
    subjects: &[Subject],
    values: impl Fn(&Subject) -> Vec<f32>,
) -> Option<Histograms> {
    let samples: Vec<Vec<f32>> = subjects.iter().map(values).collect();
    let all = || samples.iter().flatten().copied().map(f64::from);
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    (low < high).then(|| Histograms {
        title: title.into(),
        x_label: x_label.into(),
        series: names(subjects),
        range: (low, high),
        bins: 40,
        wide: true,
        panels: vec![HistogramPanel {
            title: x_label.into(),
            note: String::new(),
            samples,
        }],
        ..Histograms::default()
    })
}

/// Entropies, deviations and single marginals.
pub(super) fn dimensions(subjects: &[Subject]) -> Vec<Block> {
    let entropy = spread(
        "Marginal entropy of the dimensions",
        "marginal entropy, nats",
        subjects,
        |subject| subject.diagnostics.marginals.entropy.clone(),
    );
    let deviation = spread(
        "Standard deviation of the dimensions",
        "standard deviation, before the transform",
        subjects,
        |subject| {
            let deviation = &subject.diagnostics.dimensions.deviation;
            deviation.iter().map(|&value| value as f32).collect()
        },
    );
    let mut blocks: Vec<Block> = entropy.into_iter().chain(deviation).map(Block::Histograms).collect();
    blocks.push(Block::Histograms(marginals(subjects)));
    blocks
}

/// Marginal distributions of a few dimensions, evenly in rank of the first subject's entropy.
fn marginals(subjects: &[Subject]) -> Histograms {
    let order = subjects[0].diagnostics.marginals.by_entropy();
    let shown = MARGINALS.min(order.len());
    let chosen = (0..shown).map(|i| order[i * (order.len() - 1) / (shown - 1).max(1)]);
    let panels = chosen.map(|dimension| {
        let entropies: Vec<String> = subjects
            .iter()
            .map(|subject| format!("{:.2}", subject.diagnostics.marginals.entropy[dimension]))
            .collect();
        HistogramPanel {
            title: format!("Dimension {dimension}"),
            note: format!("entropy {} nats", entropies.join(" → ").replace('-', "−")),
            samples: subjects.iter().map(|subject| column(subject, dimension)).collect(),
        }
    });
    Histograms {
        title: "Marginal distributions of single dimensions".into(),
        caption: "After the transform to the unit interval, from the least to the most uniform dimension, evenly in rank."
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
    rows.map(|row| subject.transform.value(row[dimension])).collect()
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
                    let value = if share { 100.0 * (1.0 - sum / total).max(0.0) } else { value };
                    ((rank + 1) as f64, value)
                });
                Series {
                    name: subject.name.clone(),
                    // Zeros have no logarithm, and are not gaps either.
                    points: points.filter(|point| point.1 > 0.0).collect(),
                }
            })
            .collect()
    };
    let chart = |title: &str, unit: &str, share| LineChart {
        title: title.into(),
        unit: unit.into(),
        series: series(share),
        marks: Vec::new(),
    };
    Lines {
        title: "Spectrum of the covariance".into(),
        caption: "Both axes in powers of ten. A collapsed embedding falls steeply after a few directions; one that uses all \
                  its directions stays level."
            .into(),
        x_label: "rank".into(),
        logarithmic: true,
        charts: vec![
            chart("Variance by direction", "", false),
            chart("Variance beyond this rank", "%", true),
        ],
        ..Lines::default()
    }
}

/// Distances to the 1st and the 100th neighbour, a panel a subject over one axis.
pub(super) fn neighbours(subjects: &[Subject]) -> Histograms {
    let distances = |subject: &Subject| {
        let neighbours = &subject.diagnostics.neighbours;
        [&neighbours.first, &neighbours.hundredth]
            .map(|values| values.iter().map(|&value| value as f32).collect::<Vec<f32>>())
    };
    let all: Vec<f32> = subjects.iter().flat_map(|s| distances(s).concat()).collect();
    let low = all.iter().copied().fold(f32::INFINITY, f32::min);
    let high = all.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let panels = subjects.iter().map(|subject| {
        let neighbours = &subject.diagnostics.neighbours;
        HistogramPanel {
            title: if subjects.len() > 1 {
                subject.name.clone()
            } else {
                "Euclidean distance".into()
            },
            note: neighbours.overlap.map_or(String::new(), |overlap| {
                format!("{:.1} % of the area is shared", 100.0 * overlap)
            }),
            samples: distances(subject).to_vec(),
        }
    });
    Histograms {
        title: "Distance to the 1st and to the 100th neighbour".into(),
        caption: format!(
            "Of {} rows among all {}. The less the two share, the more single images stand apart (paper, Fig. 3).",
            subjects[0].diagnostics.neighbours.queries, subjects[0].diagnostics.rows
        ),
        x_label: "distance".into(),
        series: vec!["1st neighbour".into(), "100th neighbour".into()],
        range: (low.into(), f64::from(high).max(f64::from(low) + 1e-6)),
        bins: 50,
        wide: true,
        panels: panels.collect(),
        ..Histograms::default()
    }
}

/// Pairs of dimensions: nearest to and farthest from uniform, and the most dependent ones.
pub(super) fn pairs(subjects: &[Subject]) -> Vec<Block> {
    let last = subjects.last().expect("at least one subject");
    let (Some(first), Some(pairs)) = (&subjects[0].diagnostics.pairs, &last.diagnostics.pairs) else {
        return Vec::new();
    };
    let kinds = [
        ("Farthest from uniform", &first.least_uniform),
        ("Nearest to uniform", &pairs.most_uniform),
        ("Most dependent", &pairs.most_dependent),
        ("Most dependent of the uncorrelated", &pairs.most_hidden),
    ];
    let mut blocks = Vec::new();
    for (title, list) in kinds {
        if list.is_empty() {
            continue;
        }
        let panels: Vec<ScatterPanel> = list
            .iter()
            .take(PAIRS)
            .flat_map(|pair| subjects.iter().map(move |subject| panel(pair, subject, subjects)))
            .collect();
        blocks.push(Block::Scatter(Scatter {
            title: title.into(),
            caption: String::new(),
            panels,
        }));
    }
    if let Some(Block::Scatter(scatter)) = blocks.last_mut() {
        scatter.caption = if subjects.len() > 1 {
            "Each pair before and after; a point keeps the colour of its place before. The numbers are of the subject whose \
             list names the pair."
        } else {
            "Colours are places in the first panel's square of each pair."
        }
        .into();
        if subjects.len() == 1 {
            scatter.caption.clear();
        }
    }
    blocks
}

fn panel(pair: &Pair, subject: &Subject, subjects: &[Subject]) -> ScatterPanel {
    let place = |subject: &Subject| {
        unit_square(subject.picture.view(), pair.first, pair.second, subject.transform)
    };
    let title = format!("Dimension {} over {}", pair.second, pair.first);
    let figures = format!(
        "{:.2} nats from uniform, {:.2} shared, correlation {:.2}",
        pair.divergence, pair.mutual_information, pair.correlation
    );
    ScatterPanel {
        title: match subjects {
            [_, _] => format!("{title}, {}", if std::ptr::eq(subject, &subjects[0]) { "before" } else { "after" }),
            _ => title,
        },
        note: figures.replace('-', "−"),
        x_label: format!("dimension {}", pair.first),
        points: place(subject),
        coloured_by: if subjects.len() > 1 { place(&subjects[0]) } else { Vec::new() },
    }
}
