//! Charts as inline SVG: small panels at about one unit a pixel, so that text keeps its size on a
//! phone as on a desk; the page lays them out in as many columns as fit.
//!
//! A mark that has more to tell carries a `<title>`. Browsers show it under the pointer; the page's
//! script shows it in the panel's readout instead, and in the other panels of the figure too.

pub(crate) mod dots;
pub(crate) mod heat;
pub(crate) mod histograms;
pub(crate) mod lines;
pub(crate) mod marks;
pub(crate) mod scatter;
mod track;

use std::fmt::{self, Write};

use super::axis::{Domain, Ticks};
use super::ink::{self, Entry};
use super::number::{position, significant};
use super::text::{escape, prose, shorten};

/// About the width of a chart's text in pixels, for the usual system fonts at the size that
/// `style.css` gives it.
fn text_width(text: &str) -> f64 {
    6.3 * text.chars().count() as f64
}

/// Opens a figure of panels: heading, legend, and the grid that `close_figure` closes.
fn open_figure(out: &mut String, kind: &str, title: &str, entries: &[Entry]) -> fmt::Result {
    write!(out, "<figure class=\"chart {kind}\">")?;
    if !title.is_empty() {
        write!(out, "<h3>{}</h3>", prose(title))?;
    }
    out.write_str("\n")?;
    ink::legend(out, entries)?;
    out.write_str("<div class=\"panels\">\n")
}

/// Closes a figure with its caption and what the reader has to be told about how it was drawn.
fn close_figure(out: &mut String, caption: &str, remarks: &[String]) -> fmt::Result {
    out.write_str("</div>")?;
    let mut sentences = Vec::new();
    if !caption.is_empty() {
        sentences.push(prose(caption));
    }
    sentences.extend(remarks.iter().map(|remark| escape(remark)));
    if !sentences.is_empty() {
        write!(out, "<figcaption>{}</figcaption>", sentences.join(" "))?;
    }
    out.write_str("</figure>\n")
}

/// Opens a panel: its heading, and the inks of its values in the order in which titles name them.
fn open_panel(out: &mut String, title: &str, unit: &str, slots: &[usize]) -> fmt::Result {
    let slots: Vec<String> = slots.iter().map(usize::to_string).collect();
    write!(
        out,
        "<div class=\"panel\" data-slots=\"{}\"><h4>{}",
        slots.join(" "),
        prose(title)
    )?;
    if !unit.is_empty() {
        write!(out, " <span class=\"unit\">{}</span>", escape(unit))?;
    }
    out.write_str("</h4>")
}

/// Closes a panel after its drawing, with what has to be said about it.
fn close_panel(out: &mut String, remarks: &[String]) -> fmt::Result {
    for remark in remarks {
        write!(out, "<p class=\"remark\">{}</p>", escape(remark))?;
    }
    out.write_str("</div>\n")
}

/// Opens a drawing of `width` by `height` pixels that `summary` describes to those who hear it.
fn open_svg(out: &mut String, width: f64, height: f64, summary: &str) -> fmt::Result {
    let summary = escape(summary);
    write!(
        out,
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{summary}\">"
    )
}

/// A drawing without values says so.
fn empty_svg(out: &mut String, width: f64, height: f64, title: &str) -> fmt::Result {
    open_svg(out, width, height, &format!("{title}: no values"))?;
    let (x, y) = (width / 2.0, height / 2.0);
    write!(
        out,
        "<rect class=\"nothing\" x=\"1\" y=\"1\" width=\"{:.0}\" height=\"{:.0}\"/>\
         <text class=\"tick middle\" x=\"{x:.1}\" y=\"{y:.1}\">no values to draw</text></svg>",
        width - 2.0,
        height - 2.0
    )
}

/// How many of how many values a drawing leaves out, in words; nothing where it shows them all.
fn left_out(name: &str, missing: usize, of: usize, why: &str) -> Option<String> {
    (missing > 0).then(|| format!("{name}: {missing} of {of} values {why}."))
}

/// The pixels under a frame: tick labels and the axis's name.
const FOOT: f64 = 34.0;

/// A rectangle with an axis along its bottom and one along its left side, in pixels of its drawing.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Domain,
    y: Domain,
    x_ticks: Ticks,
    y_ticks: Ticks,
    /// Values are powers of ten.
    logarithmic: bool,
}

impl Frame {
    /// Fits the axes of `x` and `y` into `width` by `height` pixels, labels included, under `head`
    /// free pixels.
    fn new(width: f64, height: f64, head: f64, x: Domain, y: Domain) -> Self {
        Self::with_ticks(width, height, head, (x, y), false)
    }

    /// The same where `x` and `y` are logarithms to base ten.
    fn logarithmic(width: f64, height: f64, head: f64, x: Domain, y: Domain) -> Self {
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
    fn x_words(&self, x: f64) -> String {
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
    fn y_words(&self, y: f64) -> String {
        if self.logarithmic {
            significant(10f64.powf(y))
        } else {
            self.y_ticks.precise(y)
        }
    }

    fn x(&self, value: f64) -> f64 {
        self.left + self.x.fraction(value) * (self.right - self.left)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - self.y.fraction(value) * (self.bottom - self.top)
    }

    /// Grid, ticks and labels; the data are drawn over them.
    fn render(&self, out: &mut String, x_label: &str) -> fmt::Result {
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

    /// The upright strip from `from` to `to` that shows `title` under the pointer.
    fn render_hit(&self, out: &mut String, from: f64, to: f64, title: &str) -> fmt::Result {
        let (width, height) = ((to - from).max(1.0), self.bottom - self.top);
        write!(
            out,
            "<rect class=\"hit\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\">\
             <title>{}</title></rect>",
            self.top,
            escape(title)
        )
    }
}
