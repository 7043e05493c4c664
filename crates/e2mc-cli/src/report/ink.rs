//! What tells series apart: a slot of colour, marker and dash for every name on the page.

use std::fmt::{self, Write};

use super::text::escape;

/// How many slots the style sheet has colours for; more names share them from the first again.
pub(crate) const SLOTS: usize = 6;

/// The dash of each slot's line, so that lines differ without colour.
const DASHES: [&str; SLOTS] = ["none", "6 4", "none", "1.5 3.5", "9 3 2 3", "3 3"];

/// The slots of all names of a report, in the order in which they first appear.
#[derive(Debug, Default)]
pub(crate) struct Inks {
    names: Vec<String>,
}

impl Inks {
    /// Slots for `names`; a name that comes again keeps its slot.
    pub(crate) fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut inks = Self::default();
        for name in names {
            if !inks.names.iter().any(|known| known == name) {
                inks.names.push(name.to_owned());
            }
        }
        inks
    }

    /// The slot of `name`, below [`SLOTS`].
    pub(crate) fn slot(&self, name: &str) -> usize {
        self.names
            .iter()
            .position(|known| known == name)
            .unwrap_or(0)
            % SLOTS
    }
}

/// The dash pattern of a slot's line, as an SVG attribute value.
pub(crate) fn dash(slot: usize) -> &'static str {
    DASHES[slot % SLOTS]
}

/// The outline of a slot's marker of radius `r` around the origin, as SVG path data.
fn outline(slot: usize, r: f64) -> String {
    let (d, w, h) = (r * 1.35, r * 1.25, r * 1.1);
    match slot % SLOTS {
        0 => format!("M{r:.1} 0A{r:.1} {r:.1} 0 1 1 -{r:.1} 0A{r:.1} {r:.1} 0 1 1 {r:.1} 0Z"),
        1 => format!("M-{r:.1} -{r:.1}H{r:.1}V{r:.1}H-{r:.1}Z"),
        2 => format!("M0 -{d:.1}L{d:.1} 0L0 {d:.1}L-{d:.1} 0Z"),
        3 => format!("M0 -{w:.1}L{w:.1} {h:.1}H-{w:.1}Z"),
        4 => format!("M0 {w:.1}L{w:.1} -{h:.1}H-{w:.1}Z"),
        _ => format!("M-{d:.1} -{r:.1}H{d:.1}V0H-{d:.1}Z"),
    }
}

/// The marker shapes, defined once a page and used by every chart and legend.
pub(crate) fn define_markers(out: &mut String) -> fmt::Result {
    out.write_str("<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>")?;
    for slot in 0..SLOTS {
        let path = outline(slot, 4.0);
        write!(out, "<path id=\"m{slot}\" d=\"{path}\"/>")?;
    }
    out.write_str("</defs></svg>\n")
}

/// A marker of `slot` at a place of a chart.
pub(crate) fn marker(out: &mut String, slot: usize, x: f64, y: f64) -> fmt::Result {
    write!(
        out,
        "<use href=\"#m{slot}\" class=\"mark s{slot}\" x=\"{x:.1}\" y=\"{y:.1}\"/>"
    )
}

/// A marker of `slot` in a line of text.
pub(crate) fn glyph(slot: usize) -> String {
    format!(
        "<svg class=\"glyph s{slot}\" viewBox=\"-6 -6 12 12\" aria-hidden=\"true\">\
         <use href=\"#m{slot}\" class=\"mark\"/></svg>"
    )
}

/// One entry of a legend: how it is drawn, and what it is called.
pub(crate) enum Entry<'a> {
    /// A line with the slot's dash and marker.
    Line(usize, &'a str),
    /// The slot's marker alone.
    Marker(usize, &'a str),
    /// A filled area in the slot's colour, with its marker.
    Area(usize, &'a str),
    /// A thin dashed line that is not data: a level or a reference.
    Reference(&'a str),
    /// Plain words about a mark that needs no sample.
    Words(&'a str),
}

/// A legend: a list of samples with their names.
pub(crate) fn legend(out: &mut String, entries: &[Entry]) -> fmt::Result {
    const OPEN: &str = "viewBox=\"0 -6 30 12\" aria-hidden=\"true\">";
    out.write_str("<ul class=\"legend\">")?;
    for entry in entries {
        out.write_str("<li>")?;
        let name = match entry {
            Entry::Line(slot, name) => {
                let dash = dash(*slot);
                write!(
                    out,
                    "<svg class=\"sample s{slot}\" {OPEN}<path class=\"line\" d=\"M0 0H30\" \
                     stroke-dasharray=\"{dash}\"/><use href=\"#m{slot}\" class=\"mark\" x=\"15\" y=\"0\"/></svg>"
                )?;
                name
            }
            Entry::Marker(slot, name) => {
                out.write_str(&glyph(*slot))?;
                name
            }
            Entry::Area(slot, name) => {
                write!(
                    out,
                    "<svg class=\"sample s{slot}\" {OPEN}<path class=\"area\" d=\"M2 5V-5H28V5Z\"/>\
                     <use href=\"#m{slot}\" class=\"mark\" x=\"15\" y=\"0\"/></svg>"
                )?;
                name
            }
            Entry::Reference(name) => {
                write!(
                    out,
                    "<svg class=\"sample\" {OPEN}<path class=\"level\" d=\"M0 0H30\"/></svg>"
                )?;
                name
            }
            Entry::Words(name) => name,
        };
        write!(out, "<span>{}</span></li>", escape(name))?;
    }
    out.write_str("</ul>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_slot() {
        let inks = Inks::of(["base", "continued", "base", "+ E2MC"]);
        assert_eq!(inks.slot("base"), 0);
        assert_eq!(inks.slot("continued"), 1);
        assert_eq!(inks.slot("+ E2MC"), 2);
    }

    #[test]
    fn more_names_than_slots_share_them() {
        let names: Vec<String> = (0..SLOTS + 2).map(|i| format!("series {i}")).collect();
        let inks = Inks::of(names.iter().map(String::as_str));
        assert_eq!(inks.slot("series 6"), 0);
        assert_eq!(inks.slot("series 7"), 1);
    }

    #[test]
    fn slots_differ_in_shape() {
        for a in 0..SLOTS {
            for b in 0..a {
                assert_ne!(outline(a, 4.0), outline(b, 4.0));
            }
        }
    }
}
