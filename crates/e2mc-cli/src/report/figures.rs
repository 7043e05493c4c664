//! The charts of a report as files for papers: one SVG a panel, complete in itself, and a PNG of each.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use e2mc_train::checkpoint::write_atomically;

use super::ink;
use super::page::{Block, Report};

const STYLE: &str = include_str!("style.css");

/// The room over a drawing for its title and each row of its legend.
const LINE: f64 = 18.0;

/// The room beside a drawing, for the half of a tick's label that stands out.
const MARGIN: f64 = 6.0;

/// Writes each chart of `report` to `folder` as `NN-title.svg` and `.png`; returns the SVG files' paths.
///
/// # Errors
/// Where the folder cannot be made or written to.
pub(crate) fn save_figures(report: &Report, folder: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut paths = Vec::new();
    #[cfg(feature = "png")]
    let painter = super::png::Painter::new();
    for (index, figure) in figures(report).into_iter().enumerate() {
        let name = format!("{:02}-{}", index + 1, figure.file_name());
        let path = folder.join(format!("{name}.svg"));
        let svg = figure.to_svg();
        write_atomically(&path, svg.as_bytes())?;
        #[cfg(feature = "png")]
        {
            let png = painter.paint(&svg);
            let png = png.with_context(|| format!("cannot draw {name}.png"))?;
            write_atomically(&path.with_extension("png"), &png)?;
        }
        paths.push(path);
    }
    Ok(paths)
}

/// One panel on its own.
struct Figure {
    title: String,
    legend: Vec<Entry>,
    size: (f64, f64),
    /// What is inside the panel's `<svg>`.
    drawing: String,
}

/// A row of a legend, as HTML.
#[derive(Clone)]
struct Entry {
    /// Class of the sample: what gives it its colour, if anything does.
    class: String,
    sample: String,
    name: String,
}

/// The drawings of a report: what the page shows, taken from its HTML so that there is one way to draw.
fn figures(report: &Report) -> Vec<Figure> {
    let inks = report.inks();
    let mut figures = Vec::new();
    let blocks = report.sections.iter().flat_map(|section| &section.blocks);
    // Heat maps write their own files.
    for block in blocks.filter(|block| !matches!(block, Block::Heat(_))) {
        let mut html = String::new();
        block
            .render(&mut html, &inks)
            .expect("writing to a string does not fail");
        // Rows of a dot chart carry their names already.
        let entries = match block {
            Block::Dots(_) => Vec::new(),
            _ => legend(&html),
        };
        for panel in html.split("<div class=\"panel\"").skip(1) {
            figures.extend(figure(panel, &entries));
        }
    }
    figures
}

/// The legend of a block's HTML.
fn legend(html: &str) -> Vec<Entry> {
    let list = html.split("<ul class=\"legend\">").nth(1);
    let list = list.and_then(|rest| rest.split("</ul>").next());
    let entry = |item: &str| {
        let (svg, name) = item.split_once("</svg><span>")?;
        let class = svg.split('"').nth(1)?.trim_start_matches("sample").trim();
        Some(Entry {
            class: class.to_owned(),
            sample: svg.split_once('>')?.1.to_owned(),
            name: name.split("</span>").next()?.to_owned(),
        })
    };
    let items = list.unwrap_or_default().split("<li>").skip(1);
    items.filter_map(entry).collect()
}

fn figure(panel: &str, entries: &[Entry]) -> Option<Figure> {
    let title = panel.split("<h4>").nth(1)?.split("</h4>").next()?;
    let open = panel.find("<svg viewBox=")?;
    let svg = &panel[open..];
    // A readout's glyphs come before the drawing; the drawing is the one with a role.
    let svg = &svg[svg
        .find("role=\"img\"")
        .map(|at| svg[..at].rfind("<svg"))??..];
    let size = svg.split('"').nth(1)?;
    let mut size = size
        .split(' ')
        .skip(2)
        .filter_map(|length| length.parse().ok());
    let drawing = svg[svg.find('>')? + 1..].split("</svg>").next()?;
    // Only what this panel shows.
    let slots = panel.split('"').nth(1).unwrap_or_default();
    let shown = |entry: &&Entry| {
        let slot = entry.class.strip_prefix('s');
        slot.is_none_or(|slot| slots.split(' ').any(|shown| shown == slot))
    };
    let legend = entries.iter().filter(shown).cloned().collect();
    Some(Figure {
        title: without_tags(title),
        legend,
        size: (size.next()?, size.next()?),
        drawing: without_hits(drawing),
    })
}

/// The text of HTML, still escaped.
fn without_tags(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, after)| after));
    }
    text.trim().to_owned()
}

/// A drawing without what only a pointer needs.
fn without_hits(drawing: &str) -> String {
    let mut parts = drawing.split("<rect class=\"hit\"");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.split_once("</rect>").map_or("", |(_, after)| after));
    }
    out
}

