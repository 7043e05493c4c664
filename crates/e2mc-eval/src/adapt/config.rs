//! The settings of the choice among maps.

use std::path::PathBuf;

use super::{Method, Use};
use crate::{Error, LinearPreset};

/// The settings of [`auto`](super::auto).
#[derive(Clone, Debug, PartialEq)]
pub struct AutoConfig {
    /// What the embeddings are used for, at least one, none twice; one answer for each.
    pub uses: Vec<Use>,
    /// The methods that are compared, the identity apart.
    pub methods: Vec<Method>,
    /// The probability of claiming a gain in any use where there is none, above 0 and below 1.
    pub level: f64,
    /// Rows that take part, at least 100.
    pub most_rows: usize,
    /// Labelled rows of each class in a label subset, at least 2.
    pub per_class: usize,
    /// Label subsets on A, at least 1.
    pub choice_subsets: usize,
    /// Label subsets on B, at least 2.
    pub subsets: usize,
    /// The rate and decay of [`Use::SgdHead`].
    pub preset: LinearPreset,
    /// Seed of the split, the subsets and all training.
    pub seed: u64,
    /// Where looks at B are counted.
    pub looks: Option<PathBuf>,
}

impl Default for AutoConfig {
    /// Neighbours, all methods, 5 %, 40,000 rows, 10 labels a class, 2 and 5 subsets, VICReg's
    /// head.
    fn default() -> Self {
        Self {
            uses: vec![Use::Neighbours],
            methods: Method::candidates(),
            level: 0.05,
            most_rows: 40_000,
            per_class: 10,
            choice_subsets: 2,
            subsets: 5,
            preset: LinearPreset::Vicreg,
            seed: 0,
            looks: None,
        }
    }
}

impl AutoConfig {
    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |name, value: String, expected| {
            Err(Error::Setting {
                name,
                value,
                expected,
            })
        };
        if self.uses.is_empty() {
            return Err(Error::Nothing { what: "use" });
        }
        let mut seen = self.uses.clone();
        seen.sort_unstable();
        seen.dedup();
        if seen.len() < self.uses.len() {
            let names: Vec<&str> = self.uses.iter().map(|usage| usage.name()).collect();
            return wrong("list of uses", names.join(", "), "each use once");
        }
        if !(0.0 < self.level && self.level < 1.0) {
            let expected = "a number above 0 and below 1";
            return wrong("level of the claim", self.level.to_string(), expected);
        }
        for (name, value, least, expected) in [
            (
                "number of rows that take part",
                self.most_rows,
                100,
                "at least 100",
            ),
            ("labelled rows of a class", self.per_class, 2, "at least 2"),
            (
                "label subsets to choose by",
                self.choice_subsets,
                1,
                "at least 1",
            ),
            ("label subsets to verify by", self.subsets, 2, "at least 2"),
        ] {
            if value < least {
                return wrong(name, value.to_string(), expected);
            }
        }
        Ok(())
    }
}
