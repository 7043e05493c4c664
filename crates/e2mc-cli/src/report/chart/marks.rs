//! Marks: events and levels that a line chart's data are compared with.

use std::fmt::{self, Write};

use super::super::number::{position, significant};
use super::super::text::{escape, shorten};
use super::Frame;

/// The room over the plot for the labels of events.
pub(super) const HEAD: f64 = 16.0;

/// The height of a line of text.
const LINE: f64 = 13.0;

/// A thin dashed line that is not data.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
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

/// Draws the marks under `HEAD` free pixels; returns what could not be labelled for want of room.
pub(super) fn render(
    out: &mut String,
    frame: &Frame,
    marks: &[Mark],
) -> Result<Vec<String>, fmt::Error> {
    let Frame {
        left,
        right,
        top,
        bottom,
        ..
    } = *frame;
    for mark in marks {
        if let Some(x) = mark.event() {
            let (x, top) = (frame.x(x), top - HEAD);
            write!(
                out,
                "<path class=\"level\" d=\"M{x:.1} {top:.1}V{bottom:.1}\"/>"
            )?;
        }
        if let Some(y) = mark.level() {
            let y = frame.y(y);
            write!(
                out,
                "<path class=\"level\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>"
            )?;
        }
    }
    // Labels last, so that no line crosses them.
    let mut labels = Labels::new(frame);
    let mut unlabelled = Vec::new();
    for mark in marks {
        let (place, label, value) = match mark {
            Mark::At { x, label } if x.is_finite() => {
                (labels.event(frame, *x, label), label, position(*x))
            }
            Mark::Level { y, label } if y.is_finite() => {
                (labels.level(frame, *y), label, significant(*y))
            }
            Mark::At { .. } | Mark::Level { .. } => continue,
        };
        if let Some((class, x, y)) = place {
            let text = escape(&shorten(label, LONGEST));
            write!(
                out,
                "<text class=\"tick halo {class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"
            )?;
        } else {
            unlabelled.push(format!("Dashed at {value}: {label}."));
        }
    }
    Ok(unlabelled)
}

/// Labels are cut to this many characters.
const LONGEST: usize = 36;

/// The places that labels have taken.
struct Labels {
    /// Where the next label of an event may start, in each of its lines of text.
    free: [f64; 3],
    /// The base lines of the labels of levels.
    taken: Vec<f64>,
}

impl Labels {
    fn new(frame: &Frame) -> Self {
        let note = frame.y_ticks.note.as_deref().map_or(0.0, super::text_width);
        Self {
            free: [frame.left.max(note + 6.0), frame.left, frame.left],
            taken: Vec::new(),
        }
    }

    /// Class and place of an event's label: to the right of its line, in the first line of text
    /// that is free.
    fn event(&mut self, frame: &Frame, x: f64, label: &str) -> Option<(&'static str, f64, f64)> {
        let width = super::text_width(&shorten(label, LONGEST));
        let start = (frame.x(x) + 4.0).min(frame.right - width);
        let line = self.free.iter().position(|&free| start >= free)?;
        self.free[line] = start + width + 6.0;
        Some(("", start, frame.top - 6.0 + LINE * line as f64))
    }

    /// Class and place of a level's label: above the right end of its line, or else below.
    fn level(&mut self, frame: &Frame, y: f64) -> Option<(&'static str, f64, f64)> {
        let at = frame.y(y);
        let free = |base: &f64| {
            let inside = (frame.top + 10.0..frame.bottom).contains(base);
            inside && self.taken.iter().all(|taken| (taken - base).abs() >= LINE)
        };
        let base = [at - 4.0, at + 12.0].into_iter().find(free)?;
        self.taken.push(base);
        Some(("end", frame.right, base))
    }
}
