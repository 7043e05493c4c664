//! Image by image: those gained and lost, neighbours, and the map.

use std::collections::BTreeMap;

use e2mc_eval::{Answers, Example};

use super::choose::{self, Group, Kind, SHOWN};
use super::{ImageId, Images, Judged, Set};
use crate::chart::map::{Map, MapPanel, MapPoint};
use crate::examples::{ExampleCard, Examples, Said};
use crate::number::fixed;
use crate::page::Block;
use crate::strips::{StripQuery, StripRow, Strips};
use crate::text::capital;
use crate::verdict::Finding;

/// Images of each list.
const CARDS: usize = 16;

/// A list of examples: how many there are, and those that are shown.
pub(super) type Chosen = (usize, Vec<Example>);

/// Gained and lost of two models, mistaken of one; the clearest of each.
pub(super) fn chosen(answers: &Answers) -> Vec<Chosen> {
    let lists = match answers.second.is_empty() {
        true => vec![answers.mistaken()],
        false => vec![answers.gained(), answers.lost()],
    };
    let first = |mut list: Vec<Example>| {
        let count = list.len();
        list = over_classes(list);
        list.truncate(CARDS);
        (count, list)
    };
    lists.into_iter().map(first).collect()
}

/// The first of each class, then the second of each, and so on, so that the head of the list is of
/// many classes; those that come first in the list stay first.
fn over_classes(list: Vec<Example>) -> Vec<Example> {
    let mut met: BTreeMap<usize, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, Example)> = (list.into_iter())
        .map(|example| {
            let before = met.entry(example.class).or_default();
            *before += 1;
            (*before, example)
        })
        .collect();
    // Of equal rank, the order of the list is kept.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, example)| example).collect()
}

/// The blocks; none if nothing is known of single images.
pub(super) fn blocks(images: &Images) -> Vec<Block> {
    let mut blocks: Vec<Block> = images
        .judged
        .iter()
        .flat_map(|judged| examples(images, judged))
        .collect();
    let groups = choose::groups(&images.models);
    blocks.extend(
        groups
            .iter()
            .map(|group| Block::Strips(strips(images, group))),
    );
    blocks.extend(map(images));
    blocks
}

/// How many images were gained and lost.
pub(super) fn finding(images: &Images, judged: &Judged) -> Finding {
    let (gained, lost) = (judged.answers.gained().len(), judged.answers.lost().len());
    Finding::note(format!(
        "By {}: of {} {} {} gets {} right more often than {}, and {} less often.",
        judged.line,
        fixed(judged.answers.labels.len() as f64, 0),
        images.judged_ones(),
        images.short(judged.model),
        fixed(gained as f64, 0),
        images.short(0),
        fixed(lost as f64, 0)
    ))
}

fn examples(images: &Images, judged: &Judged) -> Vec<Block> {
    let (first, second) = (images.short(0), images.short(judged.model));
    let things = images.things();
    let titles = match judged.answers.second.is_empty() {
        true => vec![format!("{} that {first} gets wrong", capital(&things))],
        false => vec![
            format!("Gained: {things} that {second} gets right and {first} gets wrong"),
            format!("Lost: {things} that {first} gets right and {second} gets wrong"),
        ],
    };
    let each = judged.answers.each();
    let often = |right: usize, says: usize, class: usize| {
        let words = match right {
            _ if each < 2 => String::new(),
            right => format!(" (right {right} of {each})"),
        };
        (format!("{}{words}", images.class(says)), says == class)
    };
    let card = |example: &Example| {
        let said = |model: usize, right: usize, says: usize| {
            let (words, right) = often(right, says, example.class);
            Said {
                model: images.name(model).to_owned(),
                words,
                right,
            }
        };
        let mut all = vec![said(0, example.first_right, example.first_says)];
        let second = example.second_says;
        all.extend(second.map(|says| said(judged.model, example.second_right, says)));
        let id = ImageId {
            set: Set::Test,
            row: judged.row(example.row),
        };
        ExampleCard {
            shot: images.shot(id, Some(example.class)),
            said: all,
        }
    };
    let lists = titles.into_iter().zip(chosen(&judged.answers));
    let block = |(title, (count, list)): (String, Chosen)| {
        (count > 0).then(|| {
            Block::Examples(Examples {
                title,
                caption: format!(
                    "{} of {}, from all classes in turn, {}; by {}.",
                    list.len(),
                    fixed(count as f64, 0),
                    match each {
                        1 => "in the order of the data",
                        _ => "the clearest first: what most of the fits say",
                    },
                    judged.line
                ),
                cards: list.iter().map(card).collect(),
            })
        })
    };
    lists.filter_map(block).collect()
}

