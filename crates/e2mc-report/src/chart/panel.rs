//! Panels: one drawing with everything that belongs to it, and figures of several panels.
//!
//! Pages and files are both made of panels: what lies between the tags of an `<svg>` is the same
//! text in both. Drawings have about one unit a pixel, so that text keeps its size on a phone as on
//! a desk; the page lays them out in as many columns as fit.

use std::fmt::{self, Write};

use crate::ink;
use crate::legend::{self, Entry};
use crate::palette::{self, LIGHT};
use crate::text::{escape, plain, prose};

/// What charts are drawn with, on pages and in files.
pub(crate) const STYLE: &str = include_str!("../drawing.css");

/// The room over a drawing in a file for its title and each row of its legend.
const LINE: f64 = 18.0;

/// The room beside a drawing in a file, for the half of a tick's label that stands out.
const MARGIN: f64 = 6.0;

/// The room between the panels of a file.
const GAP: f64 = 28.0;

/// One drawing with everything that belongs to it.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// What is shown; pairs of backticks set code.
    pub title: String,
    /// Its unit; may be empty.
    pub unit: String,
    /// What the marks stand for, as far as this panel has them.
    pub legend: Vec<Entry>,
    /// Width and height of the drawing in pixels.
    pub size: (f64, f64),
    /// The drawing: SVG elements whose classes the style sheet knows.
    pub drawing: String,
    /// The drawing in words, for those who hear the page.
    pub description: String,
    /// What has to be said about how it was drawn.
    pub remarks: Vec<String>,
    /// HTML of the line over the drawing that the page's script replaces by what is under the
    /// pointer.
    pub(crate) readout: Option<String>,
    /// Places that tell more under the pointer.
    pub(crate) hits: Vec<Hit>,
    /// The inks of a place's values, in the order in which it names them.
    pub(crate) slots: Vec<usize>,
}

/// A rectangle that tells more under the pointer: where it is, then a line a value.
///
/// Browsers show the text themselves; the page's script shows it in the panel's readout instead,
/// and in the other panels of the figure too.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    /// Left, top, width and height in pixels.
    pub(crate) place: (f64, f64, f64, f64),
    pub(crate) text: String,
    /// The picture that stands beside the text, by its symbol's name.
    pub(crate) picture: Option<String>,
}

/// Panels under one heading with one legend.
#[derive(Clone, Debug, Default)]
pub struct Figure {
    /// What the style sheet and the script call such figures.
    pub(crate) kind: &'static str,
    /// The heading; may be empty.
    pub title: String,
    /// What the reader should see; may be empty.
    pub caption: String,
    /// What has to be said about how all panels were drawn.
    pub remarks: Vec<String>,
    /// What the marks of all panels stand for.
    pub legend: Vec<Entry>,
    /// The panels, in reading order.
    pub panels: Vec<Panel>,
}

impl Panel {
    /// Fills the panel with a frame that says that there is nothing to draw.
    pub(crate) fn leave_empty(&mut self) {
        let (width, height) = self.size;
        self.description = format!("{}: no values", plain(&self.title));
        self.drawing = format!(
            "<rect class=\"nothing\" x=\"1\" y=\"1\" width=\"{:.0}\" height=\"{:.0}\"/>\
             <text class=\"tick middle\" x=\"{:.1}\" y=\"{:.1}\">no values to draw</text>",
            width - 2.0,
            height - 2.0,
            width / 2.0,
            height / 2.0
        );
    }

