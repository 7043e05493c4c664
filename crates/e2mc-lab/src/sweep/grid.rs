//! The grid: settings with their values, and every combination of them.

use e2mc_recipe::{Change, parse_value};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::SweepError;

/// A setting and the values that it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// The setting's dotted name, as in a recipe.
    pub key: String,
    /// At least one, no two the same.
    pub values: Vec<Value>,
}

/// Settings with their values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grid {
    /// One for each setting, in the order of the tables.
    pub axes: Vec<Axis>,
}

/// One combination.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The index of each axis' value.
    pub indices: Vec<usize>,
    /// The changes that it makes to a recipe.
    pub changes: Vec<Change>,
}

impl Point {
    /// The values as tables show them.
    pub fn words(&self) -> Vec<String> {
        self.changes.iter().map(|(_, value)| text(value)).collect()
    }
}

impl Grid {
    /// Reads `key=value,value,…`, one text a setting.
    ///
    /// # Errors
    /// Where a text is no such list, or a setting or a value is given twice.
    pub fn parse(texts: &[String]) -> Result<Self, SweepError> {
        let mut axes: Vec<Axis> = Vec::new();
        for text in texts {
            let axis = Axis::parse(text)?;
            if axes.iter().any(|other| other.key == axis.key) {
                return Err(SweepError::SettingTwice { key: axis.key });
            }
            axes.push(axis);
        }
        Ok(Self { axes })
    }

    /// How many combinations there are, at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.axes.iter().map(|axis| axis.values.len()).product()
    }

    /// Every combination; the last setting's values follow each other.
    pub fn points(&self) -> Vec<Point> {
        (0..self.len()).map(|index| self.point(index)).collect()
    }

    fn point(&self, mut index: usize) -> Point {
        let mut indices = vec![0; self.axes.len()];
        for (place, axis) in indices.iter_mut().zip(&self.axes).rev() {
            *place = index % axis.values.len();
            index /= axis.values.len();
        }
        let changes = self.axes.iter().zip(&indices);
        let changes = changes.map(|(axis, &i)| (axis.key.clone(), axis.values[i].clone()));
        Point {
            changes: changes.collect(),
            indices,
        }
    }

    /// The settings' names in tables: the last word, or all of it where that is not enough.
    pub fn names(&self) -> Vec<&str> {
        let same = |short: &str| {
            let axes = self.axes.iter();
            axes.filter(|axis| last_word(&axis.key) == short).count()
        };
        let names = self.axes.iter().map(|axis| match last_word(&axis.key) {
            short if same(short) == 1 => short,
            _ => axis.key.as_str(),
        });
        names.collect()
    }

    /// `beta 1, gamma 25`.
    pub fn describe(&self, point: &Point) -> String {
        let settings = self.names().into_iter().zip(&point.changes);
        let settings = settings.map(|(name, (_, value))| format!("{name} {}", text(value)));
        settings.collect::<Vec<_>>().join(", ")
    }
}

impl Axis {
    fn parse(argument: &str) -> Result<Self, SweepError> {
        let bad = |problem: &str| SweepError::Axis {
            problem: problem.to_owned(),
            found: argument.to_owned(),
        };
        let Some((key, list)) = argument.split_once('=') else {
            return Err(bad("expected KEY=VALUE,VALUE,…"));
        };
        let key = key.trim();
        if key.is_empty() || list.trim().is_empty() {
            return Err(bad("expected KEY=VALUE,VALUE,…"));
        }
        // A list that is not TOML holds words, perhaps beside numbers.
        let parsed = format!("values = [{list}]").parse::<Table>().ok();
        let values = match parsed.and_then(|mut table| table.remove("values")) {
            Some(Value::Array(values)) => values,
            _ => list
                .split(',')
                .map(|word| parse_value(word.trim()))
                .collect(),
        };
        if values.iter().any(|value| value.as_str() == Some("")) {
            return Err(bad("expected a value before and after each comma"));
        }
        for (index, value) in values.iter().enumerate() {
            if values[..index]
                .iter()
                .any(|other| text(other) == text(value))
            {
                return Err(bad(&format!("the value {} is given twice", text(value))));
            }
        }
        Ok(Self {
            key: key.to_owned(),
            values,
        })
    }

    /// The values as tables show them.
    pub fn labels(&self) -> Vec<String> {
        self.values.iter().map(text).collect()
    }
}

fn last_word(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, last)| last)
}

/// A value as a reader writes it: no quotes, whole numbers without a point.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Float(number) if *number != 0.0 && !(1e-4..1e7).contains(&number.abs()) => {
            format!("{number:e}")
        }
        Value::Float(number) => number.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(texts: &[&str]) -> Result<Grid, SweepError> {
        Grid::parse(
            &texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn every_combination_comes_once_the_last_setting_fastest() {
        let grid = grid(&["criterion.beta=1,10", "criterion.gamma=0.5,1e-5,25"]).unwrap();
        let points = grid.points();
        assert_eq!(grid.len(), 6);
        let places: Vec<_> = points.iter().map(|point| point.indices.clone()).collect();
        assert_eq!(places, [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]);
        assert_eq!(grid.describe(&points[4]), "beta 10, gamma 1e-5");
        assert_eq!(
            points[4].changes[0],
            ("criterion.beta".to_owned(), Value::Integer(10))
        );
        assert_eq!(
            points[4].changes[1],
            ("criterion.gamma".to_owned(), Value::Float(1e-5))
        );
    }

    #[test]
    fn values_may_be_words_and_lists() {
        let parsed = grid(&["optimizer.name=sgd,lars"]).unwrap();
        assert_eq!(parsed.axes[0].labels(), ["sgd", "lars"]);
        let parsed = grid(&["training.epochs=1,many"]).unwrap();
        assert_eq!(
            parsed.axes[0].values,
            [Value::Integer(1), Value::String("many".to_owned())]
        );
        let parsed = grid(&["method.projector=[8, 8],[16,16]"]).unwrap();
        assert_eq!(parsed.axes[0].labels(), ["[8, 8]", "[16, 16]"]);
    }

    #[test]
    fn names_are_as_short_as_they_can_be() {
        let long = grid(&[
            "criterion.weight=1",
            "optimizer.weight=2",
            "training.epochs=3",
        ])
        .unwrap();
        assert_eq!(
            long.names(),
            ["criterion.weight", "optimizer.weight", "epochs"]
        );
    }

    #[test]
    fn what_is_no_grid_is_refused() {
        for (text, expected) in [
            (
                "criterion.beta",
                "expected KEY=VALUE,VALUE,…, found `criterion.beta`",
            ),
            ("=1,2", "expected KEY=VALUE"),
            ("criterion.beta=", "expected KEY=VALUE"),
            (
                "criterion.beta=a,,b",
                "expected a value before and after each comma",
            ),
            ("criterion.beta=1,2,1", "the value 1 is given twice"),
        ] {
            let error = grid(&[text]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = grid(&["a.b=1", "a.b=2"]).unwrap_err().to_string();
        assert_eq!(error, "`a.b` is given twice");
    }
}
