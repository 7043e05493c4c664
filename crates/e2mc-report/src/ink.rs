//! What tells series apart: a slot of colour, marker and dash for every name, the same on all pages of a set.

use std::fmt::Write;

use crate::palette::SLOTS;

/// The dash of each slot's line, so that lines differ without colour.
const DASHES: [&str; SLOTS] = [
    "none",
    "none",
    "6 4",
    "1.5 3.5",
    "9 3 2 3",
    "3 3",
    "12 4",
    "6 2 1 2 1 2",
];

/// The slots of names, in the order in which they were registered.
///
/// One registry given to several pages gives a run the same colour on all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inks {
    base: Option<String>,
    names: Vec<String>,
}

impl Inks {
    /// Slots for `names`; a name that comes again keeps its slot.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut inks = Self::default();
        inks.register(names);
        inks
    }

    /// A registry in which `base`, what the others are compared with, is grey.
    #[must_use]
    pub fn with_base(base: &str) -> Self {
        Self {
            base: Some(base.to_owned()),
            names: Vec::new(),
        }
    }

    /// Adds the names that are new.
    pub fn register<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            let base = self.base.as_deref() == Some(name);
            if !base && !self.names.iter().any(|known| known == name) {
                self.names.push(name.to_owned());
            }
        }
    }

    /// The slot of `name`, below [`SLOTS`]: 0 for the base alone.
    #[must_use]
    pub fn slot(&self, name: &str) -> usize {
        if self.base.as_deref() == Some(name) {
            return 0;
        }
        let place = self.names.iter().position(|known| known == name);
        1 + place.unwrap_or(0) % (SLOTS - 1)
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
        5 => format!("M-{d:.1} -{r:.1}H{d:.1}V0H-{d:.1}Z"),
        6 => format!("M-{w:.1} 0L{h:.1} -{w:.1}V{w:.1}Z"),
        _ => format!("M{w:.1} 0L-{h:.1} {w:.1}V-{w:.1}Z"),
    }
}

/// The marker shapes, defined once a page or file and used by every chart and legend.
pub(crate) fn markers() -> String {
    let mut out =
        String::from("<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>");
    for slot in 0..SLOTS {
        let path = outline(slot, 4.0);
        write!(out, "<path id=\"m{slot}\" d=\"{path}\"/>").expect("a string");
    }
    out.push_str("</defs></svg>\n");
    out
}

/// A marker of `slot` at a place of a chart.
pub(crate) fn marker(slot: usize, x: f64, y: f64) -> String {
    format!("<use href=\"#m{slot}\" class=\"mark s{slot}\" x=\"{x:.1}\" y=\"{y:.1}\"/>")
}

/// A marker of `slot` in a line of text.
pub(crate) fn glyph(slot: usize) -> String {
    format!(
        "<svg class=\"glyph s{slot}\" viewBox=\"-6 -6 12 12\" aria-hidden=\"true\">\
         <use href=\"#m{slot}\" class=\"mark\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_slot_and_the_base_is_grey() {
        let mut inks = Inks::with_base("base");
        inks.register(["continued", "base", "+ E2MC", "continued"]);
        assert_eq!(inks.slot("base"), 0);
        assert_eq!(inks.slot("continued"), 1);
        assert_eq!(inks.slot("+ E2MC"), 2);
        // A second page of the set adds names and moves none.
        inks.register(["other", "+ E2MC"]);
        assert_eq!(inks.slot("+ E2MC"), 2);
        assert_eq!(inks.slot("other"), 3);
    }

    #[test]
    fn without_a_base_nothing_is_grey_and_more_names_than_slots_share_them() {
        let names: Vec<String> = (0..SLOTS + 2).map(|i| format!("series {i}")).collect();
        let inks = Inks::of(names.iter().map(String::as_str));
        assert!(names.iter().all(|name| inks.slot(name) != 0));
        assert_eq!(inks.slot("series 7"), inks.slot("series 0"));
        assert_eq!(inks.slot("series 8"), inks.slot("series 1"));
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
