//! Which images are shown with their neighbours.
//!
//! Chooses the images whose neighbours changed most between two models, in both directions, and a
//! fixed sample. The page labels both kinds, because the first alone would mislead.

use e2mc_eval::Answers;
use e2mc_eval::diagnostics::{Asked, Surroundings};

use super::{Judged, Model, Set};

/// Neighbours that are shown of each image.
pub(super) const SHOWN: usize = 6;
/// Images of each kind.
const EACH: usize = 4;

/// Images chosen for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) kind: Kind,
    pub(super) rows: Vec<usize>,
    /// Images that they were chosen among.
    pub(super) among: usize,
}

/// Why images were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The last model has more neighbours of the image's class than the first.
    More,
    /// It has fewer.
    Fewer,
    /// The last model has other neighbours than the first; classes are not known.
    Other,
    /// A single model has fewest neighbours of the image's class.
    Wrong,
    /// Evenly drawn.
    Drawn,
}

/// An image that asked, by its row, and the set of its neighbours.
pub(super) fn asked(surroundings: &Surroundings, row: usize) -> Option<(&Asked, Set)> {
    let set = match surroundings.within {
        true => Set::Test,
        false => Set::Train,
    };
    let asked = surroundings.asked.iter().find(|asked| asked.row == row)?;
    Some((asked, set))
}

/// The images that are shown, those with a reason first.
pub(super) fn groups(models: &[Model]) -> Vec<Group> {
    let known: Vec<&Surroundings> = models
        .iter()
        .filter_map(|m| m.surroundings.as_ref())
        .collect();
    let (Some(&first), Some(&last)) = (known.first(), known.last()) else {
        return Vec::new();
    };
    // Only images that all have looked at can be shown beside each other.
    let rows: Vec<usize> = first
        .asked
        .iter()
        .map(|asked| asked.row)
        .filter(|&row| known.iter().all(|s| asked(s, row).is_some()))
        .collect();
    let of =
        |surroundings: &Surroundings, row| asked(surroundings, row).map(|(found, _)| found.clone());
    let right = |surroundings: &Surroundings, row| of(surroundings, row)?.right();
    let mut groups: Vec<(Kind, Vec<usize>)> = Vec::new();
    // The rows of greatest positive rank, greatest first.
    let best = |rank: &dyn Fn(usize) -> i64| -> Vec<usize> {
        let mut ranked: Vec<(i64, usize)> = rows.iter().map(|&row| (rank(row), row)).collect();
        ranked.retain(|(rank, _)| *rank > 0);
        ranked.sort_by_key(|&(rank, row)| (-rank, row));
        ranked.iter().take(EACH).map(|(_, row)| *row).collect()
    };
    let labelled = rows
        .iter()
        .all(|&row| right(first, row).is_some() && right(last, row).is_some());
    let count = |s: &Surroundings, row| right(s, row).unwrap_or(0) as i64;
    match (known.len() > 1, labelled) {
        (true, true) => {
            groups.push((
                Kind::More,
                best(&|row| count(last, row) - count(first, row)),
            ));
            groups.push((
                Kind::Fewer,
                best(&|row| count(first, row) - count(last, row)),
            ));
        }
        (true, false) => {
            let others = |row| {
                let near =
                    |s: &Surroundings| of(s, row).map_or_else(Vec::new, |asked| asked.nearest);
                let (before, after) = (near(first), near(last));
                after.iter().filter(|near| !before.contains(near)).count() as i64
            };
            groups.push((Kind::Other, best(&others)));
        }
        (false, true) => {
            let wrong =
                |row| of(first, row).map_or(0, |a| a.nearest.len() as i64) - count(first, row);
            groups.push((Kind::Wrong, best(&wrong)));
        }
        (false, false) => {}
    }
    let chosen: Vec<usize> = groups.iter().flat_map(|(_, rows)| rows.clone()).collect();
    let others: Vec<usize> = rows
        .iter()
        .copied()
        .filter(|row| !chosen.contains(row))
        .collect();
    let step = others.len().div_ceil(EACH).max(1);
    groups.push((Kind::Drawn, others.iter().copied().step_by(step).collect()));
    let groups = groups.into_iter().filter(|(_, rows)| !rows.is_empty());
    let group = |(kind, chosen)| Group {
        kind,
        rows: chosen,
        among: rows.len(),
    };
    groups.map(group).collect()
}

