//! Embeddings beside the first of them with their spread: what of a change is scale alone.
//!
//! Under a fixed transform an embedding that merely spreads comes nearer to uniform. So beside each
//! other embedding stands the first one, moved away from its mean until its mean standard deviation
//! is the other's. All figures are of the same rows, those that charts show, so that they can be
//! compared with each other.

use e2mc::{Criterion, Matrix, Transform, mean_deviation, rescaled};
use serde_json::{Value, json};

use super::Subject;
use crate::table::{Cell, Column, Table};

/// An embedding, or the first with another's spread, in the figures that the criterion is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaled {
    /// The embedding's name; of the first with another's spread, `NAME, rescaled to OTHER`.
    pub name: String,
    /// What it was moved away from its mean by; 1 of an embedding as it is.
    pub factor: f64,
    /// The mean over the dimensions of the standard deviation.
    pub deviation: f64,
    /// Mean marginal entropy after the transform, in nats.
    pub entropy: f64,
    /// Off-diagonal covariance after the transform.
    pub covariance: f64,
    /// The entropy of the dimensions brought to zero mean and unit variance, in nats.
    pub entropy_shape: f64,
    /// The covariance of the same.
    pub covariance_shape: f64,
}

/// The first subject, then for each other the first with its spread and the other itself. Empty of
/// a single subject, and where transforms differ or the first has no spread.
#[must_use]
pub fn scaled(subjects: &[Subject]) -> Vec<Scaled> {
    let all: Vec<&Subject> = subjects.iter().collect();
    measure(&all).unwrap_or_default()
}

/// [`scaled`], or none.
pub(super) fn measure(subjects: &[&Subject]) -> Option<Vec<Scaled>> {
    let (&base, others) = subjects.split_first()?;
    let alike = |other: &&Subject| {
        other.transform == base.transform && other.picture.cols() == base.picture.cols()
    };
    if others.is_empty() || !others.iter().all(alike) {
        return None;
    }
    let spread = mean_deviation(base.picture.view());
    let mut rows = vec![of(&base.name, 1.0, &base.picture, base.transform)?];
    for other in others {
        let factor = mean_deviation(other.picture.view()) / spread;
        if !factor.is_finite() {
            return None;
        }
        let name = format!("{}, rescaled to {}", base.name, state(&other.name));
        let moved = rescaled(base.picture.view(), factor);
        rows.push(of(&name, factor, &moved, base.transform)?);
        rows.push(of(&other.name, 1.0, &other.picture, other.transform)?);
    }
    Some(rows)
}

fn of(name: &str, factor: f64, z: &Matrix, transform: Transform) -> Option<Scaled> {
    let criterion = match transform {
        Transform::Sigmoid => Criterion::vicreg(),
        Transform::Gaussian => Criterion::swav(),
    };
    let value = criterion.value(z.view()).ok()?;
    let shape = criterion.shape(z.view()).ok()?;
    Some(Scaled {
        name: name.to_owned(),
        factor,
        deviation: mean_deviation(z.view()),
        entropy: value.entropy,
        covariance: value.covariance,
        entropy_shape: shape.entropy_shape,
        covariance_shape: shape.covariance_shape,
    })
}

/// The state that a name begins with, as in `after: FILE`; otherwise the name.
fn state(name: &str) -> &str {
    match name.split_once(": ") {
        Some((state @ ("before" | "after"), _)) => state,
        _ => name,
    }
}

/// The rows as a table; none if there are none.
pub(in crate::pages) fn table(subjects: &[Subject]) -> Option<Table> {
    let rows = scaled(subjects);
    let pictured = subjects.first()?.picture.rows();
    let column = |group: &str, name: &str, decimals| Column {
        group: group.into(),
        name: name.into(),
        decimals,
    };
    (!rows.is_empty()).then(|| Table {
        caption: "Beside the same spread".into(),
        columns: vec![
            column("", "Embedding", 0),
            column("", "Mean deviation", 4),
            column("As it is", "entropy, nats", 4),
            column("As it is", "covariance", 6),
            column("Without scale", "entropy, nats", 4),
            column("Without scale", "covariance", 6),
        ],
        rows: rows.into_iter().map(cells).collect(),
        note: format!(
            "From {pictured} rows. Rescaled: scaled about its mean to the mean standard deviation \
             of the other. What the other gains over it is not an effect of scale. Without scale: \
             each dimension standardised to mean 0 and variance 1."
        ),
    })
}

