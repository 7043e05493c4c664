//! A run as curves of characters, for a terminal: each character holds two by four dots (Braille).

use std::fmt::Write;

use e2mc_base::duration;
use e2mc_record::RunLog;

use crate::number::significant;
use crate::text::one_line;

/// Rows of characters of a curve.
const HEIGHT: usize = 5;
/// The narrowest curve that says something, in characters.
const NARROWEST: usize = 24;
/// The widest; beyond that there are two beside each other.
const WIDEST: usize = 56;

/// Everything that is known of the run, as text of at most `width` columns.
#[must_use]
pub fn screen(log: &RunLog, width: usize) -> String {
    let mut out = format!("{}\n", head(log));
    let mut curves: Vec<(String, Vec<(f64, f64)>)> =
        vec![("loss".into(), log.by_step(|step| Some(step.loss)))];
    curves.extend(log.terms().into_iter().map(|term| {
        let points = log.term_by_step(&term);
        (term, points)
    }));
    curves.push((
        "held-out k-NN, %".into(),
        log.by_epoch(|epoch| epoch.knn.map(|knn| 100.0 * knn)),
    ));
    curves.push((
        "images/s".into(),
        log.by_step(|step| Some(step.images_per_s)),
    ));
    let known = |points: &[(f64, f64)]| points.iter().filter(|point| point.1.is_finite()).count();
    // One value makes no curve.
    let alone: Vec<String> = (curves.iter())
        .filter(|(_, points)| known(points) == 1)
        .filter_map(|(name, points)| {
            let (_, value) = points.iter().find(|point| point.1.is_finite())?;
            Some(format!(
                "{}  {}, the only value so far",
                one_line(name),
                significant(*value)
            ))
        })
        .collect();
    curves.retain(|(_, points)| known(points) > 1);
    let across = (width / WIDEST).max(1);
    let each = (width / across)
        .saturating_sub(2)
        .clamp(NARROWEST, WIDEST - 2);
    for row in curves.chunks(across) {
        let drawn: Vec<Vec<String>> = row
            .iter()
            .map(|(name, points)| curve(name, points, each))
            .collect();
        for line in 0..drawn[0].len() {
            let cells: Vec<String> = drawn
                .iter()
                .map(|lines| padded(&lines[line], each))
                .collect();
            let _ = writeln!(out, "{}", cells.join("  ").trim_end());
        }
        out.push('\n');
    }
    for line in &alone {
        let _ = writeln!(out, "{line}");
    }
    if curves.is_empty() && alone.is_empty() {
        out.push_str("nothing is logged yet\n");
    }
    out
}

fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

fn head(log: &RunLog) -> String {
    let epochs = log
        .planned_epochs()
        .map_or("?".into(), |epochs| epochs.to_string());
    let now = log.steps.last().map_or(0, |step| step.epoch);
    let state = match &log.end {
        Some(end) => format!("{} after {:.0} s", end.outcome, end.seconds),
        None => match log.time_left() {
            Some(left) => format!("about {} left", duration(left)),
            None => "running, or killed".into(),
        },
    };
    format!(
        "{}  epoch {now}/{epochs}  step {}  {state}\n",
        one_line(&log.name),
        log.step()
    )
}

