//! Marks: events and levels that a line chart's data are compared with.

use std::fmt::Write;

use super::frame::Frame;
use crate::number::{position, significant};
use crate::text::{escape, shorten, text_width};

/// The room over the plot for the labels of events.
pub(super) const HEAD: f64 = 16.0;

/// The height of a line of text.
const LINE: f64 = 13.0;

/// A thin dashed line that is not data.
#[derive(Clone, Debug)]
pub enum Mark {
    /// An event: an upright line.
    At {
        /// Where.
        x: f64,
        /// What happened.
        label: String,
    },
    /// A value to compare with: a level line, which the axis always includes.
    Level {
        /// The value.
        y: f64,
        /// What it is.
        label: String,
    },
}

impl Mark {
    /// Where it is on the x axis.
    pub(super) fn event(&self) -> Option<f64> {
        match self {
            Self::At { x, .. } => x.is_finite().then_some(*x),
            Self::Level { .. } => None,
        }
    }

    /// Where it is on the y axis.
    pub(super) fn level(&self) -> Option<f64> {
        match self {
            Self::Level { y, .. } => y.is_finite().then_some(*y),
            Self::At { .. } => None,
        }
    }
}

/// The dashed lines of the marks, under `HEAD` free pixels.
pub(super) fn lines(frame: &Frame, marks: &[Mark]) -> String {
    let mut out = String::new();
    let path = |d: String| format!("<path class=\"level\" d=\"{d}\"/>");
    for mark in marks {
        if let Some(x) = mark.event() {
            let (x, top, bottom) = (frame.x(x), frame.top - HEAD, frame.bottom);
            out.push_str(&path(format!("M{x:.1} {top:.1}V{bottom:.1}")));
        }
        if let Some(y) = mark.level() {
            let (y, left, right) = (frame.y(y), frame.left, frame.right);
            out.push_str(&path(format!("M{left:.1} {y:.1}H{right:.1}")));
        }
    }
    out
}

/// The labels of the marks, away from `inked` points; and in words what could not be labelled for
/// want of room.
pub(super) fn labels(frame: &Frame, marks: &[Mark], inked: &[(f64, f64)]) -> (String, Vec<String>) {
    let mut labels = Labels::new(frame, inked);
    let (mut out, mut unlabelled) = (String::new(), Vec::new());
    for mark in marks {
        let (place, label, value) = match mark {
            Mark::At { x, label } if x.is_finite() => {
                (labels.event(frame, *x, label), label, position(*x))
            }
            Mark::Level { y, label } if y.is_finite() => {
                (labels.level(frame, *y, label), label, significant(*y))
            }
            Mark::At { .. } | Mark::Level { .. } => continue,
        };
        if let Some((class, x, y)) = place {
            let text = escape(&shorten(label, LONGEST));
            write!(
                out,
                "<text class=\"tick halo {class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"
            )
            .expect("writing to a string does not fail");
        } else {
            unlabelled.push(format!("Dashed at {value}: {label}."));
        }
    }
    (out, unlabelled)
}

/// Labels are cut to this many characters.
const LONGEST: usize = 36;

/// The places that labels have taken.
struct Labels<'a> {
    /// Points of the data's lines.
    inked: &'a [(f64, f64)],
    /// Where the next label of an event may start, in each of its lines of text.
    free: [f64; 3],
    /// The base lines of the labels of levels.
    taken: Vec<f64>,
}

impl<'a> Labels<'a> {
    fn new(frame: &Frame, inked: &'a [(f64, f64)]) -> Self {
        let note = frame.y_ticks.note.as_deref().map_or(0.0, text_width);
        Self {
            inked,
            free: [frame.left.max(note + 6.0), frame.left, frame.left],
            taken: Vec::new(),
        }
    }

    /// Class and place of an event's label: to the right of its line, in the first line of text
    /// that is free.
    fn event(&mut self, frame: &Frame, x: f64, label: &str) -> Option<(&'static str, f64, f64)> {
        let width = text_width(&shorten(label, LONGEST));
        // To the left where there is no room to the right.
        let right = frame.x(x) + 4.0;
        let start = match right + width > frame.right {
            true => (frame.x(x) - 4.0 - width).max(frame.left),
            false => right,
        };
        let base = |line: usize| frame.top - 6.0 + LINE * line as f64;
        // The first line of text is over the plot, the others are in it.
        let clear = |line: usize| {
            let base = base(line);
            line == 0
                || !crossed(
                    self.inked,
                    (start, start + width),
                    (base - 10.0, base + 3.0),
                )
        };
        let mut lines = (0..self.free.len()).filter(|&line| start >= self.free[line]);
        let line = lines.find(|&line| clear(line))?;
        self.free[line] = start + width + 6.0;
        Some(("", start, base(line)))
    }

    /// Class and place of a level's label: above or below an end of its line, where no line of the
    /// data passes.
    fn level(&mut self, frame: &Frame, y: f64, label: &str) -> Option<(&'static str, f64, f64)> {
        let at = frame.y(y);
        let width = text_width(&shorten(label, LONGEST));
        let free = |base: &f64| {
            let inside = (frame.top + 10.0..frame.bottom).contains(base);
            inside && self.taken.iter().all(|taken| (taken - base).abs() >= LINE)
        };
        let bases: Vec<f64> = [at - 4.0, at + 12.0].into_iter().filter(free).collect();
        let right = (frame.right - width, "end", frame.right);
        let left = (frame.left + 2.0, "", frame.left + 2.0);
        let mut places = [right, left]
            .into_iter()
            .flat_map(|(start, class, x)| bases.iter().map(move |&base| (start, class, x, base)));
        let clear = |(start, _, _, base): &(f64, &str, f64, f64)| {
            !crossed(
                self.inked,
                (*start, start + width),
                (base - 10.0, base + 3.0),
            )
        };
        let (_, class, x, base) = places.find(clear)?;
        self.taken.push(base);
        Some((class, x, base))
    }
}

/// Whether a line through `points` comes into the box.
fn crossed(points: &[(f64, f64)], (left, right): (f64, f64), (top, bottom): (f64, f64)) -> bool {
    let near = |point: &(f64, f64)| (left - 4.0..=right + 4.0).contains(&point.0);
    let inside = points
        .iter()
        .any(|point| near(point) && (top..=bottom).contains(&point.1));
    // Between two points on either side of the box the line passes through it.
    let passes = points.windows(2).any(|pair| {
        let (a, b) = (pair[0], pair[1]);
        let over = |x: f64| a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0);
        let (from, to) = (a.0.max(left), b.0.min(right));
        let (low, high) = (over(from).min(over(to)), over(from).max(over(to)));
        a.0 < b.0 && from <= to && low <= bottom && high >= top
    });
    inside || passes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_through_a_box_are_seen_and_lines_beside_it_are_not() {
        let ink = |points: &[(f64, f64)]| crossed(points, (10.0, 20.0), (10.0, 20.0));
        assert!(ink(&[(15.0, 15.0)]));
        assert!(ink(&[(0.0, 0.0), (30.0, 30.0)]));
        assert!(!ink(&[(0.0, 0.0), (30.0, 0.0)]));
        assert!(!ink(&[(0.0, 15.0), (5.0, 15.0)]));
        assert!(!ink(&[(25.0, 15.0), (0.0, 15.0)]), "another series begins");
        assert!(!ink(&[]));
    }
}
