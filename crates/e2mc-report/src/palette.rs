//! The one palette: what pages, files and contact sheets are coloured with.
//!
//! Series have Okabe and Ito's colours, darkened until each stands out from the card by 3 to 1, and
//! two more; the first slot is grey and belongs to what the others are compared with.

use std::fmt::{self, Write};

/// How many colours, markers and dashes there are; more names share them from the second again.
pub const SLOTS: usize = 8;

/// Red, green and blue, eight bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// A colour as it is usually written.
const fn hex(colour: u32) -> Colour {
    Colour([
        (colour >> 16) as u8,
        (colour >> 8 & 0xff) as u8,
        (colour & 0xff) as u8,
    ])
}

/// The colours of one way of looking at a page.
pub(crate) struct Scheme {
    /// By the names that the style sheet has for them.
    named: [(&'static str, Colour); 11],
    /// What lies under the pointer, through which the drawing shows.
    hover: &'static str,
    slots: [Colour; SLOTS],
}

/// Series on light ground.
const DEEP: [Colour; SLOTS] = [
    hex(0x4d5866),
    hex(0x0072b2),
    hex(0xd05300),
    hex(0x00875f),
    hex(0xb04e8b),
    hex(0x8a6a00),
    hex(0x6b4fc4),
    hex(0xc2202f),
];

pub(crate) const LIGHT: Scheme = Scheme {
    named: [
        ("paper", hex(0xfbfbfa)),
        ("card", hex(0xffffff)),
        ("ink", hex(0x1b2027)),
        ("muted", hex(0x5a6472)),
        ("rule", hex(0xe2e4e8)),
        ("grid", hex(0xeceef1)),
        ("axis", hex(0xa9b0ba)),
        ("link", hex(0x0b63a5)),
        ("good", hex(0x00694f)),
        ("bad", hex(0xa8380a)),
        ("heat", hex(0x4f9fdc)),
    ],
    hover: "rgb(27 32 39 / 0.1)",
    slots: DEEP,
};

const DARK: Scheme = Scheme {
    named: [
        ("paper", hex(0x121519)),
        ("card", hex(0x191d23)),
        ("ink", hex(0xe5e8ec)),
        ("muted", hex(0x9ba6b3)),
        ("rule", hex(0x2b313a)),
        ("grid", hex(0x262c34)),
        ("axis", hex(0x5b6572)),
        ("link", hex(0x7fbcf0)),
        ("good", hex(0x4fd0a5)),
        ("bad", hex(0xff9a6b)),
        ("heat", hex(0x1c629c)),
    ],
    hover: "rgb(229 232 236 / 0.14)",
    slots: [
        hex(0xb3bdca),
        hex(0x5cb3ee),
        hex(0xff9350),
        hex(0x3bc795),
        hex(0xe08fc1),
        hex(0xd8b648),
        hex(0xa99bf5),
        hex(0xff7a86),
    ],
};

const PRINT: Scheme = Scheme {
    named: [
        ("paper", hex(0xffffff)),
        ("card", hex(0xffffff)),
        ("ink", hex(0x000000)),
        ("muted", hex(0x444b55)),
        ("rule", hex(0xcfd3d8)),
        ("grid", hex(0xe4e6ea)),
        ("axis", hex(0x8d95a0)),
        ("link", hex(0x000000)),
        ("good", hex(0x00694f)),
        ("bad", hex(0xa8380a)),
        ("heat", hex(0x4f9fdc)),
    ],
    hover: "rgb(27 32 39 / 0.1)",
    slots: DEEP,
};

impl Scheme {
    /// The colour that the style sheet calls `name`.
    pub(crate) fn colour(&self, name: &str) -> Option<Colour> {
        let slot = name.strip_prefix('s').and_then(|slot| slot.parse().ok());
        let slot = slot.and_then(|slot: usize| self.slots.get(slot));
        let named = || self.named.iter().find(|(known, _)| *known == name);
        slot.or_else(|| named().map(|(_, colour)| colour)).copied()
    }

    /// `rules` with this scheme's colours in place of `var(--name)`, which only browsers know.
    pub(crate) fn inlined(&self, rules: &str) -> String {
        let mut parts = rules.split("var(--");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once(')').unwrap_or((part, ""));
            let colour = self.colour(name);
            let colour = colour.unwrap_or_else(|| unreachable!("no colour is called {name}"));
            write!(out, "{colour}{rest}").expect("writing to a string does not fail");
        }
        out
    }

    fn root(&self) -> String {
        let mut out = String::from(":root {");
        for (name, colour) in self.named {
            write!(out, " --{name}: {colour};").expect("writing to a string does not fail");
        }
        for (slot, colour) in self.slots.iter().enumerate() {
            write!(out, " --s{slot}: {colour};").expect("writing to a string does not fail");
        }
        writeln!(out, " --hover: {}; }}", self.hover).expect("writing to a string does not fail");
        out
    }
}

/// The colour of thing number `index` where nothing is the base: on paper and on most pictures.
#[must_use]
pub fn colour(index: usize) -> Colour {
    DEEP[(index + 1) % SLOTS]
}

/// The style sheet's variables, by what the reader looks at the page with.
pub(crate) fn variables() -> String {
    format!(
        ":root {{ color-scheme: light dark; }}\n{}@media (prefers-color-scheme: dark) {{ {} }}\n\
         @media print {{ html {{ color-scheme: light; }} {} }}\n",
        LIGHT.root(),
        DARK.root(),
        PRINT.root()
    )
}

/// What the parts of a drawing have of a slot's colour.
pub(crate) fn slot_rules() -> String {
    let mut out = String::new();
    for slot in 0..SLOTS {
        for (class, property) in [
            ("line", "stroke"),
            ("area", "stroke"),
            ("run", "stroke"),
            ("whisker", "stroke"),
            ("open", "stroke"),
            ("area", "fill"),
            ("bar", "fill"),
            ("mark", "fill"),
        ] {
            writeln!(
                out,
                ".{class}.s{slot}, .s{slot} .{class} {{ {property}: var(--s{slot}); }}"
            )
            .expect("writing to a string does not fail");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of a colour, as WCAG defines it.
    fn luminance(Colour(channels): Colour) -> f64 {
        let [red, green, blue] = channels.map(|channel| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn contrast(a: Colour, b: Colour) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_scheme_can_be_read() {
        for scheme in [&LIGHT, &DARK, &PRINT] {
            let colour = |name: &str| scheme.colour(name).unwrap();
            for text in ["ink", "muted", "link", "good", "bad"] {
                let ratio = contrast(colour(text), colour("paper"));
                assert!(ratio >= 4.5, "{text} on paper: {ratio:.2}");
            }
            // Text on the deepest cell of a heat map; the others are between it and the card.
            let ratio = contrast(colour("ink"), colour("heat"));
            assert!(ratio >= 4.5, "ink on heat: {ratio:.2}");
            for slot in 0..SLOTS {
                let ratio = contrast(colour(&format!("s{slot}")), colour("card"));
                assert!(ratio >= 3.0, "slot {slot} on card: {ratio:.2}");
            }
        }
    }

    #[test]
    fn colours_take_the_place_of_variables() {
        let rules = LIGHT.inlined("a { fill: var(--ink); stroke: var(--s1) }");
        assert_eq!(rules, "a { fill: #1b2027; stroke: #0072b2 }");
        assert_eq!(LIGHT.inlined("none"), "none");
        assert!(!LIGHT.inlined(&slot_rules()).contains("var("));
    }

    #[test]
    fn things_and_schemes_differ_in_colour() {
        for a in 0..SLOTS {
            assert!((0..a).all(|b| colour(a) != colour(b)));
            assert!((0..a).all(|b| DARK.slots[a] != DARK.slots[b]));
        }
        assert_eq!(colour(0), LIGHT.colour("s1").unwrap());
        assert_eq!(variables().matches("--s7: ").count(), 3);
    }
}
