//! Single images on pages: what is shown, in pictures and in words; names that would break the
//! page; its size.

use std::path::Path;

use e2mc::Matrix;
use e2mc_eval::diagnostics::{Asked, Placed, Surroundings};
use e2mc_eval::protocol::{Labelled, ProbeKind, ProbePlan, Subsets, evaluate_probes};
use e2mc_record::{
    CheckpointOrigin, EvaluationResult, FoundResult, Origin, Protocol, RESULT, ResultFolder,
    SplitRecord,
};
use roxmltree::Document;

use super::*;
use crate::sample::HOSTILE;
use crate::tests::as_xml;
use crate::{Block, Report};

/// Two models of which the second is right on more images; ten classes, of which the first two are
/// confused.
fn images(names: &dyn Fn(usize) -> String, bytes: usize) -> Images {
    let rows = 400;
    let labels: Vec<usize> = (0..rows).map(|row| row % 10).collect();
    let said = |wrong: usize| -> Vec<usize> {
        let rows = labels.iter().enumerate();
        rows.map(|(row, &label)| match label {
            0 if row / 10 % 4 < wrong => 1,
            label => label,
        })
        .collect()
    };
    let surroundings = |right: usize, shift: f32| Surroundings {
        placed: (0..rows)
            .map(|row| Placed {
                row,
                place: [(row % 10) as f32 + shift, (row / 10) as f32 * 0.1],
                class: Some(labels[row]),
            })
            .collect(),
        shares: [0.25, 0.15],
        asked: (0..rows)
            .step_by(4)
            .map(|row| Asked {
                row,
                class: Some(labels[row]),
                nearest: (0..10)
                    .map(|at| {
                        let own = at < (right + row) % 11;
                        let class = labels[row] + usize::from(!own);
                        (10 * (row + at) + class, Some(class % 10))
                    })
                    .collect(),
            })
            .collect(),
        within: false,
    };
    let model = |name: &str, right, shift| Model {
        name: name.to_owned(),
        identity: String::new(),
        surroundings: Some(surroundings(right, shift)),
    };
    let mut images = Images {
        models: vec![model("base", 3, 0.0), model("after", 6, 0.5)],
        judged: vec![Judged {
            model: 1,
            line: "logistic, 10 % of labels".to_owned(),
            answers: Answers {
                labels: labels.clone(),
                first: vec![said(3), said(2)],
                second: vec![said(1), said(0)],
            },
            rows: Vec::new(),
        }],
        classes: (0..10).map(|class| names(1000 + class)).collect(),
        ..Images::default()
    };
    images.show(|id| {
        let seed = (id.row * 2 + usize::from(id.set == Set::Train)) as u32;
        let mut file = b"\x89PNG".to_vec();
        let mut state = seed.wrapping_add(1);
        while file.len() < bytes {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            file.push((state >> 24) as u8);
        }
        Some(Picture::new(names(id.row), Some((56, 56, file))))
    });
    images
}

fn page(images: &Images) -> Report {
    let mut report = Report {
        sections: vec![Section {
            heading: "How it was made".into(),
            ..Section::default()
        }],
        ..Report::default()
    };
    report.insert(images.sections());
    report
}

#[test]
fn all_parts_are_there_in_pictures_and_in_words() {
    let images = images(&|row| format!("name {row}"), 300);
    let report = page(&images);
    let headings: Vec<&str> = report.sections.iter().map(|s| s.heading.as_str()).collect();
    assert_eq!(headings, ["Classes", "Single images", "How it was made"]);
    let html = report.to_html();
    Document::parse(&as_xml(&report)).expect("well-formed");
    for part in [
        "Accuracy by class over base",
        "Pairs of classes confused less by after",
        "Gained: images that after gets right and base gets wrong",
        "Neighbours: more of the same class in after",
        "Neighbours of a fixed sample of images",
        "A map of the images",
        "data:image/png;base64,",
        // For those who hear the page.
        "aria-label=\"name 0, name 1000\"",
        "<span class=\"heard\">right: </span>",
        "nearest to name 100",
        "Map",
    ] {
        assert!(html.contains(part) || part == "Map", "{part}");
    }
    // Every picture is in the page once, however often it is shown.
    let symbols = html.matches("<symbol ").count();
    let uses = html.matches("<use href=\"#p").count();
    assert!(symbols > 300 && uses > 100, "{symbols} {uses}");
    let first = html.split("<symbol id=\"").nth(1).unwrap();
    let id = first.split('"').next().unwrap();
    assert_eq!(html.matches(&format!("<symbol id=\"{id}\"")).count(), 1);
    // The class that gains is first, with an interval beyond zero.
    let table = html.split("Accuracy by class</h3>").nth(1).unwrap();
    assert!(
        table.contains("<th scope=\"row\">name 1000</th><td class=\"number\">40</td>"),
        "{table:.900}"
    );
}

#[test]
fn the_same_images_are_wanted_as_are_shown() {
    let images = images(&|row| format!("name {row}"), 300);
    let wanted = images.wanted();
    let mut once = wanted.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), wanted.len());
    let html = page(&images).to_html();
    assert!(
        !html.contains("image 1,") && !html.contains("training image "),
        "all were told"
    );
    // Without pictures names and classes remain, and the reason is said.
    let mut bare = Images {
        missing: "There are no pictures: they are gone.".to_owned(),
        known: BTreeMap::new(),
        ..images
    };
    let html = page(&bare).to_html();
    assert!(!html.contains("<symbol ") && !html.contains("data:image"));
    assert!(html.contains("they are gone.") && html.contains("name 1001"));
    bare.models.clear();
    bare.judged.clear();
    assert!(bare.sections().is_empty() && bare.wanted().is_empty());
}

