//! Heat maps: a quantity over a grid of two settings, a panel each, as the paper's Table D.2.
//!
//! Colour only supports what each cell says in digits; where cells are too narrow for digits the
//! pointer gives them. One hue from the card's colour to a middle tone, so that text in the usual ink
//! stays readable on every cell.

use std::fmt::{self, Write};

use super::super::axis::Domain;
use super::super::number;
use super::super::table::Estimate;
use super::super::text::{escape, prose, shorten};

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
pub(crate) struct HeatMaps {
    /// Heading over all panels.
    pub(crate) title: String,
    /// What the reader should see, under the panels.
    pub(crate) caption: String,
    /// The setting whose values are the columns.
    pub(crate) x_label: String,
    /// Its values, left to right.
    pub(crate) x: Vec<String>,
    /// The setting whose values are the rows.
    pub(crate) y_label: String,
    /// Its values, top to bottom.
    pub(crate) y: Vec<String>,
    /// A panel each.
    pub(crate) panels: Vec<HeatPanel>,
}

/// One quantity.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeatPanel {
    /// The quantity.
    pub(crate) title: String,
    /// Its unit.
    pub(crate) unit: String,
    /// Digits after the point.
    pub(crate) decimals: usize,
    /// A row of cells for each row of the grid; `None` where nothing was measured.
    pub(crate) cells: Vec<Vec<Option<Estimate>>>,
    /// A value to compare each cell with, and its name.
    pub(crate) reference: Option<(String, f64)>,
}

/// Where a drawing's colours come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Paint {
    /// The page's style sheet, which follows the reader's scheme.
    Page,
    /// The drawing itself, for programs that know no style sheets' variables.
    File,
}

/// The light scheme's colours, as in `style.css`: what a file is drawn with.
const CARD: [u8; 3] = [0xff, 0xff, 0xff];
const HEAT: [u8; 3] = [0x4f, 0x9f, 0xdc];
const FILE_STYLE: &str = "text{font:11px system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:#1b2027}\
    .tick{fill:#5a6472}.number{font-size:12px}.middle{text-anchor:middle}.end{text-anchor:end}\
    .heading{font-size:14px;font-weight:600}.best{fill:none;stroke:#1b2027;stroke-width:1.5}\
    .nothing{fill:none;stroke:#e2e4e8;stroke-dasharray:4 4}";

impl HeatMaps {
    pub(crate) fn render(&self, out: &mut String) -> fmt::Result {
        super::open_figure(out, "heat", &self.title, &[])?;
        for panel in &self.panels {
            super::open_panel(out, &panel.title, &panel.unit, &[])?;
            let Some(domain) = panel.domain() else {
                super::empty_svg(out, WIDTH, HEAD + 60.0, &panel.title)?;
                super::close_panel(out, &[])?;
                continue;
            };
            write!(
                out,
                "<p class=\"readout\"><span>{}</span></p>",
                prose(&self.best_in_words(panel))
            )?;
            let layout = Layout::new(self, panel);
            super::open_svg(out, WIDTH, layout.height(), &self.summary(panel))?;
            self.draw(out, panel, domain, &layout, Paint::Page)?;
            out.write_str("</svg>")?;
            super::close_panel(out, &[panel.scale_in_words()])?;
        }
        super::close_figure(out, &self.caption, &[])
    }

    /// All panels as one SVG file in the light scheme, two beside each other.
    pub(crate) fn to_svg(&self) -> String {
        let mut out = String::new();
        self.write_svg(&mut out)
            .expect("writing to a string does not fail");
        out
    }

