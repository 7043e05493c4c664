//! What tells series apart: a slot of colour, marker and dash for every name, the same on all pages
//! of a set.

use std::fmt::Write;

use crc32c::crc32c;

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

/// The slots of names: by what a model goes by where that is known, so that a run has the same
/// colour on every page of every command, otherwise in the order in which they were registered.
///
/// One registry given to several pages gives a name the same colour on all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inks {
    base: Option<String>,
    names: Vec<(String, usize)>,
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
            if !self.knows(name) {
                // In order, as far as others have not taken the slot already.
                let slot = self.free_from(0).unwrap_or(self.names.len() % (SLOTS - 1));
                self.names.push((name.to_owned(), 1 + slot));
            }
        }
    }

    /// Adds a name that is new, with the slot of what it goes by on every page, such as its run's
    /// folder. Where another name of this page has that slot already, the next free one.
    pub fn identify(&mut self, name: &str, identity: &str) {
        if identity.is_empty() {
            return self.register([name]);
        }
        if !self.knows(name) {
            let wanted = crc32c(identity.as_bytes()) as usize % (SLOTS - 1);
            let slot = self.free_from(wanted).unwrap_or(wanted);
            self.names.push((name.to_owned(), 1 + slot));
        }
    }

    fn knows(&self, name: &str) -> bool {
        let base = self.base.as_deref() == Some(name);
        base || self.names.iter().any(|(known, _)| known == name)
    }

    /// The first free slot of those that are not grey, counted from 0, from `wanted` on.
    fn free_from(&self, wanted: usize) -> Option<usize> {
        let slots = (0..SLOTS - 1).map(|by| (wanted + by) % (SLOTS - 1));
        let mut free = slots.filter(|slot| self.names.iter().all(|(_, taken)| *taken != slot + 1));
        free.next()
    }

    /// The slot of `name`, below [`SLOTS`]: 0 for the base alone.
    #[must_use]
    pub fn slot(&self, name: &str) -> usize {
        if self.base.as_deref() == Some(name) {
            return 0;
        }
        let known = self.names.iter().find(|(known, _)| known == name);
        known.map_or(1, |(_, slot)| *slot)
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
    fn what_a_model_goes_by_decides_its_colour_whoever_else_is_there() {
        let page = |names: &[(&str, &str)]| {
            let mut inks = Inks::with_base("base");
            for (name, identity) in names {
                inks.identify(name, identity);
            }
            inks
        };
        let demo = page(&[
            ("base", "base"),
            ("continued", "continued"),
            ("base loss + E2MC", "e2mc"),
        ]);
        let runs = page(&[("e2mc", "e2mc"), ("continued", "continued")]);
        let alone = page(&[("runs/e2mc/probe", "e2mc")]);
        assert_eq!(demo.slot("base"), 0);
        assert_ne!(demo.slot("continued"), demo.slot("base loss + E2MC"));
        assert_eq!(demo.slot("base loss + E2MC"), runs.slot("e2mc"));
        assert_eq!(demo.slot("continued"), runs.slot("continued"));
        assert_eq!(alone.slot("runs/e2mc/probe"), runs.slot("e2mc"));
        // Two that go by the same name are told apart on one page.
        let twins = page(&[("a/run", "run"), ("b/run", "run")]);
        assert_ne!(twins.slot("a/run"), twins.slot("b/run"));
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