fn strips(images: &Images, group: &Group) -> Strips {
    let known = |index: &usize| images.models[*index].surroundings.is_some();
    let models: Vec<usize> = (0..images.models.len()).filter(known).collect();
    let name = |at: Option<&usize>| at.map_or("", |&model| images.short(model));
    let (first, last) = (name(models.first()), name(models.last()));
    let (title, how) = match group.kind {
        Kind::More => (
            format!("Neighbours: more of the same class in {last}"),
            "those with the greatest rise",
        ),
        Kind::Fewer => (
            format!("Neighbours: fewer of the same class in {last}"),
            "those with the greatest fall",
        ),
        Kind::Other => (
            format!("Neighbours: others in {last} than in {first}"),
            "those with the most new neighbours",
        ),
        Kind::Wrong => (
            "Neighbours: of other classes".to_owned(),
            "those with the fewest of their class",
        ),
        Kind::Drawn => (
            format!("Neighbours of a fixed sample of {}", images.things()),
            "evenly drawn",
        ),
    };
    let query = |&row: &usize| {
        let mut class = None;
        let row_of = |&model: &usize| {
            let surroundings = images.models[model].surroundings.as_ref()?;
            let (asked, set) = choose::asked(surroundings, row)?;
            class = asked.class;
            let near = asked.nearest.iter().take(SHOWN).map(|&(row, of)| {
                let right = asked.class.zip(of).map(|(own, other)| own == other);
                (images.shot(ImageId { set, row }, of), right)
            });
            let note = asked
                .right()
                .map(|right| format!("{right} of {} of the class", asked.nearest.len()));
            Some(StripRow {
                model: images.name(model).to_owned(),
                note: note.unwrap_or_default(),
                near: near.collect(),
            })
        };
        let rows = models.iter().filter_map(row_of).collect();
        let id = ImageId {
            set: Set::Test,
            row,
        };
        StripQuery {
            shot: images.shot(id, class),
            rows,
        }
    };
    let within = images.models.iter().filter_map(|m| m.surroundings.as_ref());
    let among = match within.into_iter().any(|surroundings| surroundings.within) {
        true => format!("all other {}", images.things()),
        false => format!("the training {}", images.things()),
    };
    Strips {
        title,
        caption: format!(
            "{} of {} {} that were looked at, {how}. Each with its nearest among {among}, by \
             cosine similarity, the nearest first.",
            group.rows.len(),
            group.among,
            images.things()
        ),
        queries: group.rows.iter().map(query).collect(),
    }
}

/// The map of all models that have one; later ones are turned towards the first.
fn map(images: &Images) -> Option<Block> {
    let mut first: Option<Vec<[f32; 2]>> = None;
    let mut panels = Vec::new();
    for model in &images.models {
        let Some(surroundings) = &model.surroundings else {
            continue;
        };
        let mut places: Vec<[f32; 2]> = surroundings.placed.iter().map(|p| p.place).collect();
        match &first {
            None => first = Some(places.clone()),
            Some(first) => e2mc_eval::diagnostics::turned(&mut places, first),
        }
        let points = surroundings
            .placed
            .iter()
            .zip(places)
            .map(|(placed, place)| {
                let id = ImageId {
                    set: Set::Test,
                    row: placed.row,
                };
                MapPoint {
                    place,
                    class: placed.class,
                    shot: images.shot(id, placed.class),
                }
            });
        panels.push(MapPanel {
            title: model.name.clone(),
            note: format!(
                "{} % of the variance lies in this plane",
                fixed(100.0 * surroundings.shares.iter().sum::<f64>(), 0)
            ),
            points: points.collect(),
        });
    }
    let several = panels.len() > 1;
    (!panels.is_empty()).then(|| {
        let map = Map {
            title: format!("A map of the {}", images.things()),
            caption: format!(
                "Principal components: the plane of the greatest variance, which leaves out the \
                 rest.{} Under the pointer a point says what it is; the arrow keys go through \
                 all.",
                match several {
                    true =>
                        " Later maps are turned towards the first; the same point is marked in \
                        all.",
                    false => "",
                }
            ),
            classes: images.classes.clone(),
            panels,
        };
        map.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_of_many_classes_and_keeps_the_order_within_each() {
        let example = |(row, class)| Example {
            row,
            class,
            first_right: 0,
            second_right: 0,
            first_says: 9,
            second_says: None,
        };
        let list = [(0, 4), (1, 4), (2, 4), (5, 2), (6, 2), (9, 7)].map(example);
        let rows = over_classes(list.to_vec());
        let rows: Vec<usize> = rows.iter().map(|example| example.row).collect();
        assert_eq!(rows, [0, 5, 9, 1, 6, 2]);
    }
}
