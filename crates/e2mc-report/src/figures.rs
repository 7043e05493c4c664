//! The panels of a report as files for papers: one SVG a panel, complete in itself, and a PNG of
//! each.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use e2mc_base::write_atomically;

use crate::chart::panel::Panel;
use crate::error::Error;
use crate::page::Report;
use crate::text::plain;

/// What was written, and what should be known about it.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    /// The SVG files, one a panel in reading order.
    pub svg: Vec<PathBuf>,
    /// The PNG files beside them; none if [`Remark::NoPng`] is among the remarks.
    pub png: Vec<PathBuf>,
    /// What the files lack.
    pub remarks: Vec<Remark>,
}

/// What the files lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remark {
    /// The system has no fonts, so the PNG files have no text.
    NoFonts,
    /// The program was built without the drawing of PNG files.
    NoPng,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoFonts => {
                "no fonts are installed: the PNG files have no text; use the SVG files"
            }
            Self::NoPng => "built without PNG files: the figures are SVG files only",
        })
    }
}

/// Writes each panel of `report` to `folder` as `NN-title.svg` and `.png`.
///
/// # Errors
/// Where the folder cannot be made or written to.
pub fn save_figures(report: &Report, folder: &Path) -> Result<Saved, Error> {
    fs::create_dir_all(folder).map_err(|source| Error::MakeFolder {
        path: folder.to_owned(),
        source,
    })?;
    let mut saved = Saved::default();
    let mut painter = Painter::new(&mut saved.remarks);
    let figures = report.figures();
    let panels = figures.iter().flat_map(|figure| &figure.panels);
    for (index, panel) in panels.enumerate() {
        let path = folder.join(format!("{:02}-{}.svg", index + 1, file_name(panel)));
        let svg = panel.to_svg();
        write(&path, svg.as_bytes())?;
        if let Some(png) = painter.paint(&svg, panel)? {
            let path = path.with_extension("png");
            write(&path, &png)?;
            saved.png.push(path);
        }
        saved.svg.push(path);
    }
    Ok(saved)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_atomically(path, bytes).map_err(|source| Error::Write {
        what: "figure",
        path: path.to_owned(),
        source,
    })
}

/// The title's words, as far as every file system takes them.
fn file_name(panel: &Panel) -> String {
    let words: String = plain(&panel.title)
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    match words.join("-") {
        name if name.is_empty() => "panel".to_owned(),
        name => name.chars().take(60).collect(),
    }
}

#[cfg(feature = "png")]
struct Painter(crate::png::Painter);

#[cfg(feature = "png")]
impl Painter {
    fn new(remarks: &mut Vec<Remark>) -> Self {
        let painter = crate::png::Painter::new();
        if !painter.has_fonts() {
            remarks.push(Remark::NoFonts);
        }
        Self(painter)
    }

    fn paint(&mut self, svg: &str, panel: &Panel) -> Result<Option<Vec<u8>>, Error> {
        let png = self.0.paint(svg);
        png.map(Some).map_err(|reason| Error::Paint {
            title: panel.title.clone(),
            reason,
        })
    }
}

#[cfg(not(feature = "png"))]
struct Painter;

#[cfg(not(feature = "png"))]
impl Painter {
    fn new(remarks: &mut Vec<Remark>) -> Self {
        remarks.push(Remark::NoPng);
        Self
    }

    fn paint(&mut self, _: &str, _: &Panel) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn panels() -> Vec<Panel> {
        let figures = sample::report().figures();
        figures.into_iter().flat_map(|f| f.panels).collect()
    }

    #[test]
    fn every_panel_becomes_a_drawing_that_stands_alone() {
        let panels = panels();
        assert_eq!(panels.len(), sample::DRAWINGS);
        for panel in &panels {
            let svg = panel.to_svg();
            let document = roxmltree::Document::parse(&svg).expect("well-formed");
            assert!(!svg.contains("var(") && !svg.contains("class=\"hit\""));
            let texts = document.descendants();
            assert!(texts.filter(|node| node.has_tag_name("text")).count() > 1);
            assert!(!file_name(panel).is_empty());
            for entry in &panel.legend {
                let shown = |node: roxmltree::Node| node.text() == Some(entry.name());
                assert!(document.descendants().any(shown), "{}", entry.name());
            }
        }
        let loss = panels.iter().find(|p| p.title == "Total loss").unwrap();
        assert_eq!(loss.legend.len(), 2);
        assert!(loss.to_svg().contains("base loss + E2MC"));
    }

    #[test]
    fn files_and_page_carry_the_same_drawings() {
        let page = sample::report().to_html();
        for panel in panels() {
            assert!(page.contains(&panel.drawing), "{} on the page", panel.title);
            let file = panel.to_svg();
            assert!(file.contains(&panel.drawing), "{} in a file", panel.title);
        }
    }

    #[test]
    fn several_panels_fit_into_one_file() {
        for figure in sample::report().figures() {
            let svg = figure.to_svg();
            roxmltree::Document::parse(&svg).expect("well-formed");
            assert!(
                figure
                    .panels
                    .iter()
                    .all(|panel| svg.contains(&panel.drawing))
            );
        }
    }

    #[cfg(feature = "png")]
    #[test]
    fn files_are_written_in_both_kinds() {
        let folder = tempfile::tempdir().unwrap();
        let saved = save_figures(&sample::report(), &folder.path().join("new")).unwrap();
        assert_eq!(saved.svg.len(), sample::DRAWINGS);
        assert_eq!(saved.png.len(), sample::DRAWINGS);
        let png = fs::read(saved.svg[0].with_extension("png")).unwrap();
        let image = image::load_from_memory(&png).unwrap().to_rgb8();
        assert_eq!(image.width(), 3 * (336 + 12));
        // White paper with something on it.
        assert!(image.pixels().filter(|pixel| pixel.0 == [255; 3]).count() > image.len() / 6);
        assert!(
            image
                .pixels()
                .any(|pixel| pixel.0.iter().any(|&channel| channel < 128))
        );
    }

    #[cfg(not(feature = "png"))]
    #[test]
    fn without_png_files_the_reader_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let saved = save_figures(&sample::report(), folder.path()).unwrap();
        assert_eq!(saved.svg.len(), sample::DRAWINGS);
        assert!(saved.png.is_empty());
        assert_eq!(saved.remarks, [Remark::NoPng]);
    }
}
