//! Heat maps: a quantity over a grid of two settings, a panel each, as the paper's Table D.2.
//!
//! Colour only supports what each cell says in digits; where cells are too narrow for digits the
//! pointer gives them. One hue from the card's colour to a middle tone, so that text in the usual
//! ink stays readable on every cell.

use std::fmt::Write;

use super::cells::{self, HEAD, Layout, PALEST, WIDTH};
use super::grid::{HeatMaps, HeatPanel};
use super::panel::{Figure, Hit, Panel};
use crate::legend::Entry;
use crate::number;
use crate::text::{plain, prose};

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
        cells::draw(&mut drawn.drawing, self, panel, domain, &layout)
            .expect("writing to a string does not fail");
        drawn.hits = self.hits(panel, &layout);
        drawn
    }

    fn hits(&self, panel: &HeatPanel, layout: &Layout) -> Vec<Hit> {
        let Layout {
            left, cell, row, ..
        } = *layout;
        let places = (0..self.y.len()).flat_map(|i| (0..self.x.len()).map(move |j| (i, j)));
        let hit = |(i, j)| Hit {
            place: (left + j as f64 * cell, HEAD + i as f64 * row, cell, row),
            text: self.hint(panel, i, j),
            picture: None,
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
        let word = if panel.find { "best" } else { "highest" };
        format!("{word}: {} at {}", panel.words(estimate), self.place(i, j))
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

impl HeatPanel {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Estimate;

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
