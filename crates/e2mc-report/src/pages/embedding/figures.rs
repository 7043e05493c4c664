//! The charts and the table of `inspect`, for one subject or for before and after.

use e2mc_eval::diagnostics::{Pair, unit_square};

use super::{Subject, summary};
use crate::report::{
    Block, Cell, Column, HistogramPanel, Histograms, LineChart, Lines, Reference, Scatter,
    ScatterPanel, Series, Table, fixed,
};

/// Dimensions whose marginals are drawn.
const MARGINALS: usize = 8;
/// Panels of each kind of pairs that are drawn.
const PAIRS: usize = 4;

fn names(subjects: &[Subject]) -> Vec<String> {
    subjects
        .iter()
        .map(|subject| subject.name.clone())
        .collect()
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
            value.map_or(Cell::Missing, |value| Cell::Value { value, decimals })
        });
        std::iter::once(Cell::Text((*name).to_owned()))
            .chain(cells)
            .collect()
    });
    Table {
        caption: "In numbers".into(),
        columns: std::iter::once(heading("Quantity".into()))
            .chain(names(subjects).into_iter().map(heading))
            .collect(),
        rows: rows.collect(),
        note: "What each is, and where it comes from, is in the project's `docs/diagnostics.md`."
            .into(),
    }
}

/// How a quantity is spread over the dimensions; none where all are equal.
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
    vec![
        Block::Histograms(all),
        Block::Histograms(marginals(subjects)),
    ]
}

/// Marginal distributions of a few dimensions, evenly in rank of the first subject's entropy.
fn marginals(subjects: &[Subject]) -> Histograms {
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
        caption: "After the transform to the unit interval, from the least to the most uniform dimension that is not nearly constant, evenly \
                  in rank."
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
            samples: distances(subject).to_vec(),
            axis: None,
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
        range: (low, high.max(low + 1e-6)),
        bins: 50,
        wide: true,
        panels: panels.collect(),
        ..Histograms::default()
    }
}

/// Pairs of dimensions: nearest to and farthest from uniform, and the most dependent ones.
pub(super) fn pairs(subjects: &[Subject]) -> Vec<Block> {
    let last = subjects.last().expect("at least one subject");
    let (Some(first), Some(pairs)) = (&subjects[0].diagnostics.pairs, &last.diagnostics.pairs)
    else {
        return Vec::new();
    };
    // Each list with the subject that it is of.
    let kinds = [
        ("Farthest from uniform", 0, &first.least_uniform),
        (
            "Nearest to uniform",
            subjects.len() - 1,
            &pairs.most_uniform,
        ),
        ("Most dependent", subjects.len() - 1, &pairs.most_dependent),
        (
            "Most dependent of the uncorrelated",
            subjects.len() - 1,
            &pairs.most_hidden,
        ),
    ];
    let mut blocks = Vec::new();
    for (title, owner, list) in kinds {
        let pairs = list.iter().take(PAIRS / subjects.len());
        let panels: Vec<ScatterPanel> = pairs
            .flat_map(|pair| {
                (0..subjects.len()).map(move |shown| panel(pair, shown, owner, subjects))
            })
            .collect();
        if !panels.is_empty() {
            blocks.push(Block::Scatter(Scatter {
                title: match (subjects.len(), owner) {
                    (1, _) => title.into(),
                    (_, 0) => format!("{title} before"),
                    _ => format!("{title} after"),
                },
                caption: if subjects.len() > 1 {
                    "A point keeps the colour that it has before, by its ranks in the two dimensions.".into()
                } else {
                    String::new()
                },
                panels,
            }));
        }
    }
    blocks
}

/// The subject `shown` in the two dimensions of a pair that is named for the subject `owner`.
fn panel(pair: &Pair, shown: usize, owner: usize, subjects: &[Subject]) -> ScatterPanel {
    let place = |subject: &Subject| {
        unit_square(
            subject.picture.view(),
            pair.first,
            pair.second,
            subject.transform,
        )
    };
    let when = match (subjects.len(), shown) {
        (1, _) => "",
        (_, 0) => ", before",
        _ => ", after",
    };
    ScatterPanel {
        title: format!("Dim. {} over {}{when}", pair.second, pair.first),
        note: if shown == owner {
            format!(
                "{} nats from uniform, {} shared, correlation {}",
                fixed(pair.divergence, 2),
                fixed(pair.mutual_information, 2),
                fixed(pair.correlation, 2)
            )
        } else {
            "the same images".into()
        },
        x_label: format!("dimension {}", pair.first),
        points: place(&subjects[shown]),
        coloured_by: if subjects.len() > 1 {
            by_rank(&place(&subjects[0]))
        } else {
            Vec::new()
        },
    }
}

/// The same points evenly spread along either axis, so that all colours are used wherever they lie; equal ones stay equal.
fn by_rank(points: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let mut ranks = vec![[0.0; 2]; points.len()];
    for axis in 0..2 {
        let value = |i: &usize| points[*i][axis];
        let mut order: Vec<usize> = (0..points.len()).collect();
        order.sort_by(|i, j| value(i).total_cmp(&value(j)));
        let mut below = 0;
        for equal in order.chunk_by(|i, j| value(i) == value(j)) {
            let middle = below as f32 + equal.len() as f32 / 2.0;
            for &i in equal {
                ranks[i][axis] = middle / points.len() as f32;
            }
            below += equal.len();
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_spread_evenly_and_keep_equal_values_together() {
        let points = [[0.50, 0.3], [0.51, 0.3], [0.49, 0.3], [0.90, 0.9]];
        assert_eq!(
            by_rank(&points),
            [
                [0.375, 0.375],
                [0.625, 0.375],
                [0.125, 0.375],
                [0.875, 0.875]
            ]
        );
    }
}