/// A heading and `HEIGHT` lines of characters, `most` columns each.
fn curve(name: &str, points: &[(f64, f64)], most: usize) -> Vec<String> {
    let finite: Vec<(f64, f64)> = points
        .iter()
        .copied()
        .filter(|p| p.0.is_finite() && p.1.is_finite())
        .collect();
    let last = finite.last().map_or(f64::NAN, |point| point.1);
    let (low, high) = range(finite.iter().map(|point| point.1));
    let (first, end) = range(finite.iter().map(|point| point.0));
    let mut lines = vec![format!("{}  {}", one_line(name), significant(last))];
    let labels = [significant(high), significant(low)];
    let margin = labels
        .iter()
        .map(|label| label.chars().count())
        .max()
        .unwrap_or(0)
        + 1;
    let (columns, rows) = (2 * most.saturating_sub(margin), 4 * HEIGHT);
    let mut dots = vec![0_u8; columns.div_ceil(2) * HEIGHT];
    let at = |value: f64, low: f64, high: f64, count: usize| {
        let share = if high > low {
            (value - low) / (high - low)
        } else {
            0.5
        };
        ((share * count as f64) as usize).min(count.saturating_sub(1))
    };
    let width = columns.div_ceil(2);
    let mut before: Option<(usize, usize)> = None;
    for &(x, y) in &finite {
        let (x, y) = (at(x, first, end, columns), at(y, low, high, rows));
        let (from, mut last) = before.unwrap_or((x, y));
        // A straight line from the point before, upright where it is steep, so that the curve has
        // no holes.
        for column in from..=x {
            let share = if x > from {
                (column - from) as f64 / (x - from) as f64
            } else {
                1.0
            };
            let start = before.map_or(y, |(_, height)| height) as f64;
            let height = (start + share * (y as f64 - start)).round() as usize;
            for dot in last.min(height)..=last.max(height) {
                set(&mut dots, width, column, rows - 1 - dot);
            }
            last = height;
        }
        before = Some((x, y));
    }
    for (row, line) in dots.chunks(width.max(1)).enumerate() {
        let label = match row {
            0 => labels[0].as_str(),
            row if row + 1 == HEIGHT => labels[1].as_str(),
            _ => "",
        };
        let drawn: String = line
            .iter()
            .map(|&bits| char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' '))
            .collect();
        let missing = margin - 1 - label.chars().count();
        lines.push(format!("{}{label} {drawn}", " ".repeat(missing)));
    }
    lines
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// Sets the dot at `x`, `y` from the top left.
fn set(dots: &mut [u8], width: usize, x: usize, y: usize) {
    // How Braille numbers its dots.
    const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
    if let Some(cell) = dots.get_mut(y / 4 * width + x / 2) {
        *cell |= BITS[y % 4][x % 2];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_falling_line_goes_from_the_upper_left_to_the_lower_right() {
        let points: Vec<(f64, f64)> = (0..=100)
            .map(|i| (f64::from(i), f64::from(100 - i)))
            .collect();
        let lines = curve("loss", &points, 30);
        assert_eq!(lines.len(), 1 + HEIGHT);
        assert!(lines[0].starts_with("loss  0"), "{}", lines[0]);
        assert!(lines[1].starts_with("100.0 "), "{}", lines[1]);
        let dots = |line: &str| -> Vec<usize> {
            let drawn = line.chars().skip(6).enumerate();
            drawn
                .filter(|(_, c)| *c != '\u{2800}')
                .map(|(i, _)| i)
                .collect()
        };
        let (top, bottom) = (dots(&lines[1]), dots(&lines[HEIGHT]));
        assert_eq!(top[0], 0);
        assert_eq!(*bottom.last().unwrap(), 23);
        assert!(top.last() < bottom.first());
        assert!(lines.iter().all(|line| line.chars().count() <= 30));
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        let log = RunLog {
            name: "a\u{1b}[2J\nb".to_owned(),
            ..RunLog::default()
        };
        let screen = screen(&log, 80);
        assert!(
            screen.starts_with("a\u{fffd}[2J\u{fffd}b  epoch 0/?"),
            "{screen}"
        );
    }

    #[test]
    fn a_single_value_is_a_line_and_no_chart() {
        let log = RunLog {
            epochs: vec![e2mc_record::Epoch {
                knn: Some(0.5882),
                ..e2mc_record::Epoch::default()
            }],
            ..RunLog::default()
        };
        let screen = screen(&log, 80);
        assert!(
            screen.contains("held-out k-NN, %  58.82, the only value so far\n"),
            "{screen}"
        );
        assert_eq!(screen.trim_end().lines().count(), 3, "{screen}");
    }

    #[test]
    fn points_far_apart_are_joined() {
        let lines = curve("x", &[(0.0, 0.0), (1.0, 3.0), (2.0, 0.0)], 40);
        for column in 6..40 {
            let drawn = lines[1..]
                .iter()
                .filter_map(|line| line.chars().nth(column));
            let dots: u32 = drawn.map(|c| (c as u32 & 0xff).count_ones()).sum();
            assert!(dots >= 1, "column {column} is empty: {lines:#?}");
        }
    }

    #[test]
    fn one_value_gaps_and_equal_values_are_drawn() {
        for points in [
            vec![(3.0, 2.0)],
            vec![(1.0, f64::NAN), (2.0, 5.0), (3.0, 5.0)],
        ] {
            let lines = curve("x", &points, 24);
            assert!(
                lines
                    .concat()
                    .chars()
                    .any(|c| ('\u{2801}'..='\u{28ff}').contains(&c))
            );
        }
    }
}
