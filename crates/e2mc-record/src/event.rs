//! The lines of `metrics.jsonl`: one event a line, a JSON object with its kind under `event`.
//!
//! Numbers that every step has are at the top level, so that any tool finds them; the terms of the
//! loss, which depend on the method, have their own key. Fields and events may be added without a
//! new format: a reader leaves out what it does not know.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::number::or_nan;

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A run begins.
    Start(Start),
    /// A run continues after a stop.
    Resume(Resume),
    /// An optimiser step that is logged.
    Step(Step),
    /// The end of an epoch; epoch 0 is the untouched model.
    Epoch(Epoch),
    /// The guard ended the run.
    Guard(Guard),
    /// The run ended.
    End(End),
    /// An event of a later version, of which nothing is known here. It is never written.
    #[serde(other)]
    Unknown,
}

/// A run begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The format of the log's lines.
    #[serde(default = "first")]
    pub format: u32,
    /// The program's version.
    #[serde(rename = "e2mc", default)]
    pub version: String,
    /// All settings, as the run resolved them.
    #[serde(default)]
    pub recipe: Value,
}

impl Start {
    /// The format that is written here.
    pub const FORMAT: u32 = 1;

    /// A run of this program begins.
    pub fn new(recipe: Value) -> Self {
        Self {
            format: Self::FORMAT,
            version: crate::VERSION.to_owned(),
            recipe,
        }
    }
}

fn first() -> u32 {
    1
}

/// A run continues after a stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// Optimiser steps done before.
    pub step: u64,
    /// Seconds trained before.
    #[serde(default)]
    pub seconds: f64,
    /// The program's version.
    #[serde(rename = "e2mc", default)]
    pub version: String,
    /// All settings: a resumed run may have another number of epochs.
    #[serde(default)]
    pub recipe: Value,
}

/// An optimiser step that is logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Optimiser steps done, this one included.
    pub step: u64,
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// The learning rate of this step.
    #[serde(deserialize_with = "or_nan")]
    pub learning_rate: f64,
    /// The loss.
    #[serde(deserialize_with = "or_nan")]
    pub loss: f64,
    /// Images a second since the last entry.
    #[serde(deserialize_with = "or_nan")]
    pub images_per_s: f64,
    /// The fraction of the time that was spent waiting for images.
    #[serde(deserialize_with = "or_nan")]
    pub waiting: f64,
    /// The fraction of the time that was spent in exchanges with other processes, where there were
    /// any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchanging: Option<f64>,
    /// The parts of the loss, unweighted.
    #[serde(default)]
    pub terms: Terms,
}

/// The end of an epoch. Of epoch 0, the untouched model, only the k-NN is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Optimiser steps done.
    pub step: u64,
    /// Mean loss over the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// How long the epoch took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Images a second over the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_per_s: Option<f64>,
    /// The fraction of the time that was spent waiting for images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<f64>,
    /// The fraction of the time that was spent in exchanges with other processes, where there were
    /// any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchanging: Option<f64>,
    /// Signs of collapse in the epoch's last batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapse: Option<Collapse>,
    /// Held-out k-NN: the fraction of the images whose neighbours name their class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knn: Option<f64>,
    /// The fraction minus the fraction at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knn_change: Option<f64>,
    /// The standard error of that change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knn_change_error: Option<f64>,
    /// The parts of the loss, unweighted, each its mean over the epoch.
    #[serde(default, skip_serializing_if = "Terms::is_empty")]
    pub terms: Terms,
}

/// What a batch of embeddings looks like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Collapse {
    /// Dimensions of the embedding.
    pub dims: usize,
    /// Mean over the dimensions of the spread; about 1 is healthy.
    #[serde(deserialize_with = "or_nan")]
    pub spread: f64,
    /// The least spread of a dimension.
    #[serde(deserialize_with = "or_nan")]
    pub least_spread: f64,
    /// Dimensions that carry nothing.
    pub dead_dims: usize,
    /// Mean marginal entropy after the transform, in nats; 0 is uniform.
    #[serde(deserialize_with = "or_nan")]
    pub entropy: f64,
    /// The least marginal entropy, in nats.
    #[serde(deserialize_with = "or_nan")]
    pub least_entropy: f64,
    /// Mean marginal entropy of the dimensions brought to zero mean and unit variance, in nats;
    /// earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entropy_shape: Option<f64>,
    /// The off-diagonal covariance of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covariance_shape: Option<f64>,
}

/// The guard ended the run: the features got worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// The epoch after which it did.
    pub epoch: u64,
}

/// The run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// How.
    pub outcome: RunOutcome,
    /// Seconds trained in all, those before a stop included.
    #[serde(deserialize_with = "or_nan")]
    pub seconds: f64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum RunOutcome {
    /// All epochs are trained.
    Finished,
    /// A signal stopped it; its state is saved.
    Interrupted,
    /// The guard stopped it; its state is saved.
    StoppedByGuard,
    /// A word of a later version.
    Other(String),
}

