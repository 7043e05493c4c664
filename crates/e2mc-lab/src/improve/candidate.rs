//! What is tried: the checkpoint trained on with its own loss, and with the entropy criterion at a
//! few coefficients and rates.

use e2mc_data::PreprocessingChanges;
use e2mc_recipe::Change;
use e2mc_record::RowKind;
use e2mc_train::Recipe;
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::criterion::CriterionConfig;
use e2mc_train::method::{MethodConfig, VicregConfig};
use e2mc_train::optim::ScheduleConfig;
use toml::Value;

use crate::continuation::{check_architecture, inherited, widths_of_heads};
use crate::error::Error;
use crate::recipe;
use crate::sweep::text;

/// The learning rate that the candidates start from, for LARS and LARC: ten times as much moved the
/// weights of small bases too far for all uses but one.
const RATE: f64 = 0.03;
/// The same for SGD without such a rule.
const SGD_RATE: f64 = 0.01;

/// One way to train on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    /// What tables call it.
    pub(super) name: String,
    /// The file name of its folder.
    pub(super) slug: String,
    pub(super) kind: RowKind,
    pub(super) recipe: Recipe,
}

/// What the user changes of the recipe.
pub(super) struct Wanted<'a> {
    pub(super) recipe: Option<&'a str>,
    pub(super) changes: &'a [Change],
    /// How images are prepared otherwise.
    pub(super) images: &'a PreprocessingChanges,
}

/// The recipe that the candidates change: network, views and constants of the checkpoint, the
/// optimiser of its method, and what the user wants on top. A checkpoint without heads gets
/// VICReg's, as wide as the features.
pub(super) fn common(checkpoint: &Checkpoint, wanted: &Wanted<'_>) -> Result<Recipe, Error> {
    let mut base = inherited(&checkpoint.recipe);
    if checkpoint.is_headless() {
        base.method = MethodConfig::Vicreg(VicregConfig {
            projector: vec![base.backbone.features(); 3],
            ..VicregConfig::default()
        });
    }
    if let MethodConfig::Swav(swav) = &mut base.method {
        // The prototypes are trained, and batches are as large as a queue would make them.
        swav.queue = 0;
        swav.freeze_prototypes = 0;
    }
    base.criterion = CriterionConfig::None;
    base.training.learning_rate = match base.method.name() {
        "vicreg" | "swav" => RATE,
        "simsiam" => SGD_RATE,
        // What is small for its own optimiser.
        _ => base.training.learning_rate / 10.0,
    };
    if let Ok(family) = e2mc_recipe::find(&format!("{}-imagenet", base.method.name()))
        && let Some(optimizer) = family.table.get("optimizer")
    {
        let change = ("optimizer".to_owned(), optimizer.clone());
        base = recipe::resolve(Some(&base), None, &[change])?;
    }
    let general: Vec<Change> = general(wanted.changes).cloned().collect();
    let resolve = |changes: &[Change]| recipe::resolve(Some(&base), wanted.recipe, changes);
    let mut found = resolve(&general)?;
    let widths = widths_of_heads(checkpoint, &found, &general)?;
    if !widths.is_empty() {
        found = resolve(&[general, widths].concat())?;
    }
    check_architecture(&found, checkpoint)?;
    // The untouched model is evaluated as it was made to see images, whatever a recipe says of
    // others.
    found.evaluation = checkpoint.recipe.evaluation.clone();
    recipe::prepare(&mut found, wanted.images)?;
    // A run is extended from rung to rung: its rate must not depend on how long it will be.
    found.schedule = ScheduleConfig::Constant { warmup: 0.0 };
    Ok(found)
}

/// The changes of the criterion.
pub(super) fn of_criterion(changes: &[Change]) -> impl Iterator<Item = &Change> {
    changes
        .iter()
        .filter(|(key, _)| key.starts_with("criterion"))
}

/// The changes that say nothing of the criterion.
fn general(changes: &[Change]) -> impl Iterator<Item = &Change> {
    changes
        .iter()
        .filter(|(key, _)| !key.starts_with("criterion"))
}

/// The candidates of a method, the most promising first: those are tried where time is short.
pub(super) fn candidates(common: &Recipe, wanted: &Wanted<'_>) -> Result<Vec<Candidate>, Error> {
    let rate = common.training.learning_rate;
    let continued = Trial {
        criterion: None,
        rate,
    };
    let with = |beta: f64, gamma: f64, rate: f64| Trial {
        criterion: Some((beta, gamma)),
        rate,
    };
    let mut trials = match common.method.name() {
        "swav" | "dino" => vec![
            with(1.0, 25.0, rate),
            continued,
            with(10.0, 25.0, rate),
            with(1.0, 25.0, rate / 3.0),
        ],
        "simsiam" => vec![
            with(0.2, 0.01, rate),
            continued,
            with(0.001, 0.01, rate),
            with(0.2, 0.01, rate / 3.0),
        ],
        _ => vec![
            with(100.0, 100.0, rate),
            continued,
            with(10.0, 100.0, rate),
            with(100.0, 100.0, rate / 3.0),
        ],
    };
    // The coefficients of a recipe that was named come first.
    if let CriterionConfig::E2mc { beta, gamma, .. } = common.criterion {
        trials.insert(0, with(beta, gamma, rate));
    }
    let sets_rate = |(key, _): &Change| key == "training.learning_rate";
    let fixed_rate = wanted.changes.iter().any(sets_rate);
    let mut found: Vec<Candidate> = Vec::new();
    for trial in trials {
        if fixed_rate && trial.rate != rate {
            continue;
        }
        let candidate = trial.candidate(common, wanted)?;
        if found.iter().all(|other| other.recipe != candidate.recipe) {
            found.push(candidate);
        }
    }
    Ok(found)
}

