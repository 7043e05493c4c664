//! Legends: what the marks of a drawing stand for.

use std::fmt::{self, Write};

use crate::ink::{self, dash};
use crate::text::escape;

/// One entry of a legend: how it is drawn, and what it is called.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A line with the slot's dash and marker.
    Line(usize, String),
    /// The slot's marker alone.
    Marker(usize, String),
    /// A filled area in the slot's colour, with its marker.
    Area(usize, String),
    /// A thin dashed line that is not data: a level or a reference.
    Reference(String),
    /// A cell of a heat map with this share of the full colour, 0 to 1.
    Shade(f64, String),
    /// A cell that is framed.
    Framed(String),
    /// A point of a scatter plot.
    Point(String),
    /// A point of a map in the colour of its class, `#rrggbb`.
    Coloured(String, String),
    /// Plain words about a mark that needs no sample.
    Words(String),
}

impl Entry {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Line(_, name)
            | Self::Marker(_, name)
            | Self::Area(_, name)
            | Self::Reference(name)
            | Self::Shade(_, name)
            | Self::Framed(name)
            | Self::Point(name)
            | Self::Coloured(_, name)
            | Self::Words(name) => name,
        }
    }

    /// The class that gives a sample its slot's colour.
    fn class(&self) -> String {
        match self {
            Self::Line(slot, _) | Self::Marker(slot, _) | Self::Area(slot, _) => {
                format!("s{slot}")
            }
            _ => String::new(),
        }
    }

    /// The sample as SVG, 30 pixels wide and 12 high around a middle line at 0.
    fn sample(&self) -> Option<String> {
        let marker =
            |slot: &usize| format!("<use href=\"#m{slot}\" class=\"mark\" x=\"15\" y=\"0\"/>");
        let cell = "x=\"6\" y=\"-5\" width=\"18\" height=\"10\" rx=\"2\"";
        Some(match self {
            Self::Line(slot, _) => format!(
                "<path class=\"line\" d=\"M0 0H30\" stroke-dasharray=\"{}\"/>{}",
                dash(*slot),
                marker(slot)
            ),
            Self::Marker(slot, _) => marker(slot),
            Self::Area(slot, _) => {
                format!("<path class=\"area\" d=\"M2 5V-5H28V5Z\"/>{}", marker(slot))
            }
            Self::Reference(_) => "<path class=\"level\" d=\"M0 0H30\"/>".to_owned(),
            Self::Shade(share, _) => {
                format!("<rect class=\"cell\" fill-opacity=\"{share:.3}\" {cell}/>")
            }
            Self::Framed(_) => format!("<rect class=\"best\" {cell}/>"),
            Self::Point(_) => "<path class=\"points\" d=\"M15 0h0\"/>".to_owned(),
            Self::Coloured(colour, _) => {
                format!("<path class=\"points\" style=\"stroke:{colour}\" d=\"M15 0h0\"/>")
            }
            Self::Words(_) => return None,
        })
    }

    fn html(&self, out: &mut String) -> fmt::Result {
        out.write_str("<li>")?;
        match self {
            Self::Marker(slot, _) => out.write_str(&ink::glyph(*slot))?,
            _ => {
                if let Some(sample) = self.sample() {
                    let class = format!("sample {}", self.class());
                    write!(
                        out,
                        "<svg class=\"{}\" viewBox=\"0 -6 30 12\" \
                            aria-hidden=\"true\">{sample}</svg>",
                        class.trim_end()
                    )?;
                }
            }
        }
        write!(out, "<span>{}</span></li>", escape(self.name()))
    }

    /// The entry in a drawing, its middle line at `y`.
    pub(crate) fn svg(&self, out: &mut String, y: f64) -> fmt::Result {
        let sample = self.sample();
        if let Some(sample) = &sample {
            let class = self.class();
            write!(
                out,
                "<g class=\"{class}\" transform=\"translate(2 {y:.1})\">{sample}</g>"
            )?;
        }
        let x = if sample.is_some() { 38 } else { 2 };
        writeln!(
            out,
            "<text class=\"tick\" x=\"{x}\" y=\"{:.1}\">{}</text>",
            y + 4.0,
            escape(self.name())
        )
    }
}

/// A legend of a page: a list of samples with their names; nothing where there are none.
pub(crate) fn html(out: &mut String, entries: &[Entry]) -> fmt::Result {
    if entries.is_empty() {
        return Ok(());
    }
    out.write_str("<ul class=\"legend\">")?;
    for entry in entries {
        entry.html(out)?;
    }
    out.write_str("</ul>\n")
}
