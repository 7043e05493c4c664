//! The page as a whole: well-formed, complete in itself, readable, and written in one piece.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use roxmltree::{Document, Node};

use super::sample;
use super::{Report, Section};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("report.js");

/// The page as XML: without the document type, and without the script, which is not XML.
fn as_xml(report: &Report) -> String {
    let html = report.to_html();
    let html = html
        .strip_prefix("<!DOCTYPE html>\n")
        .expect("starts with its document type");
    assert_eq!(html.matches(SCRIPT).count(), 1);
    html.replace(SCRIPT, "")
}

fn elements<'a>(document: &'a Document, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    document
        .descendants()
        .filter(move |node| node.has_tag_name(name))
}

fn text(node: Node) -> String {
    node.descendants()
        .filter(Node::is_text)
        .filter_map(|node| node.text())
        .collect()
}

#[test]
fn the_page_is_well_formed_and_its_links_lead_somewhere() {
    let xml = as_xml(&sample::report());
    let document = Document::parse(&xml).expect("well-formed");
    let mut ids = HashSet::new();
    for id in document
        .descendants()
        .filter_map(|node| node.attribute("id"))
    {
        assert!(ids.insert(id), "{id} twice");
    }
    let links: Vec<&str> = document
        .descendants()
        .filter_map(|node| node.attribute("href"))
        .collect();
    assert!(links.len() > 20);
    for link in links {
        let id = link.strip_prefix('#').expect("all links stay on the page");
        assert!(ids.contains(id), "{link} leads nowhere");
    }
}

#[test]
fn text_from_outside_stays_text() {
    let xml = as_xml(&sample::report());
    let document = Document::parse(&xml).unwrap();
    assert_eq!(elements(&document, "script").count(), 1);
    let shown = sample::HOSTILE.replace('\0', "\u{FFFD}");
    let heading = elements(&document, "h1").next().unwrap();
    assert_eq!(text(heading), format!("Continued training {shown}"));
    assert!(elements(&document, "dd").any(|value| text(value) == shown));
    // Nothing that is inlined may end its own element.
    assert!(!SCRIPT.contains("</script") && !STYLE.contains("</style"));
}

