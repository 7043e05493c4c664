//! How the eigenvalues of a covariance are kept away from zero before they are divided by.
//!
//! Ledoit and Wolf (2004) and OAS (Chen, Wiesel, Eldar and Hero 2010, Eq. 23) replace the sample
//! covariance `S` by `(1 - a) S + a mu I`, `mu = tr(S) / d`, with an `a` that the data give: nothing
//! is tuned. Both are written as scikit-learn has them, whose values the tests compare with. Where
//! there are many rows, `a` is nearly 0 and the weakest directions are divided by nearly nothing; a
//! floor bounds every eigenvalue below by a share of the largest instead.

use serde::{Deserialize, Serialize};

use super::statistics::Statistics;
use crate::Error;

/// What keeps weak directions from being blown up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shrinkage {
    /// Towards a multiple of the identity, as Ledoit and Wolf estimate.
    #[default]
    LedoitWolf,
    /// The same as the oracle approximating shrinkage estimates, for normal data.
    Oas,
    /// Eigenvalues are bounded below by this share of the largest, from 0 to 1. With 0 nothing is
    /// bounded: there have to be more rows than dimensions.
    Floor(f64),
}

impl Shrinkage {
    pub(super) fn check(self) -> Result<(), Error> {
        match self {
            Self::Floor(floor) if !(0.0..=1.0).contains(&floor) => Err(Error::Setting {
                name: "floor of the eigenvalues",
                value: floor.to_string(),
                expected: "a share of the largest, from 0 to 1",
            }),
            _ => Ok(()),
        }
    }

    /// The `eigenvalues` as they are divided by.
    pub(super) fn of(self, statistics: &Statistics, eigenvalues: &[f64]) -> Vec<f64> {
        let largest = eigenvalues.iter().copied().fold(0.0, f64::max);
        if let Self::Floor(floor) = self {
            return eigenvalues.iter().map(|l| l.max(floor * largest)).collect();
        }
        let (a, mu) = (statistics.shrinkage(self), statistics.mean_variance());
        eigenvalues
            .iter()
            .map(|l| (1.0 - a) * l.max(0.0) + a * mu)
            .collect()
    }
}

impl Statistics {
    /// The weight `a` of the identity in the shrunk covariance `(1 - a) S + a mu I`, from 0 to 1; 0
    /// for a floor.
    pub fn shrinkage(&self, shrinkage: Shrinkage) -> f64 {
        let (n, d) = (self.rows() as f64, self.dims() as f64);
        let mu = self.mean_variance();
        let squares: f64 = self.covariance().iter().map(|c| c * c).sum();
        match shrinkage {
            Shrinkage::Floor(_) => 0.0,
            Shrinkage::LedoitWolf => {
                let delta = (squares - d * mu * mu) / d;
                let beta = (self.fourth() - squares) / (d * n);
                if beta.min(delta) <= 0.0 {
                    0.0
                } else {
                    beta.min(delta) / delta
                }
            }
            Shrinkage::Oas => {
                let alpha = squares / (d * d);
                let least = (n + 1.0) * (alpha - mu * mu / d);
                if least <= 0.0 {
                    1.0
                } else {
                    ((alpha + mu * mu) / least).min(1.0)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;

    /// `tests/golden/shrinkage.json`, by scikit-learn, on rows that need no file: see `shrinkage.py`.
    #[test]
    fn coefficients_and_eigenvalues_are_scikit_learns() {
        let text = std::fs::read_to_string(golden("shrinkage.json")).unwrap();
        let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert!(cases.len() >= 4);
        for case in cases {
            let size = |key: &str| case[key].as_u64().unwrap() as usize;
            let (n, d) = (size("rows"), size("dims"));
            let data = (0..n * d).map(|i| value(i / d, i % d)).collect();
            let rows = e2mc::Matrix::new(data, n, d).unwrap();
            let statistics = Statistics::measure(&rows.view()).unwrap();
            for (name, kind) in [
                ("ledoit_wolf", Shrinkage::LedoitWolf),
                ("oas", Shrinkage::Oas),
            ] {
                let expected = &case[name];
                let close = |found: f64, expected: &serde_json::Value| {
                    let expected = expected.as_f64().unwrap();
                    assert!(
                        (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                        "{name} of {n} x {d}: {found}, expected {expected}"
                    );
                };
                close(statistics.shrinkage(kind), &expected["shrinkage"]);
                let shrunk = kind.of(&statistics, &statistics.eigen().unwrap().values);
                close(shrunk[0], &expected["largest"]);
                close(shrunk[d - 1], &expected["smallest"]);
            }
        }
    }

    /// The same as in `shrinkage.py`: exact in float32, correlated, far from normal.
    fn value(row: usize, column: usize) -> f32 {
        let hash = |a: usize, b: usize| ((a * 7919 + b * 104_729 + 13) % 1009) as i64 - 504;
        let common = hash(row, 0);
        (common * (column as i64 % 4) + hash(row, column + 1)) as f32 / 512.0 + column as f32
    }
}