/// Coefficients and a rate.
struct Trial {
    criterion: Option<(f64, f64)>,
    rate: f64,
}

impl Trial {
    fn candidate(&self, common: &Recipe, wanted: &Wanted<'_>) -> Result<Candidate, Error> {
        let mut recipe = common.clone();
        recipe.training.learning_rate = self.rate;
        let Some((beta, gamma)) = self.criterion else {
            recipe.criterion = CriterionConfig::None;
            return Ok(Candidate {
                name: format!("continued, rate {}", number(self.rate)),
                slug: format!("continued-{}", number(self.rate)),
                kind: RowKind::Continued,
                recipe,
            });
        };
        let published = CriterionConfig::e2mc(common.method.name());
        let CriterionConfig::E2mc {
            transform, epsilon, ..
        } = published
        else {
            unreachable!("E2MC's own settings");
        };
        recipe.criterion = CriterionConfig::E2mc {
            transform,
            beta,
            gamma,
            epsilon,
        };
        let changes: Vec<Change> = of_criterion(wanted.changes).cloned().collect();
        let recipe = recipe::resolve(Some(&recipe), None, &changes)?;
        let words = match recipe.criterion {
            CriterionConfig::E2mc { beta, gamma, .. } => {
                format!("+ E2MC ({}, {})", number(beta), number(gamma))
            }
            ref other => format!("+ {}", other.name()),
        };
        let rate = number(recipe.training.learning_rate);
        let name = format!("{words}, rate {rate}");
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
        let slug: Vec<&str> = name
            .split(|c: char| !plain(c))
            .filter(|word| !word.is_empty())
            .collect();
        Ok(Candidate {
            slug: slug.join("-").to_lowercase(),
            name,
            kind: RowKind::E2mc,
            recipe,
        })
    }
}

/// A coefficient as a reader writes it: at most three digits that matter.
fn number(value: f64) -> String {
    let short: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    text(&Value::Float(short))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(recipe: &str, wanted: &Wanted<'_>) -> Vec<Candidate> {
        let mut common = recipe::resolve(None, Some(recipe), &[]).unwrap();
        common.training.learning_rate = RATE;
        candidates(&common, wanted).unwrap()
    }

    static UNCHANGED: PreprocessingChanges = PreprocessingChanges {
        image_size: None,
        resize: None,
        crop: None,
        mean: None,
        std: None,
    };

    fn wanted(changes: &[Change]) -> Wanted<'_> {
        Wanted {
            recipe: None,
            changes,
            images: &UNCHANGED,
        }
    }

    #[test]
    fn each_method_has_its_coefficients_and_the_control_is_early() {
        let names = |recipe| -> Vec<String> {
            let found = of(recipe, &wanted(&[]));
            found.into_iter().map(|candidate| candidate.name).collect()
        };
        assert_eq!(
            names("swav-small-pretrain"),
            [
                "+ E2MC (1, 25), rate 0.03",
                "continued, rate 0.03",
                "+ E2MC (10, 25), rate 0.03",
                "+ E2MC (1, 25), rate 0.01"
            ]
        );
        assert_eq!(
            names("vicreg-small-pretrain")[0],
            "+ E2MC (100, 100), rate 0.03"
        );
        let found = of("swav-small-pretrain", &wanted(&[]));
        assert_eq!(found[2].slug, "e2mc-10-25-rate-0.03");
        assert_eq!(
            (found[1].kind, found[2].kind),
            (RowKind::Continued, RowKind::E2mc)
        );
        assert_eq!(found[1].recipe.criterion, CriterionConfig::None);
    }

    #[test]
    fn what_the_user_sets_is_tried_once() {
        let change = |text| e2mc_recipe::parse_change(text).unwrap();
        let changes = [
            change("criterion.beta=7"),
            change("training.learning_rate=0.03"),
        ];
        let names: Vec<String> = of("swav-small-pretrain", &wanted(&changes))
            .into_iter()
            .map(|candidate| candidate.name)
            .collect();
        assert_eq!(names, ["+ E2MC (7, 25), rate 0.03", "continued, rate 0.03"]);
    }
}
