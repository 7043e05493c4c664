//! What a model's features are worth on held-out images, as they are and after maps.

use e2mc::Matrix;
use e2mc_eval::adapt::{
    Answers, Map, Method, Protocol, Questions, Statistics, Use, Versus, answers,
};
use e2mc_eval::protocol::ProbeSettings;
use e2mc_train::{Model, Recipe, World};

use super::member;
use super::pool::{Dealt, Part, Pool};
use crate::error::Error;

/// The interval of gains that tables show.
const CONFIDENCE: f64 = 0.95;
/// Label subsets for the uses that learn.
const SUBSETS_ON_A: usize = 2;
const SUBSETS_ON_B: usize = 5;
/// Maps are not trained for more dimensions than these: a step takes as long as its cube.
const MOST_TRAINED: usize = 1024;

/// Held-out images, and how features of them are evaluated.
pub(super) struct Bench<'a> {
    pub(super) pool: &'a Pool,
    pub(super) dealt: &'a Dealt,
    pub(super) usage: Use,
    /// The method that trained the untouched model, whose preset heads are trained with.
    pub(super) method: &'static str,
    pub(super) threads: usize,
    pub(super) seed: u64,
    /// The processes that share the embedding.
    pub(super) world: &'a World,
}

/// A map by how it is fitted.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct MapChoice {
    pub(super) method: Method,
    pub(super) unit_length: bool,
}

impl MapChoice {
    pub(super) fn describe(&self) -> String {
        match self.unit_length {
            true => format!("{}, unit length", self.method),
            false => self.method.to_string(),
        }
    }
}

/// Features that were evaluated on A.
pub(super) struct Judged {
    /// None for the features as they are.
    pub(super) map: Option<MapChoice>,
    pub(super) answers: Answers,
}

/// Features of the training images and of those that are asked for.
pub(super) struct Features {
    pub(super) bank: Matrix,
    pub(super) queries: Matrix,
}

/// Which maps are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maps {
    /// None: the features as they are.
    Nothing,
    /// The features as they are, and the maps that need no training.
    Closed,
    /// The maps that are trained, and nothing else; none for very wide features.
    Trained,
}

impl Maps {
    fn methods(self, dims: usize) -> Vec<Method> {
        let trained = self == Self::Trained;
        match self {
            Self::Nothing => Vec::new(),
            Self::Trained if dims > MOST_TRAINED => Vec::new(),
            _ => Method::candidates()
                .into_iter()
                .filter(|method| trained == matches!(method, Method::E2mc(_)))
                .collect(),
        }
    }
}

