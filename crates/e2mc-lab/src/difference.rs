//! Where the settings of a run that is there, or of a sweep, differ from those that are asked for
//! now.

use std::fmt;

use e2mc_record::RunSettings;
use e2mc_train::Recipe;
use e2mc_train::layer::Precision;
use serde_json::{Value, json};

/// What may be otherwise where a run goes on, or says nothing about it. The images may have moved:
/// that they are the same is seen when they are opened.
const FREE_OF_A_RUN: [&str; 15] = [
    "format",
    "e2mc",
    "command",
    "resumed_by",
    "computed_by",
    "device",
    "guard",
    "log_every",
    "save_every",
    "half",
    "data.data",
    "data.images",
    "data.fingerprint",
    "data.data_options.max_bad_images",
    "base.path",
];
/// The same of a recipe.
const EPOCHS: &str = "training.epochs";
const PRECISION: &str = "training.precision";

/// A setting with two values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its dotted name: `training.batch`, `seed`, `data.held_out`.
    pub key: String,
    /// What the run has.
    pub own: String,
    /// What is asked for.
    pub asked: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, own, asked } = self;
        write!(f, "{key} is {own}, found {asked}")
    }
}

/// Several in one sentence.
pub(crate) fn sentence(differences: &[Difference]) -> String {
    const NAMED: usize = 8;
    let mut parts: Vec<_> = differences
        .iter()
        .take(NAMED)
        .map(ToString::to_string)
        .collect();
    if differences.len() > NAMED {
        parts.push(format!("and {} more", differences.len() - NAMED));
    }
    parts.join("; ")
}

/// The differences between a run and what is asked for, but for those that a run may have where it
/// goes on.
pub(crate) fn of_run(
    (recipe, settings): (&Recipe, &RunSettings),
    (asked_recipe, asked): (&Recipe, &RunSettings),
) -> Vec<Difference> {
    let mut found = between(&json!(recipe), &json!(asked_recipe));
    let chosen = asked_recipe.training.precision == Precision::Auto;
    found.retain(|difference| difference.key != EPOCHS && !(chosen && difference.key == PRECISION));
    let mut of_settings = between(&json!(settings), &json!(asked));
    of_settings.retain(|difference| !FREE_OF_A_RUN.contains(&&*difference.key));
    found.extend(of_settings);
    found
}

/// Every value that differs, by its dotted key; lists are values.
pub(crate) fn between(own: &Value, asked: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(own), Some(asked), &mut found);
    found
}

fn compare(key: &str, own: Option<&Value>, asked: Option<&Value>, found: &mut Vec<Difference>) {
    let table = |value: Option<&Value>| value.and_then(Value::as_object).cloned();
    match (table(own), table(asked)) {
        (None, None) => {
            // An absent value and null are the same.
            let known = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
            let (own, asked) = (known(own), known(asked));
            if own != asked {
                found.push(Difference {
                    key: key.to_owned(),
                    own: text(own),
                    asked: text(asked),
                });
            }
        }
        (own, asked) => {
            let (own, asked) = (own.unwrap_or_default(), asked.unwrap_or_default());
            let only_asked = asked.keys().filter(|name| !own.contains_key(*name));
            for name in own.keys().chain(only_asked) {
                let below = match key {
                    "" => name.clone(),
                    _ => format!("{key}.{name}"),
                };
                compare(&below, own.get(name), asked.get(name), found);
            }
        }
    }
}

fn text(value: Option<Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => text,
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_that_differs_has_its_key() {
        let own = json!({ "a": 1, "b": { "c": [1, 2], "d": null }, "e": "x", "g": { "h": 1 } });
        let asked = json!({ "a": 1, "b": { "c": [1, 3] }, "f": true, "g": null });
        let found = between(&own, &asked);
        let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "b.c is [1,2], found [1,3]",
                "e is x, found none",
                "g.h is 1, found none",
                "f is none, found true"
            ]
        );
        assert!(sentence(&found).ends_with("f is none, found true"));
    }
}
