//! The page: its parts, their order, and writing it to disk.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::chart::dots::Dots;
use super::chart::heat::HeatMaps;
use super::chart::histograms::Histograms;
use super::chart::lines::Lines;
use super::chart::scatter::Scatter;
use super::ink::{self, Inks};
use super::table::Table;
use super::text::{anchor, escape, prose};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("report.js");

/// Nothing but what the page itself carries may run, show or load.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// A page. In all prose, a pair of backticks sets code.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// What the page is about; also the browser's title.
    pub(crate) title: String,
    /// One sentence under the title.
    pub(crate) subtitle: String,
    /// The parts, in reading order.
    pub(crate) sections: Vec<Section>,
}

/// A part of a page under one heading.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    /// The heading.
    pub(crate) heading: String,
    /// Paragraphs before the blocks.
    pub(crate) prose: Vec<String>,
    /// What is shown.
    pub(crate) blocks: Vec<Block>,
}

/// One thing shown.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    /// What came out, a sentence each.
    Findings(Vec<Finding>),
    /// A table.
    Table(Table),
    /// Values over time, a chart each.
    Lines(Lines),
    /// Means with their errors, side by side.
    Dots(Dots),
    /// Distributions, overlaid.
    Histograms(Histograms),
    /// Points in the unit square.
    Scatter(Scatter),
    /// A quantity over a grid of two settings.
    Heat(HeatMaps),
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

/// A sentence that says what came out.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// What kind of news it is.
    pub(crate) verdict: Verdict,
    /// The sentence.
    pub(crate) text: String,
}

/// The kind of news that a finding is; the page prints it as words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Improved by more than the noise.
    Better,
    /// Became worse by more than the noise.
    Worse,
    /// No difference beyond the noise.
    NoDifference,
    /// As it should be, of a single thing that is compared with nothing.
    Good,
    /// Not as it should be, of a single thing.
    Concern,
    /// A fact that is neither.
    Note,
}

impl Verdict {
    fn class_and_words(self) -> (&'static str, &'static str) {
        match self {
            Self::Better => ("better", "Better"),
            Self::Worse => ("worse", "Worse"),
            Self::NoDifference => ("even", "No difference"),
            Self::Good => ("good", "Good"),
            Self::Concern => ("concern", "Look here"),
            Self::Note => ("note", "Note"),
        }
    }

    /// Better or worse where a change is more than twice its standard error.
    pub(crate) fn of_change(change: f64, standard_error: f64) -> Self {
        const NOISE: f64 = 2.0;
        match change {
            change if change.abs() <= NOISE * standard_error => Self::NoDifference,
            change if change > 0.0 => Self::Better,
            _ => Self::Worse,
        }
    }

    /// The kind of news in a word or two, as the page says it.
    pub(crate) fn words(self) -> &'static str {
        self.class_and_words().1
    }
}

impl Report {
    /// The page as HTML that is also well-formed XML, apart from its first line and its script.
    pub(crate) fn to_html(&self) -> String {
        let mut out = String::new();
        self.render(&mut out)
            .expect("writing to a string does not fail");
        out
    }

    /// Writes the page to `path`: readers see the old file or the whole new one.
    ///
    /// # Errors
    /// When the folder cannot be written to; the message names the file.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let partial = partial_path(path)?;
        let written = write_synced(&partial, self.to_html().as_bytes())
            .and_then(|()| fs::rename(&partial, path));
        written.map_err(|error| {
            // The first error is the one to tell; the remains may not exist at all.
            let _ = fs::remove_file(&partial);
            io::Error::new(
                error.kind(),
                format!("cannot write report {}: {error}", path.display()),
            )
        })
    }

    /// The inks of all names on the page, in reading order.
    pub(super) fn inks(&self) -> Inks {
        Inks::of(
            self.sections
                .iter()
                .flat_map(|s| &s.blocks)
                .flat_map(Block::names),
        )
    }

    fn render(&self, out: &mut String) -> fmt::Result {
        let inks = self.inks();
        let title = escape(&self.title);
        write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"/>\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        )?;
        ink::define_markers(out)?;
        write!(out, "<header>\n<h1>{title}</h1>\n")?;
        if !self.subtitle.is_empty() {
            writeln!(out, "<p class=\"subtitle\">{}</p>", prose(&self.subtitle))?;
        }
        self.render_contents(out)?;
        out.write_str("</header>\n<main>\n")?;
        for (i, section) in self.sections.iter().enumerate() {
            section.render(out, i, &inks)?;
        }
        write!(
            out,
            "</main>\n<footer>Made by e2mc {}. This page is complete in itself and loads nothing.</footer>\n\
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
    fn render(&self, out: &mut String, index: usize, inks: &Inks) -> fmt::Result {
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
            block.render(out, inks)?;
        }
        out.write_str("</section>\n")
    }
}

impl Block {
    /// The names that need an ink, in reading order.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Lines(lines) => lines.names(),
            Self::Dots(dots) => dots.names(),
            Self::Histograms(histograms) => histograms.names(),
            Self::Findings(_)
            | Self::Table(_)
            | Self::Scatter(_)
            | Self::Heat(_)
            | Self::Code { .. }
            | Self::KeyValues(_) => vec![],
        }
    }

    pub(super) fn render(&self, out: &mut String, inks: &Inks) -> fmt::Result {
        match self {
            Self::Findings(findings) => render_findings(out, findings),
            Self::Table(table) => table.render(out),
            Self::Lines(lines) => lines.render(out, inks),
            Self::Dots(dots) => dots.render(out, inks),
            Self::Histograms(histograms) => histograms.render(out, inks),
            Self::Scatter(scatter) => scatter.render(out),
            Self::Heat(maps) => maps.render(out),
            Self::Code { caption, text } => render_code(out, caption, text),
            Self::KeyValues(pairs) => render_key_values(out, pairs),
        }
    }
}

fn render_findings(out: &mut String, findings: &[Finding]) -> fmt::Result {
    out.write_str("<ul class=\"findings\">\n")?;
    for finding in findings {
        let (class, words) = finding.verdict.class_and_words();
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
    let text = escape(text.trim_end());
    if lines >= FOLDED_FROM {
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
        writeln!(
            out,
            "<pre tabindex=\"0\"><code>{text}</code></pre></figure>"
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

/// A hidden file beside `path`, so that the rename stays on one file system.
fn partial_path(path: &Path) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        let message = format!(
            "cannot write report {}: not the name of a file",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    };
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(format!(".{}.partial", std::process::id()));
    Ok(path.with_file_name(partial))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
