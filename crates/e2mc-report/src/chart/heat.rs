//! Heat maps: a quantity over a grid of two settings, a panel each, as the paper's Table D.2.
//!
//! Colour only supports what each cell says in digits; where cells are too narrow for digits the
//! pointer gives them. One hue from the card's colour to a middle tone, so that text in the usual ink
//! stays readable on every cell.

use std::fmt::{self, Write};

use super::panel::{Figure, Hit, Panel};
use crate::axis::Domain;
use crate::legend::Entry;
use crate::number;
use crate::table::Estimate;
use crate::text::{escape, plain, prose, shorten, text_width};

const WIDTH: f64 = 336.0;
/// The room over the cells for the name of the rows' setting.
const HEAD: f64 = 20.0;
/// The room under the cells for the columns' values and the name of their setting.
const FOOT: f64 = 36.0;
const WIDEST_CELL: f64 = 88.0;
/// How much of the deepest colour the palest cell has.
const PALEST: f64 = 0.1;

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
    /// Whether the highest cell is a find, beyond the noise of the reference: only then is it framed.
    pub find: bool,
}

impl HeatMaps {
    pub(crate) fn figure(&self) -> Figure {
        Figure {
            kind: "heat",
            title: self.title.clone(),
            caption: self.caption.clone(),
            panels: self.panels.iter().map(|panel| self.panel(panel)).collect(),
            ..Figure::default()
        }
    }

    fn panel(&self, panel: &HeatPanel) -> Panel {
        let mut drawn = Panel {
            title: panel.title.clone(),
            unit: panel.unit.clone(),
            legend: panel.legend(),
            size: (WIDTH, HEAD + 60.0),
            ..Panel::default()
        };
        let Some(domain) = panel.domain() else {
            drawn.leave_empty();
            return drawn;
        };
        let layout = Layout::new(self, panel);
        drawn.size.1 = layout.height();
        drawn.description = self.summary(panel);
        drawn.readout = Some(format!(
            "<span>{}</span>",
            prose(&self.best_in_words(panel))
        ));
        drawn.remarks = vec![panel.scale_in_words()];
        self.draw(&mut drawn.drawing, panel, domain, &layout)
            .expect("writing to a string does not fail");
        drawn.hits = self.hits(panel, &layout);
        drawn
    }

    fn draw(
        &self,
        out: &mut String,
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
            escape(&shorten(&self.y_label, (WIDTH / text_width("0")) as usize))
        )?;
        for (i, label) in self.y.iter().enumerate() {
            let label = shorten(label, layout.row_label);
            write!(
                out,
                "<text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                left - 6.0,
                HEAD + (i as f64 + 0.5) * row + 4.0,
                escape(&label)
            )?;
        }
        let bottom = HEAD + self.y.len() as f64 * row;
        let fits = (cell / text_width("0")).max(1.0) as usize;
        for (j, label) in self.x.iter().enumerate() {
            write!(
                out,
                "<text class=\"tick middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                left + (j as f64 + 0.5) * cell,
                bottom + 15.0,
                escape(&shorten(label, fits))
            )?;
        }
        let across = self.x.len() as f64 * cell;
        let x_label = shorten(&self.x_label, (WIDTH / text_width("0")) as usize);
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
        for i in 0..self.y.len() {
            for j in 0..self.x.len() {
                let place = (left + j as f64 * cell, HEAD + i as f64 * row);
                draw_cell(out, panel, domain, layout, place, (i, j))?;
            }
        }
        if let Some((i, j, _)) = panel.best().filter(|_| panel.find) {
            let (x, y) = (left + j as f64 * cell, HEAD + i as f64 * row);
            write!(
                out,
                "<rect class=\"best\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\"/>",
                x + 1.0,
                y + 1.0,
                cell - 2.0,
                row - 2.0
            )?;
        }
        Ok(())
    }

    fn hits(&self, panel: &HeatPanel, layout: &Layout) -> Vec<Hit> {
        let Layout {
            left, cell, row, ..
        } = *layout;
        let places = (0..self.y.len()).flat_map(|i| (0..self.x.len()).map(move |j| (i, j)));
        let hit = |(i, j)| Hit {
            place: (left + j as f64 * cell, HEAD + i as f64 * row, cell, row),
            text: self.hint(panel, i, j),
        };
        places.map(hit).collect()
    }

    /// What the pointer is told about a cell: where it is, then its values.
    fn hint(&self, panel: &HeatPanel, i: usize, j: usize) -> String {
        let mut text = self.place(i, j);
        match panel.known(i, j) {
            None => text.push_str("\nvalue: no value"),
            Some(estimate) => {
                write!(text, "\nvalue: {}", panel.words(estimate)).expect("a string");
                if let Some((name, value)) = &panel.reference {
                    let difference = number::fixed(estimate.value - value, panel.decimals);
                    let sign = if estimate.value > *value { "+" } else { "" };
                    write!(text, "\ndifference: {sign}{difference} over {name}").expect("a string");
                }
            }
        }
        text
    }

    fn place(&self, i: usize, j: usize) -> String {
        let setting = |label: &str, value: &str| match label {
            "" => String::new(),
            _ => format!("{label} {value}"),
        };
        let parts = [
            setting(&self.y_label, &self.y[i]),
            setting(&self.x_label, &self.x[j]),
        ];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }

    fn best_in_words(&self, panel: &HeatPanel) -> String {
        let Some((i, j, estimate)) = panel.best() else {
            return String::new();
        };
        format!("best: {} at {}", panel.words(estimate), self.place(i, j))
    }

    fn summary(&self, panel: &HeatPanel) -> String {
        let mut text = format!("{} {}", plain(&panel.title), panel.unit);
        for i in 0..self.y.len() {
            for j in 0..self.x.len() {
                let value = panel.known(i, j);
                let value = value.map_or_else(|| "no value".to_owned(), |e| panel.words(e));
                text.push_str(&format!("; {}: {value}", self.place(i, j)));
            }
        }
        text
    }
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
            "<rect class=\"nothing\" {frame}/><text class=\"tick middle\" x=\"{middle:.1}\" y=\"{:.1}\">–</text>",
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

