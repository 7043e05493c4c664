//! Class by class: accuracies with intervals, and pairs that are confused more and less.

use e2mc_eval::{ClassAccuracy, ConfusedPair};

use super::{Images, Judged};
use crate::chart::forest::{Forest, ForestPanel, ForestRow};
use crate::number::{fixed, signed};
use crate::page::Block;
use crate::table::{Cell, Column, Table};
use crate::text::capital;

/// Classes of a chart at either end; a table has more.
const CHARTED: usize = 12;
const LISTED: usize = 30;
/// Pairs of classes in each table.
const PAIRS: usize = 8;

/// The blocks; none without answers.
pub(super) fn blocks(images: &Images) -> Vec<Block> {
    images
        .judged
        .iter()
        .flat_map(|judged| of(images, judged))
        .collect()
}

fn of(images: &Images, judged: &Judged) -> Vec<Block> {
    let Ok(classes) = judged.answers.by_class() else {
        return Vec::new();
    };
    if classes.is_empty() {
        return Vec::new();
    }
    let alone = judged.answers.second.is_empty();
    let (first, second) = (images.short(0), images.short(judged.model));
    let mut blocks = Vec::new();
    if !alone {
        let row = |at: usize| {
            let class = &classes[at];
            let (low, high) = class.interval;
            ForestRow {
                name: images.class(class.class),
                value: 100.0 * class.change(),
                interval: (100.0 * low, 100.0 * high),
                found: low > 0.0 || high < 0.0,
            }
        };
        let shown = ends(classes.len(), CHARTED);
        let forest = Forest {
            title: format!("Accuracy by class over {first}"),
            caption: format!(
                "By {}: {} {}, sorted{}. Intervals hold for all classes at once in 95 of \
                 100 cases.",
                judged.line,
                fixed(judged.answers.labels.len() as f64, 0),
                images.judged_ones(),
                left_out(classes.len(), shown.len())
            ),
            unit: "points".into(),
            decimals: 1,
            panels: vec![ForestPanel {
                title: images.name(judged.model).to_owned(),
                rows: shown.into_iter().map(row).collect(),
            }],
        };
        blocks.push(forest.into());
    }
    blocks.push(Block::Table(table(
        images,
        judged,
        &classes,
        (first, second),
    )));
    let pairs = judged.answers.confused();
    let names = (first, second);
    let table = |title: String, pairs: Vec<&ConfusedPair>| {
        (!pairs.is_empty()).then(|| Block::Table(confused(images, judged, title, &pairs, names)))
    };
    if alone {
        let most = pairs.iter().take(PAIRS).collect();
        blocks.extend(table("Pairs of classes confused most".into(), most));
    } else {
        let change = |pair: &&ConfusedPair| pair.second - pair.first;
        let less = pairs.iter().rev().filter(|pair| change(pair) < 0.0);
        let more = pairs.iter().filter(|pair| change(pair) > 0.0);
        let title = |word: &str| format!("Pairs of classes confused {word} by {second}");
        blocks.extend(table(title("less"), less.take(PAIRS).collect()));
        blocks.extend(table(title("more"), more.take(PAIRS).collect()));
    }
    blocks
}

/// The first and the last `each` of `count`, in order.
fn ends(count: usize, each: usize) -> Vec<usize> {
    let last = count.saturating_sub(each).max(each.min(count));
    (0..each.min(count)).chain(last..count).collect()
}

fn left_out(count: usize, shown: usize) -> String {
    match count - shown {
        0 => String::new(),
        missing => format!("; {missing} of {count} classes in between are left out"),
    }
}

fn column(name: &str, decimals: usize) -> Column {
    Column {
        name: name.to_owned(),
        decimals,
        ..Column::default()
    }
}

