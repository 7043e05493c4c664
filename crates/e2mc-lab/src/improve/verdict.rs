//! The verdict on held-out images B: the best of A against the untouched model, once.
//!
//! The map is fitted again, on the training images and A. The deciding use makes the claim, at
//! 5 %: interval and permutation test as in [`e2mc_eval::adapt`]. The other uses are looked at for
//! a loss, at 5 % in all.

use std::path::Path;

use e2mc::Matrix;
use e2mc_base::stop::Stop;
use e2mc_eval::adapt::{Map, Statistics, Use, Versus, count_look};
use e2mc_record::UseVerdict;
use e2mc_train::Model;

use super::judge::{Bench, Features, MapChoice};
use super::pool::Part;
use super::stage::Stage;
use crate::error::Error;
use crate::images::fingerprint;

/// The probability of claiming a gain where there is none, and of a loss in any other use.
pub(super) const LEVEL: f64 = 0.05;

/// What B said.
pub(super) struct Verdict {
    pub(super) verified: UseVerdict,
    /// Whether the gain is certain.
    pub(super) gains: bool,
    pub(super) others: Vec<UseVerdict>,
    /// Smallest detectable gain for the deciding use, in points.
    pub(super) detectable: f64,
    pub(super) looks: u64,
    pub(super) map: Option<Map>,
}

/// The two that are compared.
pub(super) struct Rivals<'a> {
    /// Features of the untouched model, of all that were looked at for copies.
    pub(super) sample: &'a Matrix,
    /// The best model; none if it is the untouched one with a map.
    pub(super) model: Option<&'a Model>,
    pub(super) map: Option<&'a MapChoice>,
}

/// Judges on B. The other uses are left out where a signal says so or time is up.
pub(super) fn verify(
    stage: &Stage<'_>,
    bench: &Bench<'_>,
    rivals: &Rivals<'_>,
    stop: &Stop,
) -> Result<Verdict, Error> {
    let work = stage.work;
    let verify = &bench.dealt.verify;
    let images = bench.pool.select(verify.images.clone())?;
    // Counted before the look: one that is broken off was one.
    let looks = counted(stage, &fingerprint(&work.data, &*images))?;

    let known = bench.known();
    let untouched = Features {
        bank: known.pick(rivals.sample),
        queries: verify.pick(rivals.sample),
    };
    let changed = match rivals.model {
        None => None,
        Some(model) => {
            let embed = |part: &Part| bench.embed(model, &stage.common, part.images.clone());
            Some(Features {
                bank: embed(&known)?,
                queries: embed(verify)?,
            })
        }
    };
    let features = changed.as_ref().unwrap_or(&untouched);
    let map = match rivals.map {
        None => None,
        Some(MapChoice {
            method,
            unit_length,
        }) => {
            let rows = features.bank.view();
            let statistics = Statistics::measure(&rows)?;
            Some(statistics.fit(&rows, method, *unit_length, bench.seed)?)
        }
    };
    let versus = |usage: Use, confidence: f64| -> Result<Versus, Error> {
        let without = bench.on_b(usage, (&known, &untouched), None)?;
        let with = bench.on_b(usage, (&known, features), map.as_ref())?;
        Ok(Versus::of(
            &with,
            &without,
            &verify.groups,
            confidence,
            bench.seed,
        ))
    };
    let decided = versus(bench.usage, 1.0 - LEVEL)?;
    let others: Vec<Use> = (Use::ALL.into_iter())
        .filter(|&usage| usage != bench.usage)
        .collect();
    let confidence = 1.0 - LEVEL / others.len() as f64;
    let mut found = Vec::new();
    for usage in others {
        if stop.is_requested() || !stage.clock.allows(0.0) {
            break;
        }
        found.push(in_points(bench, usage, &versus(usage, confidence)?));
    }
    Ok(Verdict {
        gains: decided.verified.is_gain(),
        detectable: 100.0 * decided.detectable,
        verified: in_points(bench, bench.usage, &decided),
        others: found,
        looks,
        map,
    })
}

/// How often B was evaluated, this look included. Where the file of all improvements cannot be
/// used, those of this folder alone are counted: a search is not lost for a count.
fn counted(stage: &Stage<'_>, fingerprint: &str) -> Result<u64, Error> {
    let count = |path: &Path| -> Result<u64, Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| Error::io("make", folder, source))?;
        }
        Ok(count_look(path, fingerprint)?)
    };
    let (shared, own) = (&stage.work.looks, stage.folder.looks());
    match count(shared) {
        Err(cause) if *shared != own => {
            stage.warn(format!(
                "looks at the held-out images are counted only in {}, so earlier improvements on \
                 these images are not included: {cause}",
                own.display()
            ));
            count(&own)
        }
        counted => counted,
    }
}

fn in_points(bench: &Bench<'_>, usage: Use, versus: &Versus) -> UseVerdict {
    let verified = &versus.verified;
    UseVerdict {
        usage: usage.name().to_owned(),
        protocol: bench.protocol_on_b(usage),
        before: 100.0 * verified.without,
        after: 100.0 * verified.with,
        gain: 100.0 * verified.gain,
        interval: (100.0 * verified.interval.0, 100.0 * verified.interval.1),
        confidence: verified.confidence,
        p: verified.p,
    }
}