fn cells(row: Scaled) -> Vec<Cell> {
    let value = |value, decimals| Cell::Value { value, decimals };
    vec![
        Cell::Text(row.name),
        Cell::Number(row.deviation),
        Cell::Number(row.entropy),
        value(row.covariance, 6),
        Cell::Number(row.entropy_shape),
        value(row.covariance_shape, 6),
    ]
}

/// The rows as JSON.
pub(super) fn json(subjects: &[Subject]) -> Vec<Value> {
    let rows = scaled(subjects);
    let value = |row: &Scaled| {
        json!({
            "name": row.name, "factor": row.factor, "mean_deviation": row.deviation,
            "entropy": row.entropy, "covariance": row.covariance,
            "entropy_shape": row.entropy_shape, "covariance_shape": row.covariance_shape,
        })
    };
    rows.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::super::report;
    use super::*;

    /// Rows of logistic quantiles, stretched about a mean that is not 0; `bend` changes their
    /// shape.
    fn subject(name: &str, scale: f64, bend: f64) -> Subject {
        let (rows, cols) = (300, 3);
        let value = |i: usize| {
            let u = (i as f64 * 0.618_033_988_75 + (i % cols) as f64 * 0.37).fract();
            let x = ((u + 0.01) / (1.01 - u)).ln();
            (0.5 + 0.6 * scale * (x + bend * x * x)) as f32
        };
        let z = Matrix::new((0..rows * cols).map(value).collect(), rows, cols).unwrap();
        Subject::of_matrix(name, z.view(), Transform::Gaussian).unwrap()
    }

    #[test]
    fn a_mere_rescaling_is_matched_and_a_change_of_shape_is_not() {
        let before = subject("before: a.npy", 0.5, 0.0);
        let after = subject("after: b.npy", 0.8, 0.0);
        let rows = scaled(&[before.clone(), after]);
        let [from, alone, to] = &rows[..] else {
            panic!("{rows:?}")
        };
        assert_eq!(alone.name, "before: a.npy, rescaled to after");
        assert!((alone.factor - 1.6).abs() < 1e-4, "{alone:?}");
        assert!((alone.deviation - to.deviation).abs() < 1e-6);
        assert!(to.entropy > from.entropy + 0.01, "{from:?} {to:?}");
        // Neighbouring values are close, so their spacings are rounded in float32.
        assert!(
            (alone.entropy - to.entropy).abs() < 2e-3,
            "{alone:?} {to:?}"
        );
        assert!((alone.covariance - to.covariance).abs() < 1e-5);
        assert!((from.entropy_shape - to.entropy_shape).abs() < 1e-4);

        let bent = subject("after: b.npy", 0.8, 0.6);
        let rows = scaled(&[before, bent]);
        assert!((rows[1].deviation - rows[2].deviation).abs() < 1e-6);
        assert!((rows[1].entropy - rows[2].entropy).abs() > 0.01, "{rows:?}");
        assert!((rows[0].entropy_shape - rows[1].entropy_shape).abs() < 1e-4);
        assert!((rows[0].entropy_shape - rows[2].entropy_shape).abs() > 0.01);
    }

    #[test]
    fn every_other_embedding_has_its_row_on_the_page_and_in_json() {
        let subjects = [
            subject("base", 0.5, 0.0),
            subject("continued", 0.6, 0.0),
            subject("+ E2MC", 0.8, 0.1),
        ];
        let names: Vec<String> = json(&subjects)
            .iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect();
        let expected = [
            "base",
            "base, rescaled to continued",
            "continued",
            "base, rescaled to + E2MC",
            "+ E2MC",
        ];
        assert_eq!(names, expected);
        let html = report(&subjects, "inspect").to_html();
        for name in expected {
            assert!(
                html.contains(&format!("<th scope=\"row\">{name}</th>")),
                "{name}"
            );
        }
        assert!(table(&subjects[..1]).is_none() && json(&subjects[..1]).is_empty());
        // Nothing to stretch.
        let z = Matrix::new(vec![1.0; 30], 10, 3).unwrap();
        let flat = Subject {
            picture: z,
            ..subjects[0].clone()
        };
        assert_eq!(scaled(&[flat, subjects[1].clone()]), []);
    }
}
