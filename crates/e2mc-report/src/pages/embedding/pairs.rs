//! Pairs of dimensions as points in the unit square.

use e2mc_eval::diagnostics::{Pair, unit_square};

use super::{Subject, short};
use crate::chart::scatter::{Scatter, ScatterPanel};
use crate::number::fixed;
use crate::page::Block;

/// Panels of each kind of pairs that are drawn, about.
const PAIRS: usize = 4;

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
        let pairs = list.iter().take((PAIRS / subjects.len()).max(1));
        let panels: Vec<ScatterPanel> = pairs
            .flat_map(|pair| {
                (0..subjects.len()).map(move |shown| panel(pair, shown, owner, subjects))
            })
            .collect();
        if !panels.is_empty() {
            let caption = format!(
                "A point has the same colour in both panels, given by its ranks in the two \
                 dimensions {}.",
                when(subjects, 0)
            );
            let scatter = Scatter {
                title: match subjects {
                    [_] => title.into(),
                    _ => format!("{title} {}", when(subjects, owner)),
                },
                caption: match subjects {
                    [_] => String::new(),
                    _ => caption,
                },
                panels,
            };
            blocks.push(scatter.into());
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
    let of = match subjects {
        [_] => String::new(),
        _ => format!(", {}", short(&subjects[shown].name)),
    };
    ScatterPanel {
        title: format!("Dim. {} over {}{of}", pair.second, pair.first),
        note: if shown == owner {
            format!(
                "{} nats from uniform, {}, correlation {}",
                fixed(pair.divergence.max(0.0), 2),
                shared(pair.mutual_information),
                fixed(pair.correlation, 2)
            )
        } else {
            "the same rows".into()
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

/// The information that two dimensions share; the estimate is freed of its bias, and scatters around
/// zero for independent ones.
fn shared(information: f64) -> String {
    match information {
        known if known >= 0.005 => format!("{} nats shared", fixed(known, 2)),
        _ => "0 nats shared within the estimate's error".to_owned(),
    }
}

/// `before` of two states of one model, otherwise where a model's name says it: `in base`.
fn when(subjects: &[Subject], index: usize) -> String {
    match short(&subjects[index].name) {
        state @ ("before" | "after") => state.to_owned(),
        name => format!("in {name}"),
    }
}

/// The same points evenly spread along either axis, so that all colours are used wherever they lie;
/// equal ones stay equal.
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
    fn no_pair_shares_less_than_nothing() {
        assert_eq!(shared(1.386), "1.39 nats shared");
        assert_eq!(shared(-0.03), shared(0.001));
        assert!(!shared(-0.03).contains('−'), "{}", shared(-0.03));
    }

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
