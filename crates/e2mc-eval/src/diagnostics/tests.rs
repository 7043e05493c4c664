//! The whole of it: the authors' figures, synthetic embeddings with known answers, files, and bad
//! input.

use e2mc::{Matrix, Transform};

use super::*;
use crate::random::{Purpose, Stream};
use crate::testing::{golden, golden_embeddings, in_pool};
use crate::{EmbeddingFile, write_npy};

fn all(z: &Matrix) -> Diagnostics {
    let config = Config::new(Transform::Sigmoid, z.cols());
    diagnose(&z.view(), &config).unwrap()
}

/// Columns of what `make` makes of independent uniform numbers, mapped so that the sigmoid brings
/// them back.
fn logits(rows: usize, uniforms: usize, make: impl Fn(&[f64]) -> Vec<f64>) -> Matrix {
    let mut stream = Stream::new(11, Purpose::Weights, 0);
    let mut cols = 0;
    let data = (0..rows)
        .flat_map(|_| {
            let u: Vec<f64> = (0..uniforms).map(|_| stream.unit()).collect();
            let made = make(&u);
            cols = made.len();
            made.into_iter().map(|u| {
                let u = u.clamp(1e-6, 1.0 - 1e-6);
                (u / (1.0 - u)).ln() as f32
            })
        })
        .collect();
    Matrix::new(data, rows, cols).unwrap()
}

#[test]
fn the_reference_figures_come_out() {
    let (z, _) = golden_embeddings();
    let figures: serde_json::Value =
        serde_json::from_slice(&std::fs::read(golden("diagnostics.json")).unwrap()).unwrap();
    let found = all(&z);
    let close = |key: &str, found: f64, tolerance: f64| {
        let expected = figures[key].as_f64().unwrap();
        let error = (found - expected).abs() / expected.abs();
        assert!(error < tolerance, "{key}: {found}, expected {expected}");
    };
    close("rankme", found.spectrum.rankme, 1e-6);
    close("uniformity_t2", found.uniformity.unwrap().uniformity, 1e-6);
    close("nn1_mean", found.neighbours.first_mean, 1e-6);
    close("nn100_mean", found.neighbours.hundredth_mean.unwrap(), 1e-6);
    assert_eq!(found.neighbours.queries, 500);
}

#[test]
fn a_uniform_cube_is_healthy() {
    let found = all(&logits(3000, 8, <[f64]>::to_vec));
    assert!(found.marginals.mean_entropy.abs() < 0.05);
    assert!(found.marginals.gap.iter().all(|&gap| gap < 0.04));
    assert!(found.marginals.covariance < 1e-4);
    assert!(found.dimensions.dead.is_empty() && found.dimensions.duplicates.is_empty());
    assert!(found.dimensions.mean_absolute_correlation < 0.03);
    assert!(found.spectrum.rankme > 7.95 && found.spectrum.participation_ratio > 7.9);
    let pairs = found.pairs.unwrap();
    assert_eq!(pairs.dependent, 0, "{pairs:?}");
    assert!(pairs.least_uniform[0].divergence < 0.1);
}

#[test]
fn an_x_looks_uniform_to_marginals_and_covariance_alone() {
    let found = all(&logits(3000, 2, |u| {
        vec![u[0], if u[1] < 0.5 { u[0] } else { 1.0 - u[0] }]
    }));
    assert!(found.marginals.mean_entropy.abs() < 0.05 && found.marginals.covariance < 1e-4);
    assert!(found.dimensions.mean_absolute_correlation < 0.05);
    let pairs = found.pairs.unwrap();
    assert_eq!(pairs.dependent, 1);
    assert!(pairs.most_dependent[0].p < 1e-100);
    let x = &pairs.most_dependent[0];
    assert!(
        x.mutual_information > 1.1 && x.mutual_information < 4.0_f64.ln(),
        "{x:?}"
    );
    assert_eq!(&pairs.most_hidden[0], x);
}

