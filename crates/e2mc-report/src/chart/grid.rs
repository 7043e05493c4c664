//! Grids: a quantity or several over two settings, as a heat map shows them.

use crate::axis::Domain;
use crate::number;
use crate::table::Estimate;

/// A quantity or several over the same grid.
#[derive(Clone, Debug, Default)]
pub struct HeatMaps {
    /// Heading over all panels.
    pub title: String,
    /// What the reader should see, under the panels.
    pub caption: String,
    /// The setting whose values are the columns.
    pub x_label: String,
    /// Its values, left to right.
    pub x: Vec<String>,
    /// The setting whose values are the rows.
    pub y_label: String,
    /// Its values, top to bottom.
    pub y: Vec<String>,
    /// A panel each.
    pub panels: Vec<HeatPanel>,
}

/// One quantity.
#[derive(Clone, Debug, Default)]
pub struct HeatPanel {
    /// The quantity.
    pub title: String,
    /// Its unit.
    pub unit: String,
    /// Digits after the point.
    pub decimals: usize,
    /// A row of cells for each row of the grid; `None` where nothing was measured.
    pub cells: Vec<Vec<Option<Estimate>>>,
    /// A value to compare each cell with, and its name.
    pub reference: Option<(String, f64)>,
    /// Whether the highest cell is a find, beyond the noise of the reference: only then is it
    /// framed.
    pub find: bool,
}

impl HeatPanel {
    pub(super) fn known(&self, i: usize, j: usize) -> Option<&Estimate> {
        let estimate = self.cells.get(i)?.get(j)?.as_ref()?;
        estimate.value.is_finite().then_some(estimate)
    }

    /// All values that there are, with their places.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, usize, &Estimate)> {
        let rows = self.cells.iter().enumerate();
        let places = rows.flat_map(|(i, row)| (0..row.len()).map(move |j| (i, j)));
        places.filter_map(|(i, j)| Some((i, j, self.known(i, j)?)))
    }

    pub(super) fn domain(&self) -> Option<Domain> {
        self.all().next()?;
        let (low, high) = self.ends();
        Some(Domain::new(low, high))
    }

    /// The first of the highest cells, where there is more than one cell to choose from.
    pub(super) fn best(&self) -> Option<(usize, usize, &Estimate)> {
        let mut all = self.all();
        let first = all.next()?;
        all.next()?;
        let higher = |best: (usize, usize, _), cell: (usize, usize, _)| {
            let (a, b): (&Estimate, &Estimate) = (best.2, cell.2);
            if b.value > a.value { cell } else { best }
        };
        Some(self.all().fold(first, higher))
    }

    pub(super) fn words(&self, estimate: &Estimate) -> String {
        let value = number::with_error(estimate.value, estimate.standard_error, self.decimals);
        match self.unit.as_str() {
            "" => value,
            unit => format!("{value} {unit}"),
        }
    }

    /// The smallest and the largest value, the reference among them.
    pub(super) fn ends(&self) -> (f64, f64) {
        let reference = || self.reference.iter().map(|(_, value)| *value);
        let reference = || reference().filter(|value| value.is_finite());
        let values = || self.all().map(|(_, _, e)| e.value).chain(reference());
        (
            values().fold(f64::INFINITY, f64::min),
            values().fold(f64::NEG_INFINITY, f64::max),
        )
    }
}