impl Bench<'_> {
    /// A model's features of some images, `(n, d)`.
    pub(super) fn embed(
        &self,
        model: &Model,
        recipe: &Recipe,
        images: Vec<usize>,
    ) -> Result<Matrix, Error> {
        member::embed(self.world, self.pool, (model, recipe), images, self.threads)
    }

    /// Images that the guard looks at in one check.
    pub(super) fn guard_images(&self) -> usize {
        let Dealt { bank, choose, .. } = self.dealt;
        bank.images.len().min(crate::guard::BANK) + choose.images.len()
    }

    /// Features of the training images and of A, taken from those of the `sample`.
    pub(super) fn own(&self, sample: &Matrix) -> Features {
        Features {
            bank: self.dealt.bank.pick(sample),
            queries: self.dealt.choose.pick(sample),
        }
    }

    /// Features of the training images and of A.
    pub(super) fn features_on_a(&self, model: &Model, recipe: &Recipe) -> Result<Features, Error> {
        let Dealt { bank, choose, .. } = self.dealt;
        let embed = |part: &Part| self.embed(model, recipe, part.images.clone());
        Ok(Features {
            bank: embed(bank)?,
            queries: embed(choose)?,
        })
    }

    /// Judges features on A, as they are and after each of the maps that the bank allows.
    pub(super) fn on_a(&self, features: &Features, maps: Maps) -> Result<Vec<Judged>, Error> {
        let Dealt { bank, choose, .. } = self.dealt;
        let judge = |bank_rows: &Matrix, queries: &Matrix| {
            self.answers(
                self.usage,
                (bank, bank_rows),
                (choose, queries),
                SUBSETS_ON_A,
            )
        };
        let mut judged = Vec::new();
        if maps != Maps::Trained {
            judged.push(Judged {
                map: None,
                answers: judge(&features.bank, &features.queries)?,
            });
        }
        let methods = maps.methods(features.bank.cols());
        if methods.is_empty() {
            return Ok(judged);
        }
        let rows = features.bank.view();
        let statistics = Statistics::measure(&rows)?;
        for method in methods {
            let map = match statistics.fit(&rows, &method, false, self.seed) {
                Ok(map) => map,
                // What these rows do not allow is left out.
                Err(
                    e2mc_eval::Error::FewerRowsThanDimensions { .. }
                    | e2mc_eval::Error::NoVariance { .. }
                    | e2mc_eval::Error::MapDiverged { .. },
                ) => continue,
                Err(error) => return Err(error.into()),
            };
            // Neighbours by cosine do not see the length.
            let lengths: &[bool] = match self.usage {
                Use::Neighbours => &[false],
                _ => &[false, true],
            };
            for &unit_length in lengths {
                let map = map.clone().with_unit_length(unit_length);
                let answers = judge(&map.apply(rows)?, &map.apply(features.queries.view())?)?;
                judged.push(Judged {
                    map: Some(MapChoice {
                        method: method.clone(),
                        unit_length,
                    }),
                    answers,
                });
            }
        }
        Ok(judged)
    }

    /// The gain on A over the untouched model.
    pub(super) fn gain_on_a(&self, with: &Answers, without: &Answers) -> Versus {
        Versus::of(
            with,
            without,
            &self.dealt.choose.groups,
            CONFIDENCE,
            self.seed,
        )
    }

    /// The images that B's neighbours and classifiers learn from: the bank and A.
    pub(super) fn known(&self) -> Part {
        let Dealt { bank, choose, .. } = self.dealt;
        let both = |of: fn(&Part) -> &Vec<usize>| [&of(bank)[..], of(choose)].concat();
        Part {
            images: both(|part| &part.images),
            labels: both(|part| &part.labels),
            groups: both(|part| &part.groups),
            rows: both(|part| &part.rows),
        }
    }

    /// What is right on B.
    pub(super) fn on_b(
        &self,
        usage: Use,
        (known, features): (&Part, &Features),
        map: Option<&Map>,
    ) -> Result<Answers, Error> {
        let verify = &self.dealt.verify;
        let Features { bank, queries } = features;
        match map {
            None => self.answers(usage, (known, bank), (verify, queries), SUBSETS_ON_B),
            Some(map) => {
                let (bank, queries) = (map.apply(bank.view())?, map.apply(queries.view())?);
                self.answers(usage, (known, &bank), (verify, &queries), SUBSETS_ON_B)
            }
        }
    }

    fn answers(
        &self,
        usage: Use,
        (bank, bank_rows): (&Part, &Matrix),
        (asked, queries): (&Part, &Matrix),
        subsets: usize,
    ) -> Result<Answers, Error> {
        let questions = Questions {
            bank: bank_rows.view(),
            bank_labels: &bank.labels,
            queries: queries.view(),
            query_labels: &asked.labels,
            classes: self.pool.classes,
        };
        Ok(answers(usage, questions, self.protocol(subsets))?)
    }

    fn protocol(&self, subsets: usize) -> Protocol {
        Protocol {
            preset: ProbeSettings::choose(None, Some(self.method)).preset,
            per_class: 10,
            subsets,
            seed: self.seed,
        }
    }

    /// How a use is evaluated on B, in a few words.
    pub(super) fn protocol_on_b(&self, usage: Use) -> String {
        self.protocol(SUBSETS_ON_B).describe(usage)
    }
}