impl HeatPanel {
    fn known(&self, i: usize, j: usize) -> Option<&Estimate> {
        let estimate = self.cells.get(i)?.get(j)?.as_ref()?;
        estimate.value.is_finite().then_some(estimate)
    }

    /// All values that there are, with their places.
    fn all(&self) -> impl Iterator<Item = (usize, usize, &Estimate)> {
        let rows = self.cells.iter().enumerate();
        let places = rows.flat_map(|(i, row)| (0..row.len()).map(move |j| (i, j)));
        places.filter_map(|(i, j)| Some((i, j, self.known(i, j)?)))
    }

    fn domain(&self) -> Option<Domain> {
        self.all().next()?;
        let (low, high) = self.ends();
        Some(Domain::new(low, high))
    }

    /// The first of the highest cells, where there is more than one cell to choose from.
    fn best(&self) -> Option<(usize, usize, &Estimate)> {
        let mut all = self.all();
        let first = all.next()?;
        all.next()?;
        let higher = |best: (usize, usize, _), cell: (usize, usize, _)| {
            let (a, b): (&Estimate, &Estimate) = (best.2, cell.2);
            if b.value > a.value { cell } else { best }
        };
        Some(self.all().fold(first, higher))
    }

    fn words(&self, estimate: &Estimate) -> String {
        let value = number::with_error(estimate.value, estimate.standard_error, self.decimals);
        match self.unit.as_str() {
            "" => value,
            unit => format!("{value} {unit}"),
        }
    }

    /// The smallest and the largest value, the reference among them.
    fn ends(&self) -> (f64, f64) {
        let reference = || self.reference.iter().map(|(_, value)| *value);
        let reference = || reference().filter(|value| value.is_finite());
        let values = || self.all().map(|(_, _, e)| e.value).chain(reference());
        (
            values().fold(f64::INFINITY, f64::min),
            values().fold(f64::NEG_INFINITY, f64::max),
        )
    }

    fn legend(&self) -> Vec<Entry> {
        let (low, high) = self.ends();
        if self.domain().is_none() {
            return Vec::new();
        }
        let words = |value| number::fixed(value, self.decimals);
        let mut entries = vec![
            Entry::Shade(PALEST, words(low)),
            Entry::Shade(1.0, words(high)),
        ];
        if self.find && self.best().is_some() {
            entries.push(Entry::Framed("the highest".to_owned()));
        }
        if let Some((name, value)) = &self.reference {
            entries.push(Entry::Words(format!("{name}: {}", words(*value))));
        }
        entries
    }

    fn scale_in_words(&self) -> String {
        let (low, high) = self.ends();
        let mut text = format!(
            "From {} without colour to {} in full colour{}.",
            number::fixed(low, self.decimals),
            number::fixed(high, self.decimals),
            if self.find {
                "; the highest is framed"
            } else {
                ""
            }
        );
        if let Some((name, value)) = &self.reference {
            let value = number::fixed(*value, self.decimals);
            write!(text, " {name}: {value}.").expect("a string");
        }
        text
    }
}

/// The sizes of a panel's parts.
struct Layout {
    /// Where the cells begin.
    left: f64,
    /// A cell's width and height.
    cell: f64,
    row: f64,
    rows: usize,
    /// Characters of a row's label.
    row_label: usize,
    /// Whether cells are wide enough for their digits.
    digits: bool,
}

