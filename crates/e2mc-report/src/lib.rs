//! Charts and self-contained pages of runs, embeddings and sweeps.
//!
//! A [`Report`] is one HTML file that anybody can open, keep and print: a list of [`Section`]s,
//! each a list of [`Block`]s: findings, tables, charts, listings. The caller fills plain structs
//! with plain text and numbers; everything about looks (scheme, palette, ticks, legends, escaping,
//! what to say about values that are not finite) is decided here. The page loads nothing: styles,
//! script and charts are inside it, and its content security policy forbids the rest. Without
//! scripts it loses only the values under the pointer.
//!
//! - [`Chart`] turns data into a [`Figure`] of [`Panel`]s: title, legend, drawing, and words for
//!   those who hear the page. The page and [`save_figures`] (SVG and PNG files) are made from the
//!   same panels.
//! - [`pages`] has a function for each page: typed data in, a [`Report`] out.
//! - [`Thumbnail`]s of images are parts of the page, too: in [`Strips`], [`Examples`] and [`Map`]s.
//!   All else that is shown of an image is text.
//! - [`Inks`] gives a name its colour, marker and dash; one registry makes them the same on all
//!   pages of a set.
//! - [`serve`](mod@serve) shows a page that follows a run to this machine, [`plot`] draws it in
//!   characters, and [`tensorboard`] writes it as files of events.
//! - [`contact_sheet`] puts images side by side with text below, in the palette's colours.
//!
//! ```
//! use e2mc_report::{Block, LineChart, Lines, Report, Section, Series};
//!
//! let loss = LineChart {
//!     title: "Loss".into(),
//!     series: vec![Series { name: "run".into(), points: vec![(0.0, 3.0), (1.0, 2.5)] }],
//!     ..LineChart::default()
//! };
//! let lines = Lines { x_label: "epoch".into(), charts: vec![loss], ..Lines::default() };
//! let section = Section { heading: "Training".into(), blocks: vec![lines.into()], ..Section::default() };
//! let report = Report { title: "A run".into(), sections: vec![section], ..Report::default() };
//! assert!(report.to_html().contains("aria-label=\"Loss  by epoch; run: from 3.000 to 2.500\""));
//! ```
#![deny(missing_docs)]

mod axis;
mod chart;
pub mod contact_sheet;
mod error;
mod examples;
mod figures;
mod ink;
mod legend;
mod number;
mod page;
pub mod pages;
mod palette;
mod picture;
pub mod plot;
#[cfg(feature = "png")]
mod png;
pub mod serve;
mod strips;
mod table;
pub mod tensorboard;
pub mod terminal;
mod text;
mod verdict;

#[cfg(test)]
mod browser_tests;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use chart::Chart;
pub use chart::dots::{AxisStart, DotPanel, Dots};
pub use chart::forest::{Forest, ForestPanel, ForestRow};
pub use chart::grid::{HeatMaps, HeatPanel};
pub use chart::histograms::{HistogramPanel, Histograms, Reference};
pub use chart::lines::Lines;
pub use chart::map::{Map, MapPanel, MapPoint};
pub use chart::marks::Mark;
pub use chart::panel::{Figure, Panel};
pub use chart::scatter::{Scatter, ScatterPanel};
pub use chart::series::{LineChart, Series};
pub use error::Error;
pub use examples::{ExampleCard, Examples, Said};
pub use figures::{Remark, Saved, save_figures};
pub use ink::Inks;
pub use legend::Entry;
pub use number::{fixed, legible, plus_minus, signed, significant};
pub use page::{Block, Report, Section};
pub use palette::{Colour, SLOTS, colour};
pub use picture::{Shot, Thumbnail};
pub use strips::{StripQuery, StripRow, Strips};
pub use table::{Cell, Column, Estimate, Table};
pub use verdict::{Change, Finding, Verdict};
