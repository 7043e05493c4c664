//! The page: its parts, their order, and writing it to disk.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use e2mc_base::write_atomically;

use crate::chart::Chart;
use crate::chart::panel::{self, Figure};
use crate::error::Error;
use crate::examples::Examples;
use crate::ink::{self, Inks};
use crate::palette;
use crate::picture::{Sprites, Thumbnail};
use crate::strips::Strips;
use crate::table::Table;
use crate::text::{anchor, escape, prose, whole_words};
use crate::verdict::Finding;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("report.js");

/// Nothing but what the page itself carries may run, show or load.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// A page. In all prose, a pair of backticks sets code.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What the page is about; also the browser's title.
    pub title: String,
    /// One sentence under the title.
    pub subtitle: String,
    /// The parts, in reading order.
    pub sections: Vec<Section>,
    /// The inks of names that other pages of a set show too; names that are new on this page follow
    /// them.
    pub inks: Inks,
}

/// A part of a page under one heading.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// Paragraphs before the blocks.
    pub prose: Vec<String>,
    /// What is shown.
    pub blocks: Vec<Block>,
}

/// One thing shown.
#[derive(Clone, Debug)]
pub enum Block {
    /// What came out, a sentence each.
    Findings(Vec<Finding>),
    /// A table.
    Table(Table),
    /// A chart.
    Chart(Chart),
    /// Images with their neighbours.
    Strips(Strips),
    /// Images with what was said of them.
    Examples(Examples),
    /// A command or a file, word for word.
    Code {
        /// What it is.
        caption: String,
        /// The text; from 16 lines up it is folded away.
        text: String,
    },
    /// Names with their values.
    KeyValues(Vec<(String, String)>),
}

impl<C: Into<Chart>> From<C> for Block {
    fn from(chart: C) -> Self {
        Self::Chart(chart.into())
    }
}

impl Report {
    /// The page as HTML that is also well-formed XML, apart from its first line and its script.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut out = String::new();
        self.render(&mut out)
            .expect("writing to a string does not fail");
        out
    }

    /// Writes the page to `path`: readers see the old file or the whole new one.
    ///
    /// # Errors
    /// When the folder cannot be written to; the message names the file.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        write_atomically(path, self.to_html().as_bytes()).map_err(|source| Error::Write {
            what: "report",
            path: path.to_owned(),
            source,
        })
    }

    /// Everything drawn on the page, in reading order.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let inks = self.all_inks();
        self.charts().map(|chart| chart.figure(&inks)).collect()
    }

    /// Adds sections before the last, which says how the page was made.
    pub fn insert(&mut self, sections: Vec<Section>) {
        let at = self.sections.len().saturating_sub(1);
        self.sections.splice(at..at, sections);
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.sections.iter().flat_map(|section| &section.blocks)
    }

    fn charts(&self) -> impl Iterator<Item = &Chart> {
        self.blocks().filter_map(|block| match block {
            Block::Chart(chart) => Some(chart),
            _ => None,
        })
    }

    /// All pictures; those that are seen at once before those that show under the pointer.
    fn sprites(&self) -> Sprites {
        let at_once = self.blocks().flat_map(|block| -> Vec<&Arc<Thumbnail>> {
            match block {
                Block::Strips(strips) => strips.pictures().collect(),
                Block::Examples(examples) => examples.pictures().collect(),
                _ => Vec::new(),
            }
        });
        Sprites::of(at_once.chain(self.charts().flat_map(Chart::pictures)))
    }

    /// The inks of all names on the page, in reading order.
    fn all_inks(&self) -> Inks {
        let mut inks = self.inks.clone();
        inks.register(self.blocks().flat_map(Block::names));
        inks
    }

    fn render(&self, out: &mut String) -> fmt::Result {
        let inks = self.all_inks();
        let title = escape(&self.title);
        write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"/>\n\
             <title>{title}</title>\n<style>\n{}{STYLE}{}{}</style>\n</head>\n<body>\n",
            palette::variables(),
            panel::STYLE,
            palette::slot_rules()
        )?;
        let sprites = self.sprites();
        out.write_str(&ink::markers())?;
        out.write_str(&sprites.definitions())?;
        write!(out, "<header>\n<h1>{title}</h1>\n")?;
        if !self.subtitle.is_empty() {
            writeln!(out, "<p class=\"subtitle\">{}</p>", prose(&self.subtitle))?;
        }
        self.render_contents(out)?;
        out.write_str("</header>\n<main>\n")?;
        for (i, section) in self.sections.iter().enumerate() {
            section.render(out, i, (&inks, &sprites))?;
        }
        let left_out = sprites
            .remark()
            .map_or(String::new(), |text| format!(" {text}"));
        write!(
            out,
            "</main>\n<footer>Made by e2mc {}. This page is complete in itself and loads \
             nothing.{left_out}</footer>\n\
             <script>\n{SCRIPT}</script>\n</body>\n</html>\n",
            env!("CARGO_PKG_VERSION")
        )
    }

    /// Links to the sections, where there are enough to get lost among.
    fn render_contents(&self, out: &mut String) -> fmt::Result {
        if self.sections.len() < 3 {
            return Ok(());
        }
        out.write_str("<nav aria-label=\"Contents\"><ul>")?;
        for (i, section) in self.sections.iter().enumerate() {
            let heading = &section.heading;
            write!(
                out,
                "<li><a href=\"#{}\">{}</a></li>",
                anchor(i, heading),
                escape(heading)
            )?;
        }
        out.write_str("</ul></nav>\n")
    }
}