#[test]
fn a_collapsed_embedding_is_seen_from_every_side() {
    // One direction, some noise.
    let found = all(&logits(1500, 4, |u| {
        (0..4).map(|j| 0.9 + 1e-4 * u[j]).collect()
    }));
    assert!(found.uniformity.unwrap().uniformity > -1e-4);
    assert!(found.uniformity.unwrap().mean_cosine > 0.9999);
    assert!(found.marginals.mean_entropy < -5.0);
    assert!(found.spectrum.rankme < 1.1);
    let point = all(&Matrix::new(vec![0.5; 4000], 1000, 4).unwrap());
    assert_eq!(point.dimensions.dead.len(), 4);
    assert_eq!(point.neighbours.copies, 1000);
    assert!(point.pairs.is_none());
    let zero = all(&Matrix::zeros(30, 4));
    assert_eq!((zero.zero_rows, zero.uniformity), (30, None));
}

#[test]
fn rank_and_copies_are_counted() {
    let found = all(&logits(2000, 3, |u| {
        vec![u[0], u[1], u[2], u[0], u[0], 1.0 - u[1], 0.5]
    }));
    assert_eq!(found.dimensions.dead, [6]);
    assert_eq!(found.dimensions.duplicates, [vec![0, 3, 4], vec![1, 5]]);
    assert_eq!(found.dimensions.redundant(), 3);
    let strong = found.spectrum.eigenvalues.iter().filter(|&&l| l > 1e-6);
    assert_eq!(strong.count(), 3);
    assert_eq!(found.pairs.unwrap().dependent, 4);
}

#[test]
fn more_dimensions_than_rows_work_too() {
    let found = all(&logits(40, 90, <[f64]>::to_vec));
    assert_eq!(found.spectrum.eigenvalues.len(), 40);
    assert!(found.spectrum.rankme > 30.0 && found.spectrum.rankme <= 40.1);
    assert!(found.neighbours.hundredth_mean.is_none());
    assert!(all(&logits(2, 3, <[f64]>::to_vec)).pairs.is_none());
}

#[test]
fn a_file_gives_what_its_matrix_gives_and_threads_change_nothing() {
    let z = logits(5000, 300, <[f64]>::to_vec);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("z.npy");
    write_npy(&path, z.view()).unwrap();
    let config = Config {
        marginal_rows: 600,
        queries: 50,
        pair_rows: 100,
        ..Config::new(Transform::Sigmoid, 300)
    };
    let in_memory = in_pool(1, || diagnose(&z.view(), &config).unwrap());
    let file = EmbeddingFile::open(&path).unwrap();
    let streamed = in_pool(3, || diagnose(&file, &config).unwrap());
    assert_eq!(in_memory, streamed);
    assert_eq!(
        (streamed.marginal_rows, streamed.neighbours.queries),
        (600, 50)
    );
    assert!(streamed.neighbours.first_error > 0.0);
    // What is sampled is near what all rows give.
    let whole = all(&z);
    let error = 4.0 * streamed.neighbours.first_error;
    assert!((whole.neighbours.first_mean - streamed.neighbours.first_mean).abs() < error);
    let picked = sample_rows(&file, 10, 0).unwrap();
    assert_eq!(picked, sample_rows(&z.view(), 10, 0).unwrap());
}

#[test]
fn bad_input_is_named() {
    let error = |z: &Matrix, config: &Config| diagnose(&z.view(), config).unwrap_err();
    let usual = Config::new(Transform::Gaussian, 4);
    for (z, text) in [
        (
            Matrix::zeros(1, 4),
            "the embeddings have 1 row(s), expected at least 2",
        ),
        (
            Matrix::zeros(9, 1),
            "the embeddings have 1 column(s) in 9 rows, expected at least 2",
        ),
        (
            Matrix::zeros(2, 16_385),
            "the embeddings have 16385 columns, expected at most 16384",
        ),
        (
            Matrix::new(vec![0.0, 1.0, f32::INFINITY, 2.0], 2, 2).unwrap(),
            "the embeddings hold inf at row 1, column 0, expected a finite number",
        ),
    ] {
        let error = error(&z, &usual);
        assert_eq!(error.to_string(), text);
        assert!(error.hint().is_some());
    }
    let few = Config {
        queries: 1,
        ..usual.clone()
    };
    let text = error(&Matrix::zeros(9, 4), &few).to_string();
    assert_eq!(
        text,
        "rows that ask for neighbours is 1, expected at least 2"
    );
    let negative = Config {
        epsilon: -1.0,
        ..usual
    };
    let text = error(&Matrix::zeros(9, 4), &negative).to_string();
    assert_eq!(text, "epsilon is -1, expected a positive finite number");
}