/// What the neighbours of each model say: their most frequent class, of equals that of the nearest.
/// Nothing where a class is not known, or models did not look at the same images.
pub(super) fn votes(models: &[Model]) -> Vec<Judged> {
    let known = |model: &Model| -> Option<(Vec<usize>, Vec<usize>, Vec<usize>)> {
        let asked = &model.surroundings.as_ref()?.asked;
        let labels: Option<Vec<usize>> = asked.iter().map(|asked| asked.class).collect();
        let said: Option<Vec<usize>> = asked.iter().map(vote).collect();
        Some((
            asked.iter().map(|asked| asked.row).collect(),
            labels?,
            said?,
        ))
    };
    let Some((rows, labels, first)) = models.first().and_then(known) else {
        return Vec::new();
    };
    let judged = |model: usize, second: Vec<Vec<usize>>| Judged {
        model,
        line: majority(models),
        answers: Answers {
            labels: labels.clone(),
            first: vec![first.clone()],
            second,
        },
        rows: rows.clone(),
    };
    let others = models.iter().enumerate().skip(1).filter_map(|(at, model)| {
        let (other_rows, other_labels, second) = known(model)?;
        let same = other_rows == rows && other_labels == labels;
        same.then(|| judged(at, vec![second]))
    });
    let others: Vec<Judged> = others.collect();
    match others.is_empty() {
        true => vec![judged(0, Vec::new())],
        false => others,
    }
}

/// Who votes: how many neighbours, and among which images.
fn majority(models: &[Model]) -> String {
    let known = models
        .iter()
        .filter_map(|model| model.surroundings.as_ref());
    let asked = known.clone().flat_map(|surroundings| &surroundings.asked);
    let count = asked.map(|asked| asked.nearest.len()).max().unwrap_or(0);
    let within = known.into_iter().any(|surroundings| surroundings.within);
    let among = match within {
        true => "all other images here",
        false => "the training images",
    };
    format!("the majority of the {count} nearest among {among}")
}

fn vote(asked: &Asked) -> Option<usize> {
    let classes: Option<Vec<usize>> = asked.nearest.iter().map(|(_, class)| *class).collect();
    let classes = classes?;
    let count = |class: &usize| classes.iter().filter(|other| *other == class).count();
    let best = classes.iter().map(count).max()?;
    classes.iter().copied().find(|class| count(class) == best)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model whose images have so many right neighbours of four.
    fn model(right: &[usize], labelled: bool) -> Model {
        let asked = right.iter().enumerate().map(|(row, &right)| Asked {
            row,
            class: labelled.then_some(0),
            nearest: (0..4)
                .map(|at| {
                    (
                        10 * right + at,
                        labelled.then_some(usize::from(at >= right)),
                    )
                })
                .collect(),
        });
        Model {
            surroundings: Some(Surroundings {
                placed: Vec::new(),
                shares: [0.0; 2],
                asked: asked.collect(),
                within: true,
            }),
            ..Model::default()
        }
    }

    #[test]
    fn changes_in_both_directions_come_before_what_nobody_chose() {
        let before = model(&[0, 4, 2, 1, 3, 2, 2, 2, 2, 2], true);
        let after = model(&[3, 1, 2, 4, 2, 2, 2, 2, 2, 2], true);
        let found = groups(&[before, Model::default(), after]);
        let kinds: Vec<Kind> = found.iter().map(|group| group.kind).collect();
        assert_eq!(kinds, [Kind::More, Kind::Fewer, Kind::Drawn]);
        assert_eq!(found[0].rows, [0, 3]);
        assert_eq!(found[1].rows, [1, 4]);
        assert_eq!((&found[2].rows[..], found[2].among), (&[2, 6, 8][..], 10));
    }

    #[test]
    fn the_majority_of_the_neighbours_answers() {
        // The number of the four neighbours of class 0; at two and two, the nearest decides.
        let judged = votes(&[model(&[4, 1, 2], true), model(&[0, 3, 1], true)]);
        assert_eq!(judged[0].answers.first, [[0, 1, 0]]);
        assert_eq!(judged[0].answers.second, [[1, 0, 1]]);
        assert_eq!((judged[0].model, &judged[0].rows[..]), (1, &[0, 1, 2][..]));
        assert!(votes(&[model(&[1], true)])[0].answers.second.is_empty());
        assert!(votes(&[model(&[1], false)]).is_empty());
    }

    #[test]
    fn one_model_shows_its_worst_and_unlabelled_ones_what_is_new() {
        let found = groups(&[model(&[4, 1, 4], true)]);
        assert_eq!((found[0].kind, &found[0].rows[..]), (Kind::Wrong, &[1][..]));
        let found = groups(&[model(&[1, 1, 1], false), model(&[1, 2, 1], false)]);
        assert_eq!((found[0].kind, &found[0].rows[..]), (Kind::Other, &[1][..]));
        assert_eq!(found[1].rows, [0, 2]);
        assert!(groups(&[Model::default()]).is_empty());
        let other = model(&[1, 1], true);
        let fewer = groups(&[model(&[1, 2, 3], true), other]);
        assert_eq!(fewer[0].among, 2, "only what both looked at");
    }
}