impl Section {
    fn render(
        &self,
        out: &mut String,
        index: usize,
        (inks, sprites): (&Inks, &Sprites),
    ) -> fmt::Result {
        let id = anchor(index, &self.heading);
        write!(
            out,
            "<section id=\"{id}\">\n<h2>{}</h2>\n",
            escape(&self.heading)
        )?;
        for paragraph in &self.prose {
            writeln!(out, "<p>{}</p>", prose(paragraph))?;
        }
        for block in &self.blocks {
            block.render(out, inks, sprites)?;
        }
        out.write_str("</section>\n")
    }
}

impl Block {
    /// The names that need an ink, in reading order.
    fn names(&self) -> Vec<&str> {
        match self {
            Self::Chart(chart) => chart.names(),
            Self::Strips(strips) => strips.names(),
            Self::Examples(examples) => examples.names(),
            _ => Vec::new(),
        }
    }

    fn render(&self, out: &mut String, inks: &Inks, sprites: &Sprites) -> fmt::Result {
        match self {
            Self::Findings(findings) => render_findings(out, findings),
            Self::Table(table) => table.render(out),
            Self::Chart(chart) => chart.figure(inks).html(out),
            Self::Strips(strips) => strips.render(out, inks, sprites),
            Self::Examples(examples) => examples.render(out, inks, sprites),
            Self::Code { caption, text } => render_code(out, caption, text),
            Self::KeyValues(pairs) => render_key_values(out, pairs),
        }
    }
}

fn render_findings(out: &mut String, findings: &[Finding]) -> fmt::Result {
    out.write_str("<ul class=\"findings\">\n")?;
    for finding in findings {
        let (class, words) = (finding.verdict.class(), finding.verdict.words());
        let text = prose(&finding.text);
        writeln!(
            out,
            "<li class=\"{class}\"><b>{words}</b><p>{text}</p></li>"
        )?;
    }
    out.write_str("</ul>\n")
}

fn render_code(out: &mut String, caption: &str, text: &str) -> fmt::Result {
    const FOLDED_FROM: usize = 16;
    let (caption, lines) = (prose(caption), text.lines().count());
    let text = text.trim_end();
    if lines >= FOLDED_FROM {
        let text = escape(text);
        writeln!(
            out,
            "<details class=\"code\"><summary>{caption} ({lines} lines)</summary>\
             <pre tabindex=\"0\"><code>{text}</code></pre></details>"
        )
    } else {
        out.write_str("<figure class=\"code\">")?;
        if !caption.is_empty() {
            write!(out, "<h3>{caption}</h3>")?;
        }
        let lines: Vec<String> = text.lines().map(whole_words).collect();
        writeln!(
            out,
            "<pre tabindex=\"0\"><code>{}</code></pre></figure>",
            lines.join("\n")
        )
    }
}

fn render_key_values(out: &mut String, pairs: &[(String, String)]) -> fmt::Result {
    out.write_str("<dl>\n")?;
    for (key, value) in pairs {
        writeln!(
            out,
            "<div><dt>{}</dt><dd>{}</dd></div>",
            escape(key),
            prose(value)
        )?;
    }
    out.write_str("</dl>\n")
}