#[test]
fn hostile_names_of_files_and_classes_stay_text() {
    let report = page(&images(&|row| format!("<i>{row}</i>`\"{HOSTILE}"), 300));
    let xml = as_xml(&report);
    let document = Document::parse(&xml).expect("well-formed");
    let scripts = document.descendants().filter(|n| n.has_tag_name("script"));
    assert_eq!(scripts.count(), 1, "the page's own");
    assert!(!xml.contains("<script>alert") && !xml.contains("<i>1"));
    assert!(xml.contains("&lt;script&gt;alert"));
    for figure in report.figures() {
        Document::parse(&figure.to_svg()).expect("well-formed");
    }
}

#[test]
fn a_page_of_many_large_pictures_stays_below_five_megabytes() {
    let report = page(&images(
        &|row| format!("a rather long name of an image file {row}.jpeg"),
        9000,
    ));
    let html = report.to_html();
    assert!(html.len() < 5_000_000, "{} bytes", html.len());
    assert!(html.contains("pictures are left out, so that the page stays below 5 MB."));
    // What is seen at once has its pictures before what shows under the pointer.
    let section = html.split("Gained: images").nth(1).unwrap();
    assert!(
        section
            .split("</figure>")
            .next()
            .unwrap()
            .contains("class=\"shot\"")
    );
}

#[test]
fn findings_count_what_was_gained_and_lost() {
    let findings = images(&|row| row.to_string(), 300).findings();
    assert_eq!(
        findings[0].text,
        "By logistic, 10 % of labels: of 400 test images after gets 30 right more often than base, \
         and 0 less often."
    );
}

/// Features of four classes around their corners; the second coordinate is noise of a size.
fn labelled(rows: usize, noise: f32) -> (Matrix, Vec<usize>) {
    let labels: Vec<usize> = (0..rows).map(|row| row % 4).collect();
    let value = |row: usize, column: usize| {
        let random = (row as f32 * 0.618_034 + column as f32 * 0.377).fract() - 0.5;
        f32::from(u8::from(labels[row] == column)) + noise * random
    };
    let values = (0..rows * 6).map(|at| value(at / 6, at % 6)).collect();
    (Matrix::new(values, rows, 6).unwrap(), labels)
}

fn evaluated(folder: &Path, noise: f32, test: &str) -> FoundResult {
    let ((train, train_labels), (tests, test_labels)) = (labelled(80, noise), labelled(60, noise));
    let data = Labelled {
        train,
        train_labels,
        test: tests,
        test_labels,
        classes: 4,
    };
    let plan = ProbePlan {
        subsets: Subsets::of_fractions(&[0.2, 1.0]).unwrap(),
        seeds: vec![0, 1],
        probes: vec![ProbeKind::Logistic],
        k: 5,
        ..ProbePlan::default()
    };
    let mut result = EvaluationResult::new("probe", "model", Protocol::Linear);
    result.origin = Origin::Checkpoint(CheckpointOrigin {
        checkpoint: folder.join("model.safetensors"),
        data: Some("data".into()),
        ..CheckpointOrigin::default()
    });
    result.class_names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    result.splits.test = Some(SplitRecord {
        split: "test".into(),
        images: 60,
        fingerprint: Some(test.to_owned()),
    });
    let mut out = ResultFolder::create(folder, true).unwrap();
    let result = evaluate_probes(result, &data, &plan, &mut out).unwrap();
    out.write(&result).unwrap();
    let path = folder.join(RESULT);
    FoundResult {
        result: EvaluationResult::read(&path).unwrap(),
        path,
    }
}

#[test]
fn recorded_results_bring_answers_neighbours_and_their_source() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let base = evaluated(&at("base"), 2.5, "same");
    let after = evaluated(&at("after"), 1.2, "same");
    let other = evaluated(&at("other"), 1.2, "other images");
    let named = [
        ("base".to_owned(), &base),
        ("other".to_owned(), &other),
        ("after".to_owned(), &after),
    ];
    let images = of_results(&named);
    let names: Vec<&str> = images.models.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["base", "after"], "judged on other images");
    assert_eq!(images.models[1].identity, "after");
    assert_eq!(images.judged.len(), 1);
    assert_eq!(images.judged[0].line, "logistic, 100 % of labels");
    assert_eq!(images.classes, ["a", "b", "c", "d"]);
    let source = images.source.as_ref().unwrap();
    assert_eq!(source.data, Path::new("data"));
    let near = images.models[0].surroundings.as_ref().unwrap();
    assert_eq!((near.placed.len(), near.asked.len()), (60, 60));
    assert!(
        near.asked
            .iter()
            .all(|asked| asked.nearest.len() == 5 && asked.right().is_some())
    );
    let blocks: usize = images
        .sections()
        .iter()
        .map(|section| section.blocks.len())
        .sum();
    assert!(blocks > 5, "{blocks}");

    let alone = of_results(&named[..1]);
    assert!(alone.judged[0].answers.second.is_empty() && alone.findings().is_empty());
    let html = page(&alone).to_html();
    assert!(
        html.contains("Images that base gets wrong")
            && html.contains("Pairs of classes confused most")
    );
    assert!(!html.contains("no values to draw"));
    // What was deleted since takes no part.
    std::fs::remove_file(at("base").join("surroundings.npz")).unwrap();
    assert!(of_results(&named[..1]).models[0].surroundings.is_none());
    assert!(of_results(&[]).sections().is_empty());
}

#[test]
fn a_page_without_single_images_is_as_it_was() {
    let mut report = page(&Images::default());
    report.insert(Vec::new());
    assert_eq!(report.sections.len(), 1);
    let blocks = report.sections.iter().flat_map(|section| &section.blocks);
    assert!(
        !blocks
            .into_iter()
            .any(|block| matches!(block, Block::Strips(_)))
    );
}
