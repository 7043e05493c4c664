//! The page as a whole: well-formed, complete in itself, readable, and written in one piece.

use std::collections::HashSet;
use std::fs;

use roxmltree::{Document, Node};

use crate::sample;
use crate::{Chart, Error, Report, Section};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("report.js");

/// The page as XML: without the document type, and without the script, which is not XML.
pub(crate) fn as_xml(report: &Report) -> String {
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
fn panels_of_every_kind_have_a_title_a_legend_and_words() {
    let report = sample::report();
    let mut kinds = HashSet::new();
    for figure in report.figures() {
        kinds.insert(figure.kind);
        for panel in figure.panels {
            assert!(!panel.title.is_empty());
            assert!(
                panel.description.starts_with(&panel.title)
                    || panel.description.starts_with("Histogram of "),
                "{}",
                panel.description
            );
            // What is not drawn needs no legend.
            let empty = panel.drawing.contains("no values to draw");
            assert!(empty || !panel.legend.is_empty(), "{}", panel.title);
            assert!(empty || panel.description.contains(char::is_numeric));
            assert!(panel.legend.iter().all(|entry| !entry.name().is_empty()));
        }
    }
    assert_eq!(
        kinds,
        HashSet::from(["lines", "dots", "histograms", "scatters", "heat"])
    );
    let charts = report.sections.iter().flat_map(|section| &section.blocks);
    let charts = charts.filter(|block| matches!(block, crate::Block::Chart(_)));
    assert!(charts.count() > 5, "one of each kind at least");
}

#[test]
fn one_registry_gives_a_run_the_same_ink_on_every_page() {
    let first = sample::report();
    // The same names in another order, on a page that knows the registry of the set.
    let mut inks = first.inks.clone();
    inks.register(
        first
            .sections
            .iter()
            .flat_map(|s| &s.blocks)
            .flat_map(|block| match block {
                crate::Block::Chart(chart) => Chart::names(chart),
                _ => vec![],
            }),
    );
    let lines = crate::Lines {
        charts: vec![crate::LineChart {
            series: sample::ARMS
                .iter()
                .rev()
                .map(|arm| crate::Series {
                    name: (*arm).to_owned(),
                    points: vec![(0.0, 1.0)],
                })
                .collect(),
            ..crate::LineChart::default()
        }],
        ..crate::Lines::default()
    };
    let second = Report {
        inks,
        sections: vec![Section {
            blocks: vec![lines.into()],
            ..Section::default()
        }],
        ..Report::default()
    };
    let legend = &second.figures()[0].legend;
    for (slot, arm) in sample::ARMS.iter().enumerate() {
        assert!(
            legend.contains(&crate::Entry::Line(slot, (*arm).to_owned())),
            "{legend:?}"
        );
    }
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

#[test]
fn saving_replaces_the_old_page_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    fs::write(&path, "old").unwrap();
    let report = sample::report();
    report.save(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), report.to_html());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn saving_says_which_file_it_could_not_write() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no such folder").join("report.html");
    let error = Report::default().save(&missing).unwrap_err();
    let Error::Write { path, source, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (path, source.kind()),
        (&missing, std::io::ErrorKind::NotFound)
    );
    assert!(
        error.to_string().contains("cannot write report")
            && error.to_string().contains("no such folder")
    );
    // A folder cannot be replaced by a file; the attempt leaves nothing behind.
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    assert!(Report::default().save(&taken).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(Report::default().save(&folder.path().join("..")).is_err());
}
