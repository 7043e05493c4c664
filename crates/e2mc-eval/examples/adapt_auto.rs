//! What `adapt::auto` returns for embeddings and labels in files, and what it is worth on others.
//!
//! `cargo run --release -p e2mc-eval --example adapt_auto -- TRAIN LABELS TEST TEST_LABELS [USE...]`: prints every candidate on
//! A, the choice on B, and, for neighbours, the 20-NN accuracy of the test rows without and with the map.

use e2mc_eval::adapt::{AutoConfig, Evidence, Map, Use, auto};
use e2mc_eval::{Error, KnnConfig, knn, read_embeddings, read_labels, top1};

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [train, labels, test, truth, uses @ ..] = &arguments[..] else {
        eprintln!("usage: adapt_auto TRAIN LABELS TEST TEST_LABELS [USE...]");
        std::process::exit(2);
    };
    let (train, labels) = (read_embeddings(train)?, read_labels(labels)?);
    let (test, truth) = (read_embeddings(test)?, read_labels(truth)?);
    let mut config = AutoConfig::default();
    if !uses.is_empty() {
        config.uses = uses
            .iter()
            .map(|name| name.parse())
            .collect::<Result<Vec<Use>, Error>>()?;
    }
    let accuracy = |map: &Map| -> Result<f64, Error> {
        let (bank, queries) = (map.apply(train.view())?, map.apply(test.view())?);
        let found = knn(bank.view(), &labels, queries.view(), &KnnConfig::default())?;
        Ok(100.0 * top1(&found[0].predictions, &truth)?)
    };
    for outcome in auto(&train.view(), Evidence::Labels(&labels), &config)? {
        println!(
            "{}: {:?}, {:?}",
            outcome.usage, outcome.verdict, outcome.parts
        );
        for (place, candidate) in outcome.candidates.iter().enumerate() {
            let mark = if Some(place) == outcome.chosen {
                '*'
            } else {
                ' '
            };
            let unit = if candidate.unit_length {
                ", unit length"
            } else {
                ""
            };
            println!(
                "{mark} {:6.2} {}{unit}",
                100.0 * candidate.accuracy,
                candidate.method
            );
        }
        if let Some(v) = &outcome.verified {
            println!(
                "  on B {:.2} to {:.2}: gain {:.2}, {:.1} % interval {:.2} to {:.2}, p {:.4}",
                100.0 * v.without,
                100.0 * v.with,
                100.0 * v.gain,
                100.0 * v.confidence,
                100.0 * v.interval.0,
                100.0 * v.interval.1,
                v.p
            );
        }
        if let Some(detectable) = outcome.detectable {
            println!("  smallest detectable gain {:.2}", 100.0 * detectable);
        }
        let identity =
            e2mc_eval::adapt::fit(&train.view(), &e2mc_eval::adapt::Method::None, false, 0)?;
        println!(
            "  20-NN of the test rows {:.2} without, {:.2} with the map",
            accuracy(&identity)?,
            accuracy(&outcome.map)?
        );
    }
    Ok(())
}
