//! Input that cannot be evaluated, by message.

use crate::{Rival, normal};
use e2mc::rival::{Mmcr, Sigreg, Uniformity, Vcreg};
use e2mc::{Error, MatrixView};

fn view(z: &[f32], rows: usize, cols: usize) -> MatrixView<'_> {
    MatrixView::new(z, rows, cols).expect("a matrix")
}

/// What each criterion says to one matrix.
fn answers(z: MatrixView) -> Vec<Error> {
    let sigreg = Sigreg {
        slices: 4,
        ..Sigreg::default()
    };
    let directions = sigreg.directions(z.cols(), 0, 0).expect("directions");
    let mut answers = vec![
        Uniformity::default().value(z).map(|_| ()),
        Mmcr.value(&[z, z]).map(|_| ()),
        sigreg.value(z, &directions).map(|_| ()),
    ];
    for rival in Rival::all() {
        if let Rival::Vcreg(vcreg) = rival {
            answers.push(vcreg.value(z).map(|_| ()));
        }
    }
    answers
        .into_iter()
        .map(|answer| answer.expect_err("an error"))
        .collect()
}

#[test]
fn a_value_that_is_not_finite_is_named() {
    for (bad, text) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ] {
        let mut z = normal(40 * 30, 1);
        z[17 * 30 + 4] = bad;
        z[39 * 30] = f32::NAN;
        for error in answers(view(&z, 40, 30)) {
            let expected =
                format!("embedding holds {text} at row 17, column 4, expected a finite number");
            assert_eq!(error.to_string(), expected);
            assert!(error.hint().is_some());
        }
    }
}

#[test]
fn one_row_and_no_column_are_refused() {
    for error in answers(view(&[1.0, 2.0], 1, 2)) {
        assert_eq!(
            error.to_string(),
            "embedding has 1 row(s), expected at least 2"
        );
    }
    for error in answers(view(&[], 2, 0)) {
        let expected = "embedding of 2 rows has no columns, expected at least 1";
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let z = normal(8, 1);
    let z = view(&z, 4, 2);
    let uniformity = |t| Uniformity { t }.value(z).unwrap_err().to_string();
    assert_eq!(
        uniformity(0.0),
        "criterion has t = 0, expected a number above 0"
    );
    assert_eq!(
        uniformity(f64::NAN),
        "criterion has t = NaN, expected a number above 0"
    );
    let vcreg = Vcreg {
        variance: -1.0,
        ..Vcreg::default()
    };
    assert_eq!(
        vcreg.value(z).unwrap_err().to_string(),
        "criterion has variance weight = -1, expected a number of at least 0"
    );
    let vcreg = Vcreg {
        covariance: f64::INFINITY,
        ..Vcreg::default()
    };
    assert_eq!(
        vcreg.value(z).unwrap_err().to_string(),
        "criterion has covariance weight = inf, expected a number of at least 0"
    );
    let sigreg = |slices, knots, t_max| {
        let settings = Sigreg {
            slices,
            knots,
            t_max,
        };
        settings.directions(2, 0, 0).unwrap_err().to_string()
    };
    assert_eq!(
        sigreg(0, 17, 3.0),
        "criterion has slices = 0, expected at least 1"
    );
    assert_eq!(
        sigreg(4, 1, 3.0),
        "criterion has knots = 1, expected at least 2"
    );
    assert_eq!(
        sigreg(4, 17, 0.0),
        "criterion has t_max = 0, expected a number above 0"
    );
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let z = normal(12, 1);
    let (a, b) = (view(&z, 4, 3), view(&z, 3, 4));
    assert_eq!(
        Mmcr.value(&[a, a, b]).unwrap_err().to_string(),
        "view 2 has 3 x 4 embeddings, expected 4 x 3 as view 0"
    );
    assert_eq!(
        Mmcr.value(&[]).unwrap_err().to_string(),
        "no view was given, expected at least 1"
    );
    let mut short = [0.0; 11];
    let mut long = [0.0; 12];
    assert_eq!(
        Mmcr.value_and_gradients(&[a, a], &mut [&mut long])
            .unwrap_err()
            .to_string(),
        "1 gradient buffers were given for 2 views"
    );
    let expected = "gradient buffer holds 11 values, expected 12 for 4 x 3";
    let sigreg = Sigreg::default();
    let directions = sigreg.directions(3, 0, 0).expect("directions");
    let answers = [
        Mmcr.value_and_gradients(&[a], &mut [&mut short])
            .unwrap_err(),
        Uniformity::default()
            .value_and_gradient(a, &mut short)
            .unwrap_err(),
        Vcreg::default()
            .value_and_gradient(a, &mut short)
            .unwrap_err(),
        sigreg
            .value_and_gradient(a, &directions, &mut short)
            .unwrap_err(),
    ];
    for error in answers {
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(
        sigreg.value(b, &directions).unwrap_err().to_string(),
        "directions have 3 coordinates, expected 4 as the embedding"
    );
}
