//! Reports: one self-contained HTML file that anybody can open, keep and print.
//!
//! A [`Report`] is a list of [`Section`]s, a section a list of [`Block`]s: findings, tables, charts,
//! listings. The caller fills plain structs with plain text and numbers; everything about looks
//! (scheme, palette, ticks, legends, escaping, what to say about values that are not finite) is
//! decided here. The page loads nothing: styles, script and charts are inside it, and its content
//! security policy forbids the rest. Without scripts it loses only the values under the pointer.
//!
//! A name keeps its colour, marker and dash on the whole page ([`ink`]), so call the same thing by
//! the same name in every block. `sample.rs` is a whole report as the tests build it.

mod axis;
mod chart;
mod figures;
mod ink;
mod number;
mod page;
#[cfg(feature = "png")]
mod png;
mod table;
mod text;

#[cfg(test)]
mod browser_tests;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub(crate) use chart::dots::{AxisStart, DotPanel, Dots};
pub(crate) use chart::heat::{HeatMaps, HeatPanel};
pub(crate) use chart::histograms::{HistogramPanel, Histograms, Reference};
pub(crate) use chart::lines::{LineChart, Lines, Series};
pub(crate) use chart::marks::Mark;
pub(crate) use chart::scatter::{Scatter, ScatterPanel};
pub(crate) use figures::save_figures;
pub(crate) use number::{fixed, legible, signed, significant};
pub(crate) use page::{Block, Finding, Report, Section, Verdict};
pub(crate) use table::{Cell, Column, Estimate, Table};
