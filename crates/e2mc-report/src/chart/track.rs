//! Tracks: a series on its way to the paper: sorted, split at its gaps, smoothed and thinned.

use std::fmt::{self, Write};

use super::frame::Frame;
use super::series::Series;
use crate::ink::{self, Inks};

/// Up to this many points, each gets a marker; beyond, only the last.
const FEW_POINTS: usize = 12;

/// A series ready to be drawn: points in order of x, and how many of them are not finite.
pub(super) struct Track<'a> {
    pub(super) slot: usize,
    pub(super) name: &'a str,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) total: usize,
    pub(super) missing: usize,
}

impl<'a> Track<'a> {
    pub(super) fn new(series: &'a Series, inks: &Inks) -> Self {
        let all = &series.points;
        let mut points: Vec<_> = all.iter().copied().filter(|(x, _)| x.is_finite()).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let missing = all
            .iter()
            .filter(|(x, y)| !x.is_finite() || !y.is_finite())
            .count();
        let slot = inks.slot(&series.name);
        Self {
            slot,
            name: &series.name,
            points,
            total: all.len(),
            missing,
        }
    }

    /// The value at exactly `x`.
    pub(super) fn at(&self, x: f64) -> Option<f64> {
        let i = self.points.partition_point(|point| point.0 < x);
        self.points[i..]
            .iter()
            .take_while(|point| point.0 == x)
            .map(|point| point.1)
            .find(|value| value.is_finite())
    }

    /// The value at exactly `x`, as precise as its axis asks for.
    pub(super) fn words(&self, frame: &Frame, x: f64) -> String {
        self.at(x)
            .map_or_else(|| "–".to_owned(), |value| frame.y_words(value))
    }

    pub(super) fn first(&self) -> Option<(f64, f64)> {
        self.points
            .iter()
            .copied()
            .find(|point| point.1.is_finite())
    }

    pub(super) fn last(&self) -> Option<(f64, f64)> {
        self.points
            .iter()
            .copied()
            .rfind(|point| point.1.is_finite())
    }

    /// The stretches between gaps.
    fn stretches(&self) -> impl Iterator<Item = &[(f64, f64)]> {
        self.points
            .split(|point| !point.1.is_finite())
            .filter(|stretch| !stretch.is_empty())
    }
}

/// Whether so many points are drawn as a moving mean over `smooth` of them.
pub(super) fn smoothed(points: usize, smooth: usize) -> bool {
    smooth > 1 && points > smooth
}

/// The line, faint and smoothed where `smooth` is above 1, and its markers; and where they are.
pub(super) fn svg(frame: &Frame, track: &Track, smooth: usize) -> (String, Vec<(f64, f64)>) {
    let (mut out, mut inked) = (String::new(), Vec::new());
    write(&mut out, &mut inked, frame, track, smooth).expect("writing to a string does not fail");
    (out, inked)
}

fn write(
    out: &mut String,
    inked: &mut Vec<(f64, f64)>,
    frame: &Frame,
    track: &Track,
    smooth: usize,
) -> fmt::Result {
    let slot = track.slot;
    let smoothing = smoothed(track.points.len(), smooth);
    if smoothing {
        let mut path = String::new();
        for stretch in track.stretches() {
            write_path(&mut path, &pixels(frame, stretch))?;
        }
        write!(out, "<path class=\"line raw s{slot}\" d=\"{path}\"/>")?;
    }
    let mut path = String::new();
    let mut marked = Vec::new();
    for stretch in track.stretches() {
        let drawn = if smoothing {
            moving_mean(stretch, smooth)
        } else {
            stretch.to_vec()
        };
        let drawn = pixels(frame, &drawn);
        // A path of one point draws nothing.
        if drawn.len() == 1 || track.points.len() <= FEW_POINTS {
            marked.extend_from_slice(&drawn);
        }
        marked.extend(
            drawn
                .last()
                .filter(|_| track.last() == stretch.last().copied()),
        );
        write_path(&mut path, &drawn)?;
        inked.extend(drawn);
    }
    let dash = ink::dash(slot);
    write!(
        out,
        "<path class=\"line s{slot}\" stroke-dasharray=\"{dash}\" d=\"{path}\"/>"
    )?;
    marked.dedup();
    for (x, y) in marked {
        out.push_str(&ink::marker(slot, x, y));
    }
    Ok(())
}

fn pixels(frame: &Frame, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points
        .iter()
        .map(|&(x, y)| (frame.x(x), frame.y(y)))
        .collect()
}

/// Path data through `points`; of those in one column of pixels, the first, lowest, highest and
/// last are enough to draw what all would.
fn write_path(path: &mut String, points: &[(f64, f64)]) -> fmt::Result {
    let mut command = 'M';
    for column in points.chunk_by(|a, b| a.0.floor() == b.0.floor()) {
        let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let lowest = column.iter().min_by(by_height);
        let highest = column.iter().max_by(by_height);
        let extremes: Vec<_> = lowest.into_iter().chain(highest).collect();
        for (i, point) in column.iter().enumerate() {
            let end = i == 0 || i + 1 == column.len();
            if end || extremes.iter().any(|&extreme| std::ptr::eq(extreme, point)) {
                write!(path, "{command}{:.1} {:.1}", point.0, point.1)?;
                command = 'L';
            }
        }
    }
    Ok(())
}

/// Means over the `window / 2` neighbours on either side of each point, as far as they exist.
fn moving_mean(points: &[(f64, f64)], window: usize) -> Vec<(f64, f64)> {
    let reach = window / 2;
    let mean = |(i, point): (usize, &(f64, f64))| {
        let near = &points[i.saturating_sub(reach)..(i + reach + 1).min(points.len())];
        // Dividing first: a sum of large values may overflow.
        (
            point.0,
            near.iter().map(|point| point.1 / near.len() as f64).sum(),
        )
    };
    points.iter().enumerate().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moving_mean_keeps_straight_lines_and_stays_inside_at_the_ends() {
        let ramp: Vec<_> = (0..20).map(|i| (f64::from(i), f64::from(20 * i))).collect();
        let mean = moving_mean(&ramp, 5);
        for (mean, point) in mean[2..18].iter().zip(&ramp[2..18]) {
            assert!((mean.1 - point.1).abs() < 1e-9, "{mean:?} {point:?}");
        }
        assert!(
            (mean[0].1 - 20.0).abs() < 1e-9,
            "the mean of 0, 20 and 40: {:?}",
            mean[0]
        );
        assert_eq!(
            moving_mean(&[(0.0, f64::MAX), (1.0, f64::MAX)], 9)[0].1,
            f64::MAX
        );
        assert!(moving_mean(&[], 3).is_empty());
    }

    #[test]
    fn values_are_found_at_their_place_only() {
        let series = Series {
            name: "run".to_owned(),
            points: vec![
                (2.0, 5.0),
                (f64::NAN, 1.0),
                (0.0, 3.0),
                (1.0, f64::NAN),
                (1.0, 4.0),
            ],
        };
        let track = Track::new(&series, &Inks::of(["run"]));
        assert_eq!((track.total, track.missing), (5, 2));
        assert_eq!(
            [0.0, 1.0, 1.5, 2.0].map(|x| track.at(x)),
            [Some(3.0), Some(4.0), None, Some(5.0)]
        );
        assert_eq!(
            (track.first(), track.last()),
            (Some((0.0, 3.0)), Some((2.0, 5.0)))
        );
        assert_eq!(track.stretches().count(), 2);
    }
}