    /// The drawing as a page shows it, with its description and the places under the pointer.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut out = format!(
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{}",
            self.size.0,
            self.size.1,
            escape(&self.description),
            self.drawing
        );
        for hit in &self.hits {
            let (x, y, width, height) = hit.place;
            let picture = hit.picture.as_ref();
            let picture = picture.map_or(String::new(), |id| format!(" data-picture=\"{id}\""));
            write!(
                out,
                "<rect class=\"hit\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
                 height=\"{height:.1}\"{picture}>\
                 <title>{}</title></rect>",
                escape(&hit.text)
            )
            .expect("writing to a string does not fail");
        }
        out.push_str("</svg>");
        out
    }

    /// The drawing as a file that stands alone, with title and legend, in the light scheme.
    #[must_use]
    pub fn to_svg(&self) -> String {
        sheet(&plain(&self.title), std::slice::from_ref(self))
    }

    fn html(&self, out: &mut String) -> fmt::Result {
        let slots: Vec<String> = self.slots.iter().map(usize::to_string).collect();
        write!(
            out,
            "<div class=\"panel\" data-slots=\"{}\"><h4>{}",
            slots.join(" "),
            prose(&self.title)
        )?;
        if !self.unit.is_empty() {
            write!(out, " <span class=\"unit\">{}</span>", escape(&self.unit))?;
        }
        out.write_str("</h4>")?;
        if let Some(readout) = &self.readout {
            write!(
                out,
                "<p class=\"readout\" aria-live=\"polite\">{readout}</p>"
            )?;
        }
        out.write_str(&self.svg())?;
        for remark in &self.remarks {
            write!(out, "<p class=\"remark\">{}</p>", escape(remark))?;
        }
        out.write_str("</div>\n")
    }

    /// The room over the drawing in a file.
    fn head(&self) -> f64 {
        LINE * (1.0 + self.legend.len() as f64)
    }

    /// Title, legend and drawing at the origin.
    fn stand_alone(&self, out: &mut String) -> fmt::Result {
        let title = match self.unit.as_str() {
            "" => plain(&self.title),
            unit => format!("{}, {unit}", plain(&self.title)),
        };
        writeln!(
            out,
            "<text class=\"title\" x=\"2\" y=\"13\">{}</text>",
            escape(&title)
        )?;
        for (row, entry) in self.legend.iter().enumerate() {
            entry.svg(out, LINE * (row as f64 + 1.0) + 9.0)?;
        }
        writeln!(
            out,
            "<g transform=\"translate(0 {})\">{}</g>",
            self.head(),
            self.drawing
        )
    }
}

impl Figure {
    /// All panels as one file, two beside each other, in the light scheme.
    #[must_use]
    pub fn to_svg(&self) -> String {
        sheet(&plain(&self.title), &self.panels)
    }

    pub(crate) fn html(&self, out: &mut String) -> fmt::Result {
        write!(out, "<figure class=\"chart {}\">", self.kind)?;
        if !self.title.is_empty() {
            write!(out, "<h3>{}</h3>", prose(&self.title))?;
        }
        out.write_str("\n")?;
        legend::html(out, &self.legend)?;
        out.write_str("<div class=\"panels\">\n")?;
        for panel in &self.panels {
            panel.html(out)?;
        }
        out.write_str("</div>")?;
        let caption = (!self.caption.is_empty()).then(|| prose(&self.caption));
        let remarks = self.remarks.iter().map(|remark| escape(remark));
        let sentences: Vec<String> = caption.into_iter().chain(remarks).collect();
        if !sentences.is_empty() {
            write!(out, "<figcaption>{}</figcaption>", sentences.join(" "))?;
        }
        out.write_str("</figure>\n")
    }
}

/// How many of how many values a drawing leaves out, in words; nothing where it shows them all.
pub(crate) fn left_out(name: &str, missing: usize, of: usize, why: &str) -> Option<String> {
    (missing > 0).then(|| format!("{name}: {missing} of {of} values {why}."))
}

/// Panels as one SVG file, two beside each other.
fn sheet(title: &str, panels: &[Panel]) -> String {
    let mut out = String::new();
    write_sheet(&mut out, title, panels).expect("writing to a string does not fail");
    out
}

fn write_sheet(out: &mut String, title: &str, panels: &[Panel]) -> fmt::Result {
    let most = |length: fn(&Panel) -> f64| panels.iter().map(length).fold(0.0, f64::max);
    let (across, down) = (
        most(|panel| panel.size.0),
        most(|panel| panel.head() + panel.size.1),
    );
    let columns = panels.len().clamp(1, 2);
    let rows = panels.len().div_ceil(columns).max(1);
    let whole = |count: usize, each: f64| count as f64 * (each + GAP) - GAP;
    let (width, height) = (whole(columns, across) + 2.0 * MARGIN, whole(rows, down));
    write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"-{MARGIN} 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n\
         <style>{}</style>\n{}<rect x=\"-{MARGIN}\" width=\"{width}\" height=\"{height}\" \
         fill=\"{}\"/>\n",
        escape(title),
        stand_alone_style(),
        ink::markers(),
        LIGHT.colour("card").expect("a colour of the palette")
    )?;
    for (index, panel) in panels.iter().enumerate() {
        let x = (index % columns) as f64 * (across + GAP);
        let y = (index / columns) as f64 * (down + GAP);
        writeln!(out, "<g transform=\"translate({x} {y})\">")?;
        panel.stand_alone(out)?;
        out.write_str("</g>\n")?;
    }
    out.write_str("</svg>\n")
}

/// The page's rules for drawings with colours in place of variables, and the fonts that a page has
/// of its own.
fn stand_alone_style() -> String {
    let rules = format!("{STYLE}{}", palette::slot_rules());
    format!(
        "text {{ font-family: Helvetica, Arial, 'DejaVu Sans', sans-serif; }}\n{}\
         svg .title {{ font-size: 12px; font-weight: bold; }}\n",
        LIGHT.inlined(&rules)
    )
}
