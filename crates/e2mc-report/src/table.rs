//! Tables: columns with fixed decimals, cells of text, numbers, or means with their errors.

use std::fmt::{self, Write};

use crate::number;
use crate::text::{prose, whole_words};

/// A table; the first column names the rows.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What the table shows, in a few words.
    pub caption: String,
    /// One a column, the first included.
    pub columns: Vec<Column>,
    /// Cells row by row, no more than columns; a short row ends in missing values.
    pub rows: Vec<Vec<Cell>>,
    /// Small print under the table: what the errors are, how many seeds.
    pub note: String,
}

/// A column's heading and the decimals of its numbers.
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// A heading over this and its neighbours of the same group; empty for none.
    pub group: String,
    /// The column's own heading.
    pub name: String,
    /// Digits after the point.
    pub decimals: usize,
}

/// The content of one cell.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Words, or numbers that are names.
    Text(String),
    /// Numbers in words, such as an interval: set as a number.
    Words(String),
    /// A number, set with the column's decimals.
    Number(f64),
    /// A number with decimals of its own, in a column of different quantities; more where it is
    /// smaller than they show.
    Value {
        /// The number.
        value: f64,
        /// Digits after the point.
        decimals: usize,
    },
    /// A mean with its standard error, set with the column's decimals.
    Estimate(Estimate),
    /// Not measured.
    Missing,
}

/// A mean over runs, with what is known of its noise.
#[derive(Clone, Debug, Default)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// Its standard error; `None` where there is but one run.
    pub standard_error: Option<f64>,
    /// The single runs, which charts draw as thin strokes; may be empty.
    pub runs: Vec<f64>,
}

impl Table {
    pub(super) fn render(&self, out: &mut String) -> fmt::Result {
        out.write_str("<figure class=\"table\">")?;
        if !self.caption.is_empty() {
            write!(out, "<h3>{}</h3>", prose(&self.caption))?;
        }
        out.write_str("<div class=\"scroll\" tabindex=\"0\"><table><thead>")?;
        self.render_groups(out)?;
        out.write_str("<tr>")?;
        for (index, column) in self.columns.iter().enumerate() {
            // Words are on the left, and so is what stands over them.
            let first = self.rows.first().and_then(|row| row.get(index));
            let class = match first {
                Some(Cell::Text(_)) if index > 0 => " class=\"text\"",
                _ => "",
            };
            write!(
                out,
                "<th scope=\"col\"{class}>{}</th>",
                whole_words(&column.name)
            )?;
        }
        out.write_str("</tr></thead><tbody>\n")?;
        for row in &self.rows {
            debug_assert!(
                row.len() <= self.columns.len(),
                "cells without a column: {row:?}"
            );
            out.write_str("<tr>")?;
            for (i, column) in self.columns.iter().enumerate() {
                let cell = row.get(i).unwrap_or(&Cell::Missing);
                render_cell(out, cell, column.decimals, i == 0)?;
            }
            out.write_str("</tr>\n")?;
        }
        if self.rows.is_empty() {
            write!(
                out,
                "<tr><td colspan=\"{}\">no rows</td></tr>",
                self.columns.len().max(1)
            )?;
        }
        out.write_str("</tbody></table></div>")?;
        if !self.note.is_empty() {
            write!(out, "<figcaption>{}</figcaption>", prose(&self.note))?;
        }
        out.write_str("</figure>\n")
    }

    /// The upper heading row, where some column has a group.
    fn render_groups(&self, out: &mut String) -> fmt::Result {
        if self.columns.iter().all(|column| column.group.is_empty()) {
            return Ok(());
        }
        out.write_str("<tr class=\"groups\">")?;
        for group in self.columns.chunk_by(|a, b| a.group == b.group) {
            let (span, name) = (group.len(), &group[0].group);
            if name.is_empty() {
                write!(out, "<td colspan=\"{span}\"></td>")?;
            } else {
                write!(
                    out,
                    "<th scope=\"colgroup\" colspan=\"{span}\"><span>{}</span></th>",
                    whole_words(name)
                )?;
            }
        }
        out.write_str("</tr>")
    }
}

fn render_cell(out: &mut String, cell: &Cell, decimals: usize, heading: bool) -> fmt::Result {
    let (class, content) = match cell {
        Cell::Text(text) => ("text", prose(text)),
        Cell::Words(text) => ("number", prose(text)),
        Cell::Number(value) => ("number", number::fixed(*value, decimals)),
        Cell::Value { value, decimals } => ("number", number::legible(*value, *decimals)),
        Cell::Estimate(estimate) => {
            let value = number::fixed(estimate.value, decimals);
            let error = estimate.standard_error.filter(|error| error.is_finite());
            match error {
                Some(error) => {
                    let error = number::fixed(error, decimals);
                    (
                        "number",
                        format!("{value} <span class=\"error\">± {error}</span>"),
                    )
                }
                None => ("number", value),
            }
        }
        Cell::Missing => ("number", "<span title=\"no value\">–</span>".to_owned()),
    };
    if heading {
        write!(out, "<th scope=\"row\">{content}</th>")
    } else {
        write!(out, "<td class=\"{class}\">{content}</td>")
    }
}