fn table(
    images: &Images,
    judged: &Judged,
    classes: &[ClassAccuracy],
    (first, second): (&str, &str),
) -> Table {
    let alone = judged.answers.second.is_empty();
    let shown = ends(classes.len(), LISTED);
    let interval = |(low, high): (f64, f64)| match alone {
        true => format!("{} to {}", fixed(100.0 * low, 1), fixed(100.0 * high, 1)),
        false => format!("{} to {}", signed(100.0 * low, 1), signed(100.0 * high, 1)),
    };
    let mut columns = vec![
        column("Class", 0),
        column(&capital(&images.things()), 0),
        column(&format!("{first}, %"), 1),
    ];
    if !alone {
        columns.extend([column(&format!("{second}, %"), 1), column("Difference", 1)]);
    }
    columns.push(column("Interval", 1));
    let rows = shown.iter().map(|&at| {
        let class = &classes[at];
        let mut cells = vec![
            Cell::Text(plain(images.class(class.class))),
            Cell::Number(class.rows as f64),
            Cell::Number(100.0 * class.first),
        ];
        if let Some(second) = class.second {
            cells.push(Cell::Number(100.0 * second));
            cells.push(Cell::Words(signed(100.0 * class.change(), 1)));
        }
        cells.push(Cell::Words(interval(class.interval)));
        cells
    });
    let kind = match alone {
        true => "Intervals are Wilson's at 95 %, class by class.",
        false => {
            "Intervals are of the difference, and hold for all classes at once in 95 of 100 cases."
        }
    };
    Table {
        caption: "Accuracy by class".into(),
        columns,
        rows: rows.collect(),
        note: format!(
            "By {}{}. {} {kind}",
            judged.line,
            left_out(classes.len(), shown.len()),
            in_all(classes, (first, second))
        ),
    }
}

/// The share that is right over all classes.
fn in_all(classes: &[ClassAccuracy], (first, second): (&str, &str)) -> String {
    let rows = classes.iter().map(|class| class.rows as f64).sum::<f64>();
    let share = |right: &dyn Fn(&ClassAccuracy) -> f64| {
        let right = classes.iter().map(|class| class.rows as f64 * right(class));
        fixed(100.0 * right.sum::<f64>() / rows.max(1.0), 1)
    };
    let own = share(&|class| class.first);
    match classes.iter().any(|class| class.second.is_some()) {
        false => format!("Over all classes {own} % are right."),
        true => format!(
            "Over all classes {own} % are right with {first}, {} % with {second}.",
            share(&|class| class.second.unwrap_or(class.first))
        ),
    }
}

fn confused(
    images: &Images,
    judged: &Judged,
    caption: String,
    pairs: &[&ConfusedPair],
    (first, second): (&str, &str),
) -> Table {
    let alone = judged.answers.second.is_empty();
    // One fit counts whole images; the mean of several need not be whole.
    let decimals = usize::from(judged.answers.each() > 1);
    let counts = |name: &str| Column {
        group: capital(&images.things()),
        ..column(name, decimals)
    };
    let mut columns = vec![column("Class", 0), column("Taken for", 0), counts(first)];
    if !alone {
        columns.extend([counts(second), counts("Change")]);
    }
    let rows = pairs.iter().map(|pair| {
        let mut cells = vec![
            Cell::Text(plain(images.class(pair.class))),
            Cell::Text(plain(images.class(pair.taken_for))),
            Cell::Number(pair.first),
        ];
        if !alone {
            cells.push(Cell::Number(pair.second));
            cells.push(Cell::Words(signed(pair.second - pair.first, decimals)));
        }
        cells
    });
    Table {
        caption,
        columns,
        rows: rows.collect(),
        note: format!(
            "{}, {}, by {}. Counts have no interval.",
            capital(&images.judged_ones()),
            match judged.answers.each() {
                1 => "counted once".to_owned(),
                fits => format!("mean of {fits} fits"),
            },
            judged.line
        ),
    }
}

/// A name that sets no code.
fn plain(name: String) -> String {
    name.replace('`', "'")
}

#[cfg(test)]
mod tests {
    use super::ends;

    #[test]
    fn both_ends_are_shown_and_none_twice() {
        assert_eq!(ends(5, 3), [0, 1, 2, 3, 4]);
        assert_eq!(ends(10, 3), [0, 1, 2, 7, 8, 9]);
        assert_eq!(ends(6, 3), [0, 1, 2, 3, 4, 5]);
        assert!(ends(0, 3).is_empty());
    }
}