#[test]
fn the_page_loads_nothing() {
    let html = sample::report().to_html();
    for foreign in [
        "http:", "https:", "//cdn", "src=", "url(", "@import", "<link", "<iframe", "fetch(",
    ] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn drawings_hold_only_numbers_and_say_what_they_show() {
    let xml = as_xml(&sample::report());
    let document = Document::parse(&xml).unwrap();
    let drawings: Vec<Node> = elements(&document, "svg")
        .filter(|svg| svg.attribute("role") == Some("img"))
        .collect();
    assert_eq!(drawings.len(), sample::DRAWINGS);
    for drawing in &drawings {
        assert!(
            drawing
                .attribute("aria-label")
                .is_some_and(|label| label.len() > 5)
        );
        for attribute in drawing.descendants().flat_map(|node| node.attributes()) {
            if ["d", "x", "y", "width", "height"].contains(&attribute.name()) {
                let value = attribute.value();
                assert!(!value.contains("NaN") && !value.contains("inf"), "{value}");
            }
        }
    }
    let empty = drawings
        .iter()
        .filter(|drawing| text(**drawing).contains("no values to draw"));
    assert_eq!(empty.count(), 3);
}

#[test]
fn numbers_that_went_in_come_out() {
    let xml = as_xml(&sample::report());
    let document = Document::parse(&xml).unwrap();
    let cells: Vec<String> = elements(&document, "td").map(text).collect();
    assert!(cells.contains(&"79.34 ± 0.28".to_owned()), "{cells:?}");
    assert!(cells.contains(&"84.10".to_owned()));
    assert!(
        cells.contains(&"–".to_owned()),
        "a missing value is shown as missing"
    );
    let labels: Vec<String> = elements(&document, "text").map(text).collect();
    for label in [
        "79.34 ± 0.28",
        "82.07 ± 0.09",
        "−0.079",
        "0.000031",
        "1,250,000",
        "no value",
        "uniform",
    ] {
        assert!(
            labels.iter().any(|shown| shown == label),
            "{label} is not among {labels:?}"
        );
    }
    for group in elements(&document, "th").filter(|th| th.attribute("scope") == Some("colgroup")) {
        assert_eq!(group.attribute("colspan"), Some("2"));
    }
}

#[test]
fn what_is_left_out_or_cut_is_said() {
    let html = sample::report().to_html();
    for sentence in [
        "base loss + E2MC: 1 of 196 values are not finite: gaps.",
        "base loss + E2MC: 1 of 501 values are not finite or outside the axis: not counted.",
        "are cut off, so that the others can be read: Dimension 511 (up to 24.0).",
        "Axes do not start at zero",
        "centred means of 9 values",
    ] {
        assert!(html.contains(sentence), "{sentence}");
    }
}

#[test]
fn a_name_keeps_its_ink_through_the_page() {
    let xml = as_xml(&sample::report());
    let document = Document::parse(&xml).unwrap();
    let mut seen = 0;
    for legend in elements(&document, "ul").filter(|ul| ul.attribute("class") == Some("legend")) {
        for entry in legend.children() {
            let Some(slot) = sample::ARMS.iter().position(|arm| text(entry) == *arm) else {
                continue;
            };
            let sample = entry.first_element_child().unwrap();
            let class = sample.attribute("class").unwrap();
            assert!(
                class.ends_with(&format!(" s{slot}")),
                "{} has {class}",
                text(entry)
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 3 + 2 + 2 + 3 + 2);
}

#[test]
fn empty_reports_are_pages_too() {
    for report in [
        Report::default(),
        Report {
            sections: vec![Section::default(), Section::default()],
            ..Report::default()
        },
    ] {
        Document::parse(&as_xml(&report)).expect("well-formed");
    }
}

/// The relative luminance of a `#rrggbb` colour, as WCAG defines it.
fn luminance(colour: &str) -> f64 {
    let channel = |i: usize| {
        let value =
            f64::from(u8::from_str_radix(&colour[i..i + 2], 16).expect("hexadecimal")) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_scheme_can_be_read() {
    let schemes: Vec<&str> = STYLE.split(":root {").skip(1).collect();
    assert_eq!(schemes.len(), 3, "light, dark and paper");
    for scheme in schemes {
        let scheme = scheme.split('}').next().unwrap();
        let colour = |name: &str| {
            let value = scheme.split(&format!("--{name}: ")).nth(1);
            value
                .unwrap_or_else(|| panic!("{name} in {scheme}"))
                .split(';')
                .next()
                .unwrap()
        };
        for text in ["ink", "muted", "link", "good", "bad"] {
            let ratio = contrast(colour(text), colour("paper"));
            assert!(ratio >= 4.5, "{text} on paper: {ratio:.2}");
        }
        // Text on the deepest cell of a heat map; the others are between it and the card.
        let ratio = contrast(colour("ink"), colour("heat"));
        assert!(ratio >= 4.5, "ink on heat: {ratio:.2}");
        for slot in 0..super::ink::SLOTS {
            let ratio = contrast(colour(&format!("s{slot}")), colour("card"));
            assert!(ratio >= 3.0, "slot {slot} on card: {ratio:.2}");
        }
    }
}

/// A fresh folder that is removed when the test ends.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("e2mc-report-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Remains in the temporary folder harm nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn saving_replaces_the_old_page_and_leaves_nothing_else() {
    let folder = Folder::new("save");
    let path = folder.0.join("report.html");
    fs::write(&path, "old").unwrap();
    let report = sample::report();
    report.save(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), report.to_html());
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn saving_says_which_file_it_could_not_write() {
    let folder = Folder::new("fail");
    let missing = folder.0.join("no such folder").join("report.html");
    let error = Report::default().save(&missing).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(
        error.to_string().contains("cannot write report")
            && error.to_string().contains("no such folder")
    );
    // A folder cannot be replaced by a file; the attempt leaves nothing behind.
    let taken = folder.0.join("taken");
    fs::create_dir(&taken).unwrap();
    assert!(Report::default().save(&taken).is_err());
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    assert!(Report::default().save(&folder.0.join("..")).is_err());
}
