//! Frames: a rectangle with an axis along its bottom and one along its left side.

use std::fmt::{self, Write};

use super::panel::Hit;
use crate::axis::{Domain, Ticks};
use crate::number::{position, significant};
use crate::text::{escape, shorten, text_width};

/// The pixels under a frame: tick labels and the axis's name.
const FOOT: f64 = 34.0;

/// Axes and the rectangle between them, in pixels of its drawing.
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    x: Domain,
    y: Domain,
    x_ticks: Ticks,
    pub(super) y_ticks: Ticks,
    /// Values are powers of ten.
    logarithmic: bool,
}

impl Frame {
    /// Fits the axes of `x` and `y` into `width` by `height` pixels, labels included, under `head`
    /// free pixels.
    pub(super) fn new(width: f64, height: f64, head: f64, x: Domain, y: Domain) -> Self {
        Self::with_ticks(width, height, head, (x, y), false)
    }

    /// The same where `x` and `y` are logarithms to base ten.
    pub(super) fn logarithmic(width: f64, height: f64, head: f64, x: Domain, y: Domain) -> Self {
        Self::with_ticks(width, height, head, (x, y), true)
    }

    fn with_ticks(
        width: f64,
        height: f64,
        head: f64,
        (x, y): (Domain, Domain),
        logarithmic: bool,
    ) -> Self {
        let ticks = |domain, length, width: fn(&str) -> f64| {
            if logarithmic {
                Ticks::powers(domain, length, width)
            } else {
                Ticks::fitting(domain, length, width)
            }
        };
        let y_ticks = ticks(y, height - FOOT - head - 8.0, |_| 4.0);
        let widest = y_ticks
            .labels
            .iter()
            .map(|label| text_width(label))
            .fold(0.0, f64::max);
        let (left, right) = (widest + 8.0, width - 10.0);
        let note = if y_ticks.note.is_some() { 16.0 } else { 0.0 };
        let top = head.max(note) + 8.0;
        let x_ticks = ticks(x, right - left, text_width);
        Self {
            left,
            right,
            top,
            bottom: height - FOOT,
            x,
            y,
            x_ticks,
            y_ticks,
            logarithmic,
        }
    }

    /// A place on the x axis in words.
    pub(super) fn x_words(&self, x: f64) -> String {
        if !self.logarithmic {
            return position(x);
        }
        let value = 10f64.powf(x);
        let whole = value.round();
        // Ranks are whole numbers that went through a logarithm.
        position(if (value - whole).abs() < 1e-6 * whole {
            whole
        } else {
            value
        })
    }

    /// A value in words, as precise as the axis asks for.
    pub(super) fn y_words(&self, y: f64) -> String {
        if self.logarithmic {
            significant(10f64.powf(y))
        } else {
            self.y_ticks.precise(y)
        }
    }

    pub(super) fn x(&self, value: f64) -> f64 {
        self.left + self.x.fraction(value) * (self.right - self.left)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        self.bottom - self.y.fraction(value) * (self.bottom - self.top)
    }

    /// Grid, ticks and labels; the data are drawn over them.
    pub(super) fn svg(&self, x_label: &str) -> String {
        let mut out = String::new();
        self.write(&mut out, x_label)
            .expect("writing to a string does not fail");
        out
    }

    fn write(&self, out: &mut String, x_label: &str) -> fmt::Result {
        let Self {
            left,
            right,
            bottom,
            ..
        } = *self;
        for (&value, label) in self.y_ticks.values.iter().zip(&self.y_ticks.labels) {
            let (y, x) = (self.y(value), left - 6.0);
            write!(
                out,
                "<path class=\"grid\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>\
                 <text class=\"tick end\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>",
                y + 3.8
            )?;
        }
        write!(
            out,
            "<path class=\"axis\" d=\"M{left:.1} {bottom:.1}H{right:.1}\"/>"
        )?;
        for (&value, label) in self.x_ticks.values.iter().zip(&self.x_ticks.labels) {
            let (x, y) = (self.x(value), bottom + 16.0);
            write!(
                out,
                "<path class=\"axis\" d=\"M{x:.1} {bottom:.1}v4\"/>\
                 <text class=\"tick middle\" x=\"{x:.1}\" y=\"{y:.1}\">{label}</text>"
            )?;
        }
        if let Some(note) = &self.y_ticks.note {
            write!(out, "<text class=\"tick\" x=\"0\" y=\"11\">{note}</text>")?;
        }
        let x_label = match &self.x_ticks.note {
            Some(note) => format!("{x_label} ({note})"),
            None => x_label.to_owned(),
        };
        let x_label = shorten(&x_label, ((right + 10.0) / text_width("0")) as usize);
        let half = text_width(&x_label) / 2.0;
        let (x, y) = (
            ((left + right) / 2.0).min(right + 8.0 - half),
            bottom + 30.0,
        );
        write!(
            out,
            "<text class=\"tick middle\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            escape(&x_label)
        )
    }

    /// The upright strip from `from` to `to` that shows `text` under the pointer.
    pub(super) fn strip(&self, from: f64, to: f64, text: String) -> Hit {
        let (width, height) = ((to - from).max(1.0), self.bottom - self.top);
        Hit {
            place: (from, self.top, width, height),
            text,
            picture: None,
        }
    }
}