impl Figure {
    fn file_name(&self) -> String {
        let words: String = self
            .title
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
        words.join("-").chars().take(60).collect()
    }

    fn to_svg(&self) -> String {
        let (width, height) = self.size;
        let head = LINE * (1.0 + self.legend.len() as f64);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide}\" height=\"{total}\" \
             viewBox=\"-{MARGIN} 0 {wide} {total}\">\n<style>{}</style>\n",
            stand_alone_style(),
            wide = width + 2.0 * MARGIN,
            total = height + head,
        );
        ink::define_markers(&mut out).expect("writing to a string does not fail");
        let _ = write!(
            out,
            "<rect x=\"-{MARGIN}\" width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
             <text class=\"title\" x=\"2\" y=\"13\">{}</text>\n",
            self.title
        );
        for (row, entry) in self.legend.iter().enumerate() {
            let y = LINE * (row as f64 + 1.0) + 9.0;
            let Entry {
                class,
                sample,
                name,
            } = entry;
            let _ = writeln!(
                out,
                "<g class=\"{class}\" transform=\"translate(2 {y})\">{sample}</g>\
                 <text class=\"tick\" x=\"38\" y=\"{}\">{name}</text>",
                y + 4.0,
            );
        }
        let _ = write!(
            out,
            "<g transform=\"translate(0 {head})\">{}</g>\n</svg>\n",
            self.drawing
        );
        out
    }
}

/// The page's rules for drawings with the light scheme's colours in place of variables, which other programs do not know.
fn stand_alone_style() -> String {
    let colours = STYLE
        .split(":root {")
        .nth(1)
        .and_then(|rest| rest.split('}').next());
    let colour = |name: &str| {
        let value = colours.and_then(|block| block.split(&format!("--{name}: ")).nth(1));
        value
            .and_then(|rest| rest.split(';').next())
            .unwrap_or("#000000")
    };
    let (ink, muted, card) = (colour("ink"), colour("muted"), colour("card"));
    let mut style = format!(
        "text{{font-family:Helvetica,Arial,'DejaVu Sans',sans-serif;font-size:11px;fill:{ink}}}\
         .title{{font-size:12px;font-weight:bold}}.tick{{fill:{muted}}}\
         .name{{font-size:12px}}.number{{font-size:12px}}.end{{text-anchor:end}}.middle{{text-anchor:middle}}\
         .grid{{stroke:{};fill:none}}.axis{{stroke:{};fill:none}}\
         .level{{stroke:{muted};stroke-dasharray:2 3;fill:none}}.nothing{{fill:none;stroke:{}}}\
         .line{{fill:none;stroke-width:1.75;stroke-linejoin:round}}.raw{{stroke-width:1;opacity:0.3}}\
         .area{{fill-opacity:0.22;stroke-opacity:0.55;stroke-width:1}}.bar{{opacity:0.28}}.run{{opacity:0.5}}\
         .whisker{{fill:none;stroke-width:1.5}}.mark{{stroke:{card};stroke-width:1}}\
         .points{{fill:none;stroke:{};stroke-width:2.6;stroke-linecap:round;opacity:0.8}}",
        colour("grid"),
        colour("axis"),
        colour("rule"),
        colour("s1"),
    );
    for slot in 0..ink::SLOTS {
        let c = colour(&format!("s{slot}"));
        let _ = write!(
            style,
            ".line.s{slot},.s{slot} .line{{stroke:{c}}}.area.s{slot},.s{slot} .area{{fill:{c};stroke:{c}}}\
             .mark.s{slot},.s{slot} .mark{{fill:{c}}}.s{slot} .bar{{fill:{c}}}.s{slot} .run{{stroke:{c}}}.s{slot} .whisker{{stroke:{c}}}"
        );
    }
    style
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn every_chart_becomes_a_drawing_that_stands_alone() {
        let figures = figures(&sample::report());
        assert_eq!(figures.len(), sample::DRAWINGS - sample::HEAT_MAPS);
        for figure in &figures {
            let svg = figure.to_svg();
            let document = roxmltree::Document::parse(&svg).expect("well-formed");
            assert!(!svg.contains("var(") && !svg.contains("class=\"hit\""));
            assert!(
                document
                    .descendants()
                    .filter(|node| node.has_tag_name("text"))
                    .count()
                    > 1
            );
            assert!(!figure.file_name().is_empty());
        }
        let loss = figures
            .iter()
            .find(|figure| figure.title == "Total loss")
            .unwrap();
        assert_eq!(loss.legend.len(), 2);
        assert!(loss.to_svg().contains("base loss + E2MC"));
    }

    #[cfg(feature = "png")]
    #[test]
    fn files_are_written_in_both_kinds() {
        let folder = super::super::tests::Folder::new("figures");
        let paths = save_figures(&sample::report(), &folder.0.join("new")).unwrap();
        assert_eq!(paths.len(), sample::DRAWINGS - sample::HEAT_MAPS);
        let png = fs::read(paths[0].with_extension("png")).unwrap();
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
}