impl Layout {
    fn new(map: &HeatMaps, panel: &HeatPanel) -> Self {
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

    fn height(&self) -> f64 {
        HEAD + self.rows as f64 * self.row + FOOT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(values: &[[f64; 3]]) -> HeatMaps {
        let cell = |value: &f64| {
            Some(Estimate {
                value: *value,
                standard_error: Some(0.1),
                runs: vec![],
            })
        };
        HeatMaps {
            title: "Top-1".to_owned(),
            x_label: "gamma".to_owned(),
            x: ["0", "1", "25"].map(str::to_owned).to_vec(),
            y_label: "beta".to_owned(),
            y: (0..values.len()).map(|i| i.to_string()).collect(),
            panels: vec![HeatPanel {
                title: "1 % of labels".to_owned(),
                unit: "%".to_owned(),
                decimals: 2,
                cells: values
                    .iter()
                    .map(|row| row.iter().map(cell).collect())
                    .collect(),
                reference: Some(("base".to_owned(), 53.69)),
                find: true,
            }],
            ..HeatMaps::default()
        }
    }

    fn page(map: &HeatMaps) -> String {
        let mut out = String::new();
        map.figure().html(&mut out).unwrap();
        out
    }

    /// The paper's Table D.2, in part.
    const TABLE: [[f64; 3]; 2] = [[53.69, 53.63, 53.66], [53.85, 54.29, 55.27]];

    #[test]
    fn every_cell_says_its_value_and_its_place() {
        let html = page(&map(&TABLE));
        for value in TABLE.as_flattened() {
            assert!(html.contains(&format!(">{value:.2}</text>")), "{value}");
        }
        assert_eq!(html.matches(">± 0.10</text>").count(), 6);
        assert!(html.contains(
            "<title>beta 1, gamma 25\nvalue: 55.27 ± 0.10 %\ndifference: +1.58 over base</title>"
        ));
        assert!(html.contains("difference: −0.06 over base"));
        assert!(html.contains("best: 55.27\u{a0}±\u{a0}0.10\u{a0}% at beta 1, gamma 25"));
        assert!(html.contains(
            "From 53.63 without colour to 55.27 in full colour; the highest is framed. base: 53.69."
        ));
        assert_eq!(html.matches("class=\"best\"").count(), 1);
        // The ends of the colour scale are the smallest and the largest value.
        assert!(html.contains("fill-opacity=\"0.100\"") && html.contains("fill-opacity=\"1.000\""));
    }

    #[test]
    fn the_reference_stands_in_the_scale_and_noise_is_not_framed() {
        let mut map = map(&TABLE);
        map.panels[0].find = false;
        map.panels[0].reference = Some(("base".to_owned(), 60.0));
        let html = page(&map);
        assert!(html.contains("From 53.63 without colour to 60.00 in full colour. base: 60.00."));
        assert!(!html.contains("class=\"best\"") && !html.contains("fill-opacity=\"1.000\""));
        let legend = &map.figure().panels[0].legend;
        assert!(!legend.iter().any(|entry| matches!(entry, Entry::Framed(_))));
    }

    #[test]
    fn what_is_missing_is_drawn_as_missing() {
        let mut map = map(&[[1.0, f64::NAN, 2.0]]);
        map.panels[0].cells[0][2] = None;
        let html = page(&map);
        assert_eq!(html.matches("class=\"nothing\"").count(), 2);
        assert!(!html.contains("NaN"));
        assert!(!html.contains("class=\"best\""), "one value is no choice");
        map.panels[0].cells = vec![];
        assert!(page(&map).contains("no values to draw"));
        assert!(map.figure().to_svg().ends_with("</svg>\n"));
    }

    #[test]
    fn narrow_cells_leave_their_digits_to_the_pointer() {
        let mut map = map(&TABLE);
        map.x = (0..12).map(|i| i.to_string()).collect();
        let row = map.panels[0].cells[0][0].clone();
        map.panels[0].cells = vec![vec![row; 12]; 2];
        let html = page(&map);
        assert!(!html.contains(">53.69</text>"));
        assert_eq!(html.matches("value: 53.69 ± 0.10 %").count(), 24);
    }

    #[test]
    fn the_file_is_complete_in_itself_and_has_the_pages_colours() {
        let svg = map(&TABLE).figure().to_svg();
        let document = roxmltree::Document::parse(&svg).expect("well-formed");
        assert_eq!(document.root_element().tag_name().name(), "svg");
        assert!(!svg.contains("var(") && !svg.contains("class=\"hit\""));
        assert!(svg.contains("fill=\"#ffffff\"") && svg.contains(".cell { fill: #4f9fdc; }"));
    }
}