impl RunOutcome {
    /// The word that is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
            Self::StoppedByGuard => "stopped by the guard",
            Self::Other(word) => word,
        }
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<String> for RunOutcome {
    fn from(word: String) -> Self {
        let known = [Self::Finished, Self::Interrupted, Self::StoppedByGuard];
        let known = known.into_iter().find(|outcome| outcome.as_str() == word);
        known.unwrap_or(Self::Other(word))
    }
}

impl From<RunOutcome> for String {
    fn from(outcome: RunOutcome) -> Self {
        outcome.as_str().to_owned()
    }
}

/// The parts of a loss by name, in the order of the method.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms(Vec<(String, f64)>);

impl Terms {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the term of that name.
    pub fn get(&self, name: &str) -> Option<f64> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

impl<N: Into<String>> FromIterator<(N, f64)> for Terms {
    fn from_iter<I: IntoIterator<Item = (N, f64)>>(terms: I) -> Self {
        let terms = terms.into_iter().map(|(name, value)| (name.into(), value));
        Self(terms.collect())
    }
}

impl Serialize for Terms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Terms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Terms;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("terms of a loss by name")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Terms, M::Error> {
                let mut terms = Vec::new();
                // A value that is not finite is written as null.
                while let Some((name, value)) = map.next_entry::<String, Option<f64>>()? {
                    terms.push((name, value.unwrap_or(f64::NAN)));
                }
                Ok(Terms(terms))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(event: &Event) -> String {
        serde_json::to_string(event).unwrap()
    }

    fn events() -> Vec<Event> {
        let terms = Terms::from_iter([("invariance", 0.5), ("entropy", -0.25)]);
        let recipe = json!({ "training": { "epochs": 2 } });
        vec![
            Event::Start(Start::new(recipe.clone())),
            Event::Epoch(Epoch {
                knn: Some(0.5),
                ..Epoch::default()
            }),
            Event::Step(Step {
                step: 3,
                epoch: 1,
                learning_rate: 0.1,
                loss: 1.5,
                images_per_s: 20.0,
                waiting: 0.0,
                exchanging: None,
                terms: terms.clone(),
            }),
            Event::Epoch(Epoch {
                epoch: 1,
                step: 3,
                loss: Some(1.5),
                seconds: Some(2.0),
                images_per_s: Some(10.0),
                waiting: Some(0.25),
                exchanging: Some(0.125),
                collapse: Some(Collapse {
                    dims: 8,
                    spread: 0.9,
                    least_spread: 0.5,
                    dead_dims: 0,
                    entropy: -0.1,
                    least_entropy: -0.5,
                    entropy_shape: Some(-0.25),
                    covariance_shape: Some(0.125),
                }),
                knn: Some(0.75),
                knn_change: Some(0.25),
                knn_change_error: Some(0.125),
                terms,
            }),
            Event::Guard(Guard { epoch: 1 }),
            Event::Resume(Resume {
                step: 3,
                seconds: 2.0,
                version: "0.1.0".into(),
                recipe,
            }),
            Event::End(End {
                outcome: RunOutcome::StoppedByGuard,
                seconds: 4.5,
            }),
        ]
    }

    #[test]
    fn every_event_comes_back_as_it_was_written() {
        for event in events() {
            let text = text(&event);
            assert!(!text.contains('\n'), "{text}");
            assert_eq!(
                serde_json::from_str::<Event>(&text).unwrap(),
                event,
                "{text}"
            );
        }
    }

    #[test]
    fn numbers_are_at_the_top_and_terms_under_their_own_key() {
        let all = events();
        assert_eq!(
            text(&all[2]),
            r#"{"event":"step","step":3,"epoch":1,"learning_rate":0.1,"loss":1.5,"images_per_s":20.0,"waiting":0.0,"terms":{"invariance":0.5,"entropy":-0.25}}"#
        );
        assert_eq!(
            text(&all[1]),
            r#"{"event":"epoch","epoch":0,"step":0,"knn":0.5}"#
        );
        let end = r#"{"event":"end","outcome":"stopped by the guard","seconds":4.5}"#;
        assert_eq!(text(&all[6]), end);
    }

    #[test]
    fn what_a_later_version_adds_is_left_out() {
        let read = |text: &str| serde_json::from_str::<Event>(text).unwrap();
        assert_eq!(
            read(r#"{"event":"teacher","momentum":[1]}"#),
            Event::Unknown
        );
        let guard = read(r#"{"event":"guard","epoch":2,"why":{"a":1}}"#);
        assert_eq!(guard, Event::Guard(Guard { epoch: 2 }));
        let end = read(r#"{"event":"end","outcome":"out of time","seconds":1}"#);
        let Event::End(End { outcome, .. }) = end else {
            panic!("{end:?}")
        };
        assert_eq!(outcome.to_string(), "out of time");
    }

    #[test]
    fn what_is_not_finite_comes_back_as_nan() {
        let Event::Step(mut step) = events().swap_remove(2) else {
            panic!("a step")
        };
        step.loss = f64::INFINITY;
        step.terms = Terms::from_iter([("entropy", f64::NAN)]);
        let text = text(&Event::Step(step));
        let Event::Step(read) = serde_json::from_str(&text).unwrap() else {
            panic!("{text}")
        };
        assert!(read.loss.is_nan() && read.terms.get("entropy").unwrap().is_nan());
    }
}