    fn write_svg(&self, out: &mut String) -> fmt::Result {
        const GAP: f64 = 28.0;
        const HEADING: f64 = 26.0;
        const REMARK: f64 = 18.0;
        let drawn: Vec<_> = self
            .panels
            .iter()
            .filter_map(|panel| Some((panel, panel.domain()?, Layout::new(self, panel))))
            .collect();
        let tallest = drawn.iter().map(|(_, _, layout)| layout.height());
        let step = HEADING + tallest.fold(0.0, f64::max) + REMARK + GAP;
        let columns = drawn.len().clamp(1, 2);
        let width = GAP + columns as f64 * (WIDTH + GAP);
        let height = GAP + drawn.len().div_ceil(columns) as f64 * step;
        write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n\
             <style>{FILE_STYLE}</style>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
            escape(&self.title)
        )?;
        for (index, (panel, domain, layout)) in drawn.iter().enumerate() {
            let x = GAP + (index % columns) as f64 * (WIDTH + GAP);
            let y = GAP + (index / columns) as f64 * step;
            let unit = if panel.unit.is_empty() {
                String::new()
            } else {
                format!(", {}", panel.unit)
            };
            write!(
                out,
                "<g transform=\"translate({x} {y})\">\
                 <text class=\"heading\" y=\"12\">{}</text><g transform=\"translate(0 {HEADING})\">",
                escape(&format!("{}{unit}", panel.title))
            )?;
            self.draw(out, panel, *domain, layout, Paint::File)?;
            writeln!(
                out,
                "<text class=\"tick\" y=\"{:.1}\">{}</text></g></g>",
                layout.height() + 12.0,
                escape(&panel.scale_in_words())
            )?;
        }
        out.write_str("</svg>\n")
    }

    fn draw(
        &self,
        out: &mut String,
        panel: &HeatPanel,
        domain: Domain,
        layout: &Layout,
        paint: Paint,
    ) -> fmt::Result {
        let Layout {
            left, cell, row, ..
        } = *layout;
        write!(
            out,
            "<text class=\"tick\" x=\"0\" y=\"11\">{}</text>",
            escape(&shorten(
                &self.y_label,
                (WIDTH / super::text_width("0")) as usize
            ))
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
        let fits = (cell / super::text_width("0")).max(1.0) as usize;
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
        let x_label = shorten(&self.x_label, (WIDTH / super::text_width("0")) as usize);
        let half = super::text_width(&x_label) / 2.0;
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
                self.draw_cell(out, panel, domain, layout, place, (i, j), paint)?;
            }
        }
        if let Some((i, j, _)) = panel.best() {
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
        if paint == Paint::File {
            return Ok(());
        }
        // Over everything else, so that the pointer finds them.
        for i in 0..self.y.len() {
            for j in 0..self.x.len() {
                write!(
                    out,
                    "<rect class=\"hit\" x=\"{:.1}\" y=\"{:.1}\" width=\"{cell:.1}\" height=\"{row:.1}\"><title>{}</title></rect>",
                    left + j as f64 * cell,
                    HEAD + i as f64 * row,
                    escape(&self.hint(panel, i, j))
                )?;
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "a drawing has many coordinates")]
    fn draw_cell(
        &self,
        out: &mut String,
        panel: &HeatPanel,
        domain: Domain,
        layout: &Layout,
        (x, y): (f64, f64),
        (i, j): (usize, usize),
        paint: Paint,
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
        match paint {
            Paint::Page => write!(
                out,
                "<rect class=\"cell\" style=\"--f: {:.1}%\" {frame}/>",
                100.0 * fraction
            )?,
            Paint::File => write!(out, "<rect fill=\"{}\" {frame}/>", mixed(fraction))?,
        }
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
        let mut text = format!("{} {}", panel.title, panel.unit);
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
        Domain::of(self.all().map(|(_, _, estimate)| estimate.value))
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

    fn scale_in_words(&self) -> String {
        let values = || self.all().map(|(_, _, estimate)| estimate.value);
        let low = values().fold(f64::INFINITY, f64::min);
        let high = values().fold(f64::NEG_INFINITY, f64::max);
        let mut text = format!(
            "From {} without colour to {} in full colour; the highest is framed.",
            number::fixed(low, self.decimals),
            number::fixed(high, self.decimals)
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
        let left = super::text_width(&"0".repeat(row_label)) + 8.0;
        let cell = ((WIDTH - left) / map.x.len().max(1) as f64).min(WIDEST_CELL);
        let widest = |estimate: &Estimate| {
            let value = super::text_width(&number::fixed(estimate.value, panel.decimals));
            let error = estimate.standard_error.map(|error| {
                super::text_width(&format!("± {}", number::fixed(error, panel.decimals)))
            });
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

/// The light scheme's colour of a cell, as `color-mix(in srgb, …)` gives it.
fn mixed(fraction: f64) -> String {
    let channel = |i: usize| {
        let (low, high) = (f64::from(CARD[i]), f64::from(HEAT[i]));
        (low + (high - low) * fraction).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", channel(0), channel(1), channel(2))
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
            }],
            ..HeatMaps::default()
        }
    }

    fn page(map: &HeatMaps) -> String {
        let mut out = String::new();
        map.render(&mut out).unwrap();
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
        assert!(html.contains("--f: 10.0%") && html.contains("--f: 100.0%"));
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
        assert!(map.to_svg().ends_with("</svg>\n"));
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
        let svg = map(&TABLE).to_svg();
        let document = roxmltree::Document::parse(&svg).expect("well-formed");
        assert_eq!(document.root_element().tag_name().name(), "svg");
        assert!(!svg.contains("var(") && !svg.contains("href") && !svg.contains("class=\"hit\""));
        assert!(svg.contains("fill=\"#ffffff\"") && svg.contains("fill=\"#4f9fdc\""));
        let style = include_str!("../style.css");
        assert!(style.contains("--card: #ffffff") && style.contains("--heat: #4f9fdc"));
        assert_eq!(mixed(0.5), "#a7cfee");
    }
}
