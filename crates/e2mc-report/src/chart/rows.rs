//! What charts with a row of text and a mark below it share: the rows, their axis, their whiskers.

use std::fmt::{self, Write};

use crate::axis::Ticks;
use crate::text::{escape, shorten, text_width};

pub(super) const WIDTH: f64 = 336.0;
pub(super) const ROW: f64 = 42.0;
/// The room under the rows for the axis.
const FOOT: f64 = 26.0;
/// The room under the axis for its note.
const NOTE: f64 = 14.0;
pub(super) const LEFT: f64 = 18.0;
pub(super) const RIGHT: f64 = WIDTH - 18.0;
/// The least room between a row's name and its number.
const GAP: f64 = 20.0;

/// The size of a panel of that many rows, with its axis.
pub(super) fn panel_size(rows: usize, ticks: Option<&Ticks>) -> (f64, f64) {
    let note = ticks.is_some_and(|ticks| ticks.note.is_some());
    (
        WIDTH,
        ROW * rows as f64 + FOOT + if note { NOTE } else { 0.0 },
    )
}

/// Where the mark of a row lies.
pub(super) fn mark(row: usize) -> f64 {
    ROW * row as f64 + 29.0
}

/// The first line of a row: its name, cut where the number needs the room, and the number.
pub(super) fn render_words(out: &mut String, row: usize, name: &str, number: &str) -> fmt::Result {
    let room = (WIDTH - text_width(number) - GAP) / text_width("0");
    write!(
        out,
        "<text class=\"name\" x=\"2\" y=\"{y:.1}\">{}</text>\
         <text class=\"number end\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
        escape(&shorten(name, room as usize)),
        WIDTH - 2.0,
        escape(number),
        y = ROW * row as f64 + 15.0,
    )
}

/// A whisker between two places at the height `y`, with caps.
pub(super) fn render_whisker(out: &mut String, (from, to): (f64, f64), y: f64) -> fmt::Result {
    write!(
        out,
        "<path class=\"whisker\" d=\"M{from:.1} {y:.1}H{to:.1}M{from:.1} {cap:.1}v8M{to:.1} {cap:.1}v8\"/>",
        cap = y - 4.0
    )
}

/// The axis under the rows, and its lines through them.
pub(super) fn render_axis(
    out: &mut String,
    ticks: &Ticks,
    x: impl Fn(f64) -> f64,
    rows: usize,
) -> fmt::Result {
    let bottom = ROW * rows as f64;
    write!(
        out,
        "<path class=\"axis\" d=\"M{LEFT} {bottom:.1}H{RIGHT}\"/>"
    )?;
    for (&value, label) in ticks.values.iter().zip(&ticks.labels) {
        let (at, y) = (x(value), bottom + 17.0);
        render_upright(out, "grid", at, rows)?;
        write!(
            out,
            "<path class=\"axis\" d=\"M{at:.1} {bottom:.1}v4\"/>\
             <text class=\"tick middle\" x=\"{at:.1}\" y=\"{y:.1}\">{label}</text>"
        )?;
    }
    if let Some(note) = &ticks.note {
        let y = bottom + 32.0;
        write!(
            out,
            "<text class=\"tick end\" x=\"{RIGHT}\" y=\"{y:.1}\">{note}</text>"
        )?;
    }
    Ok(())
}

/// An upright line through all rows, interrupted where their text is.
pub(super) fn render_upright(out: &mut String, class: &str, at: f64, rows: usize) -> fmt::Result {
    write!(out, "<path class=\"{class}\" d=\"")?;
    for row in 0..rows {
        write!(out, "M{at:.1} {:.1}v20", ROW * row as f64 + 19.0)?;
    }
    out.write_str("\"/>")
}
