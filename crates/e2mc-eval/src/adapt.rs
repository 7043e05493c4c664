//! Maps fitted on frozen embeddings, without labels, and whether one of them helps.
//!
//! A [`Map`] is affine, with unit length as a last step by choice: `y = W (x - m)`. [`Method`] says
//! how it is fitted, [`fit`] does so in one pass over rows that need not be in memory,
//! [`Map::apply`], [`Map::stream`] and [`Map::over`] use it, [`Map::save`] and [`Map::load`] keep
//! it.
//!
//! Nobody can know beforehand which map helps: the same one gains points on one encoder and costs
//! points on another. So [`auto`] chooses among all of them on held-out rows A, verifies its choice
//! against no map on held-out rows B, which took no part, and returns the identity unless the
//! gain's interval on B excludes zero. It answers for each [`Use`] apart.
//!
//! | method | `W` | fitted from |
//! |---|---|---|
//! | [`Method::None`] | identity, `m = 0` | nothing |
//! | [`Method::Center`] | identity | means |
//! | [`Method::Standardise`] | one over each deviation | means and variances |
//! | [`Method::Whiten`] | `U diag(l^(-s/2)) U^T` | covariance `U diag(l) U^T`, `l` shrunk |
//! | [`Method::Abtt`] | `I - U_k U_k^T`, the k strongest directions | the same |
//! | [`Method::E2mc`] | trained by the criterion's gradient | rows |
//!
//! ```
//! use e2mc::MatrixView;
//! use e2mc_eval::adapt::{Method, Whiten, fit};
//!
//! let rows = [0.0, 4.0, 1.0, -3.0, -1.0, 1.0, 0.5, 2.0_f32]; // 4 rows of 2 dimensions
//! let rows = MatrixView::new(&rows, 4, 2)?;
//! let map = fit(&rows, &Method::Whiten(Whiten::default()), false, 0)?;
//! assert_eq!(map.apply(rows)?.cols(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod auto;
mod closed;
mod config;
mod duplicates;
mod file;
mod gain;
mod judge;
mod learn;
mod looks;
mod map;
mod method;
mod outcome;
mod shrinkage;
mod split;
mod statistics;
mod versus;

pub use auto::{Evidence, auto};
pub use config::AutoConfig;
pub use judge::Use;
pub use learn::Learn;
pub use looks::count_look;
pub use map::{Fitted, Map, Mapped};
pub use method::{Method, Whiten};
pub use outcome::{Candidate, MapChoice, MapDescription, Verdict, Verified};
pub use shrinkage::Shrinkage;
pub use split::Parts;
pub use statistics::Statistics;
pub use versus::{Answers, HeldOut, Protocol, Questions, Versus, answers, detectable_gain};

use crate::{Error, Rows};

/// Fits `method` to `rows` `(n, d)` in one pass, as [`Statistics::fit`] after
/// [`Statistics::measure`]. `unit_length` brings every mapped row to length 1 as the last step;
/// `seed` is for [`Method::E2mc`] alone.
///
/// # Errors
/// As both.
pub fn fit(rows: &dyn Rows, method: &Method, unit_length: bool, seed: u64) -> Result<Map, Error> {
    method.check(rows.cols())?;
    Statistics::measure(rows)?.fit(rows, method, unit_length, seed)
}

#[cfg(test)]
mod tests;
