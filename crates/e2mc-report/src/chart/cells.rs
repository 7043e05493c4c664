//! The cells of a heat map: their sizes, colours and digits, as SVG.

use std::fmt::{self, Write};

use super::grid::{HeatMaps, HeatPanel};
use crate::axis::Domain;
use crate::number;
use crate::table::Estimate;
use crate::text::{escape, shorten, text_width};

pub(super) const WIDTH: f64 = 336.0;
/// The room over the cells for the name of the rows' setting.
pub(super) const HEAD: f64 = 20.0;
/// The room under the cells for the columns' values and the name of their setting.
const FOOT: f64 = 36.0;
const WIDEST_CELL: f64 = 88.0;
/// How much of the deepest colour the palest cell has.
pub(super) const PALEST: f64 = 0.1;

/// The sizes of a panel's parts.
pub(super) struct Layout {
    /// Where the cells begin.
    pub(super) left: f64,
    /// A cell's width and height.
    pub(super) cell: f64,
    pub(super) row: f64,
    rows: usize,
    /// Characters of a row's label.
    row_label: usize,
    /// Whether cells are wide enough for their digits.
    digits: bool,
}

impl Layout {
    pub(super) fn new(map: &HeatMaps, panel: &HeatPanel) -> Self {
        const LONGEST_LABEL: usize = 14;
        let row_label = map.y.iter().map(|label| label.chars().count()).max();
        let row_label = row_label.unwrap_or(0).min(LONGEST_LABEL);
        let left = text_width(&"0".repeat(row_label)) + 8.0;
        let cell = ((WIDTH - left) / map.x.len().max(1) as f64).min(WIDEST_CELL);
        let widest = |estimate: &Estimate| {
            let value = text_width(&number::fixed(estimate.value, panel.decimals));
            let error = estimate
                .standard_error
                .map(|error| text_width(&format!("± {}", number::fixed(error, panel.decimals))));
            // Values are a size larger than other text.
            (value * 12.0 / 11.0).max(error.unwrap_or(0.0))
        };
        let widest = panel.all().map(|(_, _, estimate)| widest(estimate));
        let digits = widest.fold(0.0, f64::max) + 4.0 <= cell;
        let errors = panel
            .all()
            .any(|(_, _, estimate)| estimate.standard_error.is_some());
        Self {
            left,
            cell,
            row: if errors { 42.0 } else { 32.0 },
            rows: map.y.len(),
            row_label,
            digits,
        }
    }

    pub(super) fn height(&self) -> f64 {
        HEAD + self.rows as f64 * self.row + FOOT
    }
}

/// Draws the labels and cells of a panel.
pub(super) fn draw(
    out: &mut String,
    map: &HeatMaps,
    panel: &HeatPanel,
    domain: Domain,
    layout: &Layout,
) -> fmt::Result {
    let Layout {
        left, cell, row, ..
    } = *layout;
    write!(
        out,
        "<text class=\"tick\" x=\"0\" y=\"11\">{}</text>",
        escape(&shorten(&map.y_label, (WIDTH / text_width("0")) as usize))
    )?;
    for (i, label) in map.y.iter().enumerate() {
        let label = shorten(label, layout.row_label);
        write!(
            out,
            "<text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left - 6.0,
            HEAD + (i as f64 + 0.5) * row + 4.0,
            escape(&label)
        )?;
    }
    let bottom = HEAD + map.y.len() as f64 * row;
    let fits = (cell / text_width("0")).max(1.0) as usize;
    for (j, label) in map.x.iter().enumerate() {
        write!(
            out,
            "<text class=\"tick middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left + (j as f64 + 0.5) * cell,
            bottom + 15.0,
            escape(&shorten(label, fits))
        )?;
    }
    let across = map.x.len() as f64 * cell;
    let x_label = shorten(&map.x_label, (WIDTH / text_width("0")) as usize);
    let half = text_width(&x_label) / 2.0;
    write!(
        out,
        "<text class=\"tick middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        (left + across / 2.0)
            .max(half)
            .min((WIDTH - half).max(half)),
        bottom + 31.0,
        escape(&x_label)
    )?;
    for i in 0..map.y.len() {
        for j in 0..map.x.len() {
            let place = (left + j as f64 * cell, HEAD + i as f64 * row);
            draw_cell(out, panel, domain, layout, place, (i, j))?;
        }
    }
    if let Some((i, j, _)) = panel.best().filter(|_| panel.find) {
        let (x, y) = (left + j as f64 * cell, HEAD + i as f64 * row);
        write!(
            out,
            "<rect class=\"best\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
             rx=\"3\"/>",
            x + 1.0,
            y + 1.0,
            cell - 2.0,
            row - 2.0
        )?;
    }
    Ok(())
}

fn draw_cell(
    out: &mut String,
    panel: &HeatPanel,
    domain: Domain,
    layout: &Layout,
    (x, y): (f64, f64),
    (i, j): (usize, usize),
) -> fmt::Result {
    let Layout { cell, row, .. } = *layout;
    let frame = format!(
        "x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\"",
        x + 1.0,
        y + 1.0,
        cell - 2.0,
        row - 2.0
    );
    let (middle, base) = (x + cell / 2.0, y + row / 2.0);
    let Some(estimate) = panel.known(i, j) else {
        return write!(
            out,
            "<rect class=\"nothing\" {frame}/><text class=\"tick middle\" x=\"{middle:.1}\" \
             y=\"{:.1}\">–</text>",
            base + 4.0
        );
    };
    // The palest cell still stands out from the card.
    let fraction = PALEST + (1.0 - PALEST) * domain.fraction(estimate.value);
    write!(
        out,
        "<rect class=\"cell\" fill-opacity=\"{fraction:.3}\" {frame}/>"
    )?;
    if !layout.digits {
        return Ok(());
    }
    let error = estimate.standard_error.filter(|error| error.is_finite());
    let lift = if error.is_some() { 3.0 } else { -4.0 };
    write!(
        out,
        "<text class=\"number middle\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>",
        base - lift,
        number::fixed(estimate.value, panel.decimals)
    )?;
    if let Some(error) = error {
        write!(
            out,
            "<text class=\"middle\" x=\"{middle:.1}\" y=\"{:.1}\">± {}</text>",
            base + 12.0,
            number::fixed(error, panel.decimals)
        )?;
    }
    Ok(())
}
