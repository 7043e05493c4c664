//! What comes out of the choice among maps, for one use.

use serde::{Serialize, Serializer};

use super::{Fitted, Map, Method, Parts, Use};

/// A map that was compared on A.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// How it was fitted.
    pub method: Method,
    /// Whether unit length followed.
    pub unit_length: bool,
    /// The fraction of A that it gets right, in the mean of the label subsets.
    pub accuracy: f64,
}

/// The chosen map against none, on B.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verified {
    /// The fraction of B that the embeddings as they are get right, in the mean of the subsets.
    pub without: f64,
    /// The same with the map.
    pub with: f64,
    /// The difference of the two, from -1 to 1.
    pub gain: f64,
    /// The interval of the gain, with probability `confidence`.
    pub interval: (f64, f64),
    /// 1 less the level over the number of uses.
    pub confidence: f64,
    /// The one-sided p-value of the permutation test.
    pub p: f64,
    /// How often B has been evaluated, this time included; none if that is not counted.
    pub looks: Option<u64>,
}

/// What came out for a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The map gains on B: it is returned.
    Gain,
    /// The best on A gained nothing certain on B: the identity is returned.
    NotVerified,
    /// Nothing was better than the identity on A: it is returned, and B was not evaluated.
    NothingBetter,
    /// There are too few rows, or nothing to judge by: the identity is returned.
    NotJudged,
}

/// The answer for one use. Serialised, it says everything but the map's numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MapChoice {
    /// What for.
    #[serde(rename = "use")]
    pub usage: Use,
    /// What came out.
    pub verdict: Verdict,
    /// The map to use; the identity unless the verdict is a gain.
    #[serde(serialize_with = "described")]
    pub map: Map,
    /// What was compared on A, the identity first; of equally good ones the earlier is chosen.
    pub candidates: Vec<Candidate>,
    /// The place of the chosen one among the candidates; none if nothing was evaluated.
    pub chosen: Option<usize>,
    /// How it did on B, if B was evaluated.
    pub verified: Option<Verified>,
    /// The smallest gain that B would have shown with probability 80 %, as a fraction; none if
    /// nothing was evaluated. From B itself if it was looked at, else from A.
    pub detectable: Option<f64>,
    /// How many rows had which part.
    pub parts: Parts,
    /// Similarity from which rows were kept together; none if only equal rows were.
    pub copies: Option<f64>,
    /// The fingerprint of the data that took part, by which looks are counted.
    pub fingerprint: String,
}

/// What a map is, without its numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MapDescription {
    /// How it was fitted.
    pub method: Method,
    /// Whether unit length follows.
    pub unit_length: bool,
    /// Whether it returns the embeddings as they are.
    pub identity: bool,
    /// The dimensions of the embeddings that it takes.
    pub input_dims: usize,
    /// The dimensions of the embeddings that it gives.
    pub output_dims: usize,
    /// What it was fitted to.
    pub fitted: Fitted,
}

impl Map {
    /// What the map is, without its numbers.
    pub fn description(&self) -> MapDescription {
        MapDescription {
            method: self.method().clone(),
            unit_length: self.unit_length(),
            identity: self.is_identity(),
            input_dims: self.input_dims(),
            output_dims: self.output_dims(),
            fitted: self.fitted().clone(),
        }
    }
}

fn described<S: Serializer>(map: &Map, serializer: S) -> Result<S::Ok, S::Error> {
    map.description().serialize(serializer)
}
