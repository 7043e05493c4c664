//! Charts: data with what is said about them, drawn as panels.
//!
//! Each kind is plain data in a file of its own; [`Chart`] lists them. Adding one means one file
//! and one arm here.

mod cells;
mod density;
pub(crate) mod dots;
pub(crate) mod forest;
mod frame;
pub(crate) mod grid;
mod heat;
pub(crate) mod histograms;
pub(crate) mod lines;
pub(crate) mod map;
pub(crate) mod marks;
pub(crate) mod panel;
mod pointer;
mod rows;
pub(crate) mod scatter;
pub(crate) mod series;
mod track;

use dots::Dots;
use forest::Forest;
use grid::HeatMaps;
use histograms::Histograms;
use lines::Lines;
use map::Map;
use panel::Figure;
use scatter::Scatter;

use std::sync::Arc;

use crate::ink::Inks;
use crate::picture::Thumbnail;

/// A chart of any kind.
#[derive(Clone, Debug)]
pub enum Chart {
    /// Values over time.
    Lines(Lines),
    /// Means with their errors, side by side.
    Dots(Dots),
    /// Differences with their intervals.
    Forest(Forest),
    /// Distributions, overlaid.
    Histograms(Histograms),
    /// Points in the unit square.
    Scatter(Scatter),
    /// A quantity over a grid of two settings.
    Heat(HeatMaps),
    /// Images as points in a plane.
    Map(Map),
}

impl Chart {
    /// The names that need an ink, in reading order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Lines(lines) => lines.names(),
            Self::Dots(dots) => dots.names(),
            Self::Forest(forest) => forest.names(),
            Self::Histograms(histograms) => histograms.names(),
            Self::Scatter(_) | Self::Heat(_) | Self::Map(_) => vec![],
        }
    }

    /// The chart drawn, a panel a quantity.
    #[must_use]
    pub fn figure(&self, inks: &Inks) -> Figure {
        match self {
            Self::Lines(lines) => lines.figure(inks),
            Self::Dots(dots) => dots.figure(inks),
            Self::Forest(forest) => forest.figure(inks),
            Self::Histograms(histograms) => histograms.figure(inks),
            Self::Scatter(scatter) => scatter.figure(),
            Self::Heat(maps) => maps.figure(),
            Self::Map(map) => map.figure(),
        }
    }

    /// The pictures that it shows under the pointer.
    pub(crate) fn pictures(&self) -> Vec<&Arc<Thumbnail>> {
        match self {
            Self::Map(map) => map.pictures().collect(),
            _ => vec![],
        }
    }
}

macro_rules! chart_from {
    ($($kind:ident($data:ty)),* $(,)?) => {$(
        impl From<$data> for Chart {
            fn from(data: $data) -> Self {
                Self::$kind(data)
            }
        }
    )*};
}

chart_from!(
    Lines(Lines),
    Dots(Dots),
    Forest(Forest),
    Histograms(Histograms),
    Scatter(Scatter),
    Heat(HeatMaps),
    Map(Map),
);
