//! How a map is fitted.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Learn, Shrinkage};
use crate::Error;

/// A way to fit a map. None of them looks at labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum Method {
    /// The identity: the embeddings as they are.
    None,
    /// The mean is subtracted.
    Center,
    /// Each dimension gets mean 0 and deviation 1 (of the population). Constant dimensions become 0.
    Standardise,
    /// Directions are divided by a power of their deviation.
    Whiten(Whiten),
    /// All but the top (Mu and Viswanath 2018): the mean is subtracted and the strongest
    /// directions are removed.
    Abtt {
        /// How many directions; none for `d / 100` as the authors do, at least 1. Below `d`.
        components: Option<usize>,
    },
    /// A linear map trained from the identity by the criterion's gradient.
    E2mc(Learn),
}

/// The settings of [`Method::Whiten`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Whiten {
    /// From 0, which changes nothing but the mean, to 1, after which all directions have variance
    /// 1: a direction of variance `l` is divided by `l^(strength / 2)`.
    pub strength: f64,
    /// What keeps weak directions from being blown up.
    pub shrinkage: Shrinkage,
}

impl Default for Whiten {
    /// Strength 1, Ledoit-Wolf.
    fn default() -> Self {
        Self {
            strength: 1.0,
            shrinkage: Shrinkage::default(),
        }
    }
}

impl Method {
    /// The names that [`Method::from_name`] knows.
    pub const NAMES: [&'static str; 6] =
        ["none", "center", "standardise", "whiten", "abtt", "e2mc"];

    /// The method of that name with its default settings; none for an unknown name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "center" => Self::Center,
            "standardise" => Self::Standardise,
            "whiten" => Self::Whiten(Whiten::default()),
            "abtt" => Self::Abtt { components: None },
            "e2mc" => Self::E2mc(Learn::default()),
            _ => return None,
        })
    }

    /// The name that [`Method::from_name`] takes.
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Center => "center",
            Self::Standardise => "standardise",
            Self::Whiten(_) => "whiten",
            Self::Abtt { .. } => "abtt",
            Self::E2mc(_) => "e2mc",
        }
    }

    /// What is compared by default, the identity apart: each method, whitening at several strengths
    /// with Ledoit-Wolf's shrinkage and, for spectra that fall far, with floors.
    pub fn candidates() -> Vec<Self> {
        let whiten = |strength, shrinkage| {
            Self::Whiten(Whiten {
                strength,
                shrinkage,
            })
        };
        vec![
            Self::Center,
            Self::Standardise,
            whiten(0.25, Shrinkage::LedoitWolf),
            whiten(0.5, Shrinkage::LedoitWolf),
            whiten(0.75, Shrinkage::LedoitWolf),
            whiten(1.0, Shrinkage::LedoitWolf),
            whiten(1.0, Shrinkage::Floor(1e-3)),
            whiten(0.5, Shrinkage::Floor(1e-2)),
            whiten(1.0, Shrinkage::Floor(1e-2)),
            Self::Abtt { components: None },
            Self::E2mc(Learn::default()),
            Self::E2mc(Learn {
                keep: 10.0,
                ..Learn::default()
            }),
        ]
    }

    /// The directions that [`Method::Abtt`] removes from `dims` dimensions.
    pub(super) fn removed(components: Option<usize>, dims: usize) -> usize {
        components.unwrap_or((dims / 100).max(1))
    }

    /// The settings are in their ranges, for embeddings of `dims` dimensions.
    pub(super) fn check(&self, dims: usize) -> Result<(), Error> {
        match self {
            Self::None | Self::Center | Self::Standardise => Ok(()),
            Self::Whiten(Whiten {
                strength,
                shrinkage,
            }) => {
                if !(0.0..=1.0).contains(strength) {
                    return Err(Error::Setting {
                        name: "strength of whitening",
                        value: strength.to_string(),
                        expected: "from 0 to 1",
                    });
                }
                shrinkage.check()
            }
            Self::Abtt { components } => {
                let removed = Self::removed(*components, dims);
                if removed < dims {
                    return Ok(());
                }
                Err(Error::Setting {
                    name: "number of directions to remove",
                    value: removed.to_string(),
                    expected: "fewer than there are dimensions",
                })
            }
            Self::E2mc(learn) => learn.check(),
        }
    }
}

impl fmt::Display for Method {
    /// The name and what sets it apart: `whiten, strength 0.5, floor 0.01`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Whiten(whiten) => {
                write!(f, ", strength {}", whiten.strength)?;
                match whiten.shrinkage {
                    Shrinkage::LedoitWolf => f.write_str(", Ledoit-Wolf"),
                    Shrinkage::Oas => f.write_str(", OAS"),
                    Shrinkage::Floor(floor) => write!(f, ", floor {floor}"),
                }
            }
            Self::Abtt {
                components: Some(components),
            } => write!(f, ", {components} directions"),
            Self::E2mc(learn) => write!(
                f,
                ", beta {}, gamma {}, keep {}",
                learn.beta, learn.gamma, learn.keep
            ),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_settings_read_back() {
        for name in Method::NAMES {
            assert_eq!(Method::from_name(name).unwrap().name(), name);
        }
        assert_eq!(Method::from_name("auto"), None);
        for method in Method::candidates() {
            let text = serde_json::to_string(&method).unwrap();
            assert_eq!(serde_json::from_str::<Method>(&text).unwrap(), method);
            method.check(512).unwrap();
        }
        let whiten = Method::Whiten(Whiten {
            strength: 0.5,
            shrinkage: Shrinkage::Floor(0.01),
        });
        assert_eq!(whiten.to_string(), "whiten, strength 0.5, floor 0.01");
        assert_eq!(
            serde_json::to_string(&whiten).unwrap(),
            r#"{"name":"whiten","strength":0.5,"shrinkage":{"floor":0.01}}"#
        );
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let message = |method: Method, dims| method.check(dims).unwrap_err().to_string();
        let whiten = |strength, shrinkage| {
            Method::Whiten(Whiten {
                strength,
                shrinkage,
            })
        };
        assert_eq!(
            message(whiten(1.5, Shrinkage::Oas), 4),
            "strength of whitening is 1.5, expected from 0 to 1"
        );
        assert_eq!(
            message(whiten(1.0, Shrinkage::Floor(-0.1)), 4),
            "floor of the eigenvalues is -0.1, expected a share of the largest, from 0 to 1"
        );
        assert_eq!(
            message(
                Method::Abtt {
                    components: Some(4)
                },
                4
            ),
            "number of directions to remove is 4, expected fewer than there are dimensions"
        );
        assert!(Method::Abtt { components: None }.check(1).is_err());
        assert!(Method::Abtt { components: None }.check(2).is_ok());
    }
}
