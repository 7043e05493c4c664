//! The maps against their closed forms, slow twins and laws, and the choice among them.

use e2mc::Matrix;

use super::*;
use crate::testing::{SplitMix, embeddings_and_labels, in_pool};
use crate::{Error, unit_length};

/// Correlated rows far from zero: `n` of `d` dimensions with a falling spectrum.
fn correlated(n: usize, d: usize, seed: u64) -> Matrix {
    let mut random = SplitMix(seed);
    let mix: Vec<f32> = (0..d * d).map(|_| random.normal()).collect();
    let data = (0..n)
        .flat_map(|_| {
            let own: Vec<f32> = (0..d)
                .map(|j| random.normal() * 0.7_f32.powi(j as i32))
                .collect();
            (0..d)
                .map(|i| {
                    let line = mix[i * d..][..d].iter().zip(&own);
                    3.0 + i as f32 + line.map(|(m, x)| m * x).sum::<f32>()
                })
                .collect::<Vec<f32>>()
        })
        .collect();
    Matrix::new(data, n, d).unwrap()
}

fn whiten(strength: f64, shrinkage: Shrinkage) -> Method {
    Method::Whiten(Whiten {
        strength,
        shrinkage,
    })
}

/// The covariance of the population `(d, d)`, by its definition.
fn covariance(z: &Matrix) -> Vec<f64> {
    let (n, d) = (z.rows(), z.cols());
    let mean: Vec<f64> = (0..d)
        .map(|j| {
            z.data()
                .iter()
                .skip(j)
                .step_by(d)
                .map(|&v| f64::from(v))
                .sum::<f64>()
                / n as f64
        })
        .collect();
    let mut c = vec![0.0; d * d];
    for row in z.data().chunks(d) {
        for i in 0..d {
            for j in 0..d {
                c[i * d + j] += (f64::from(row[i]) - mean[i]) * (f64::from(row[j]) - mean[j]);
            }
        }
    }
    c.iter().map(|v| v / n as f64).collect()
}

fn apply(method: &Method, z: &Matrix) -> Matrix {
    fit(&z.view(), method, false, 0)
        .unwrap()
        .apply(z.view())
        .unwrap()
}

#[test]
fn whitened_training_rows_have_the_identity_as_covariance_with_a_floor_of_0() {
    let z = correlated(500, 8, 1);
    let white = apply(&whiten(1.0, Shrinkage::Floor(0.0)), &z);
    for (ij, value) in covariance(&white).into_iter().enumerate() {
        let expected = f64::from(u8::from(ij % 9 == 0));
        assert!((value - expected).abs() < 1e-4, "{ij}: {value}");
    }
}

#[test]
fn a_strength_takes_its_power_of_the_spectrum_and_half_twice_is_whole() {
    let z = correlated(400, 6, 2);
    let spectrum = |z: &Matrix| {
        let statistics = Statistics::measure(&z.view()).unwrap();
        statistics.eigen().unwrap().values.clone()
    };
    let before = spectrum(&z);
    for strength in [0.0, 0.25, 0.5, 0.75] {
        let after = spectrum(&apply(&whiten(strength, Shrinkage::Floor(0.0)), &z));
        for (a, b) in after.iter().zip(&before) {
            assert!(
                (a / b.powf(1.0 - strength) - 1.0).abs() < 1e-3,
                "{strength}: {a} {b}"
            );
        }
    }
    let weight = |strength| {
        fit(
            &z.view(),
            &whiten(strength, Shrinkage::Floor(0.0)),
            false,
            0,
        )
        .unwrap()
        .weight()
    };
    let (half, whole) = (weight(0.5), weight(1.0));
    for i in 0..6 {
        for j in 0..6 {
            let twice: f32 = (0..6)
                .map(|k| half.view().row(i)[k] * half.view().row(k)[j])
                .sum();
            let found = whole.view().row(i)[j];
            assert!((twice - found).abs() < 1e-4 * whole.data()[0].abs().max(1.0));
        }
    }
}

#[test]
fn a_floor_bounds_and_shrinkage_lifts_the_weakest_direction() {
    let z = correlated(300, 6, 3);
    let statistics = Statistics::measure(&z.view()).unwrap();
    let values = &statistics.eigen().unwrap().values;
    let stretched = |shrinkage| {
        let white = apply(&whiten(1.0, shrinkage), &z);
        let after = Statistics::measure(&white.view()).unwrap();
        let variances = &after.eigen().unwrap().values;
        // Along the weakest direction.
        *variances.last().unwrap()
    };
    let weakest = values[5];
    let floor = 0.02;
    assert!(weakest < floor * values[0], "the floor has something to do");
    let expected = weakest / (floor * values[0]);
    assert!((stretched(Shrinkage::Floor(floor)) / expected - 1.0).abs() < 1e-3);
    for kind in [Shrinkage::LedoitWolf, Shrinkage::Oas] {
        let a = statistics.shrinkage(kind);
        assert!(a > 0.0 && a < 1.0);
        let expected = weakest / ((1.0 - a) * weakest + a * statistics.mean_variance());
        assert!((stretched(kind) / expected - 1.0).abs() < 1e-3);
    }
}

#[test]
fn standardised_rows_have_mean_0_and_deviation_1_and_centred_ones_mean_0() {
    let z = correlated(300, 5, 4);
    let standard = apply(&Method::Standardise, &z);
    let centred = apply(&Method::Center, &z);
    let (before, after) = (covariance(&z), covariance(&standard));
    for j in 0..5 {
        assert!((after[6 * j] - 1.0).abs() < 1e-5);
        for z in [&standard, &centred] {
            let sum: f64 = z
                .data()
                .iter()
                .skip(j)
                .step_by(5)
                .map(|&v| f64::from(v))
                .sum();
            assert!((sum / 300.0).abs() < 1e-6);
        }
    }
    for (a, b) in covariance(&centred).iter().zip(&before) {
        assert!((a - b).abs() < 1e-5 * before[0]);
    }
    assert_eq!(apply(&Method::None, &z), z);
}

#[test]
fn all_but_the_top_leaves_nothing_along_the_top_and_the_rest_as_it_is() {
    let z = correlated(400, 7, 5);
    let statistics = Statistics::measure(&z.view()).unwrap();
    let before = statistics.eigen().unwrap();
    let rest = apply(
        &Method::Abtt {
            components: Some(2),
        },
        &z,
    );
    let after = covariance(&rest);
    for k in 0..7 {
        let direction = &before.vectors[7 * k..][..7];
        let along: f64 = (0..49)
            .map(|ij| direction[ij / 7] * after[ij] * direction[ij % 7])
            .sum();
        let expected = if k < 2 { 0.0 } else { before.values[k] };
        assert!(
            (along - expected).abs() < 1e-5 * before.values[0],
            "{k}: {along}"
        );
    }
}

/// By power iteration and deflation, without the eigensolver.
#[test]
fn whitening_agrees_with_a_slow_twin() {
    let z = correlated(200, 4, 6);
    let mut c = covariance(&z);
    let mut expected = [0.0; 16];
    for _ in 0..4 {
        let mut v = [0.3, -0.5, 0.7, 0.2];
        let mut value = 0.0;
        for _ in 0..5000 {
            let next: Vec<f64> = (0..4)
                .map(|i| (0..4).map(|j| c[4 * i + j] * v[j]).sum())
                .collect();
            value = next.iter().map(|x| x * x).sum::<f64>().sqrt();
            (0..4).for_each(|i| v[i] = next[i] / value);
        }
        for ij in 0..16 {
            expected[ij] += v[ij / 4] * v[ij % 4] * value.powf(-0.375);
            c[ij] -= value * v[ij / 4] * v[ij % 4];
        }
    }
    let map = fit(&z.view(), &whiten(0.75, Shrinkage::Floor(0.0)), false, 0).unwrap();
    for (found, expected) in map.weight().data().iter().zip(expected) {
        assert!(
            (f64::from(*found) - expected).abs() < 1e-4,
            "{found} {expected}"
        );
    }
}

/// What whitening gives does not depend on the axes; nor, whitened whole, on the scale of any.
#[test]
fn whitening_turns_with_the_rows_and_forgets_their_scale() {
    let z = correlated(250, 4, 7);
    let (sin, cos) = 0.6_f32.sin_cos();
    let turn = |z: &Matrix| {
        let data = z
            .data()
            .chunks(4)
            .flat_map(|r| [cos * r[0] - sin * r[2], r[1], sin * r[0] + cos * r[2], r[3]]);
        Matrix::new(data.collect(), z.rows(), 4).unwrap()
    };
    let close = |a: &Matrix, b: &Matrix| {
        let worst = a.data().iter().zip(b.data()).map(|(a, b)| (a - b).abs());
        let worst = worst.fold(0.0, f32::max);
        assert!(worst < 2e-3, "{worst}");
    };
    for method in [
        whiten(0.5, Shrinkage::LedoitWolf),
        whiten(1.0, Shrinkage::Oas),
        Method::Abtt { components: None },
    ] {
        close(&apply(&method, &turn(&z)), &turn(&apply(&method, &z)));
    }
    let scaled = Matrix::new(z.data().iter().map(|v| 64.0 * v).collect(), 250, 4).unwrap();
    let method = whiten(1.0, Shrinkage::LedoitWolf);
    close(&apply(&method, &scaled), &apply(&method, &z));
    let unit = fit(&z.view(), &method, true, 0)
        .unwrap()
        .apply(z.view())
        .unwrap();
    close(&unit, &unit_length(apply(&method, &z).view()));
}

#[test]
fn constant_dimensions_become_0_and_the_others_do_not_notice() {
    let narrow = correlated(300, 4, 8);
    let data = narrow
        .data()
        .chunks(4)
        .flat_map(|r| [r[0], 0.1, r[1], r[2], -7.0, r[3]])
        .collect();
    let wide = Matrix::new(data, 300, 6).unwrap();
    let kept = |z: &Matrix| -> Vec<f32> {
        z.data()
            .chunks(6)
            .flat_map(|r| [r[0], r[2], r[3], r[5]])
            .collect()
    };
    for method in [
        Method::Standardise,
        whiten(0.5, Shrinkage::Floor(0.0)),
        whiten(1.0, Shrinkage::Floor(1e-2)),
        Method::E2mc(Learn {
            steps: 20,
            ..Learn::default()
        }),
    ] {
        let (found, expected) = (apply(&method, &wide), apply(&method, &narrow));
        for (a, b) in kept(&found).iter().zip(expected.data()) {
            assert!((a - b).abs() < 1e-4, "{method}: {a} {b}");
        }
        assert!(found.data().chunks(6).all(|r| r[1] == 0.0 && r[4] == 0.0));
    }
    // A row that is not constant there says nothing: its scale is unknown.
    let map = fit(&wide.view(), &whiten(1.0, Shrinkage::LedoitWolf), false, 0).unwrap();
    let mut row = wide.view().row(0).to_vec();
    let before = map
        .apply(e2mc::MatrixView::new(&row, 1, 6).unwrap())
        .unwrap();
    row[1] = 50.0;
    let after = map
        .apply(e2mc::MatrixView::new(&row, 1, 6).unwrap())
        .unwrap();
    assert_eq!(before, after);
}

#[test]
fn fewer_rows_than_dimensions_need_a_bound_and_have_one_with_shrinkage() {
    let z = correlated(12, 20, 9);
    let error = fit(&z.view(), &whiten(1.0, Shrinkage::Floor(0.0)), false, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the embeddings have 12 rows of 20 dimensions, expected at least 21 rows to whiten without \
         a bound"
    );
    let statistics = Statistics::measure(&z.view()).unwrap();
    for shrinkage in [
        Shrinkage::LedoitWolf,
        Shrinkage::Oas,
        Shrinkage::Floor(0.01),
    ] {
        let map = fit(&z.view(), &whiten(1.0, shrinkage), false, 0).unwrap();
        let bound = match shrinkage {
            Shrinkage::Floor(floor) => floor * statistics.eigen().unwrap().values[0],
            _ => statistics.shrinkage(shrinkage) * statistics.mean_variance(),
        };
        // No direction is stretched by more than one over the root of the bound.
        let mapped = map.weight();
        let most = mapped
            .data()
            .iter()
            .map(|w| f64::from(w.abs()))
            .fold(0.0, f64::max);
        assert!(most <= bound.sqrt().recip() * 1.001, "{shrinkage:?}");
    }
}

#[test]
fn equal_rows_are_refused_where_variances_are_divided_by() {
    let z = Matrix::new([0.1, 2.0, -5.0].repeat(4), 4, 3).unwrap();
    for method in [Method::Standardise, whiten(1.0, Shrinkage::LedoitWolf)] {
        assert_eq!(
            fit(&z.view(), &method, false, 0).unwrap_err().to_string(),
            "the embeddings have 4 equal rows of 3 dimensions, expected rows that differ"
        );
    }
    let centred = apply(&Method::Center, &z);
    assert!(centred.data().iter().all(|v| v.abs() < 1e-6));
}

#[test]
fn the_number_of_threads_changes_no_map() {
    let z = correlated(700, 90, 10);
    let run = |threads| {
        in_pool(threads, || {
            fit(&z.view(), &whiten(0.5, Shrinkage::Oas), false, 0).unwrap()
        })
    };
    assert_eq!(run(1), run(3));
}

/// Classes in weak directions under strong ones that say nothing: whitening has much to gain.
fn hidden_classes(n: usize, seed: u64) -> (Matrix, Vec<usize>) {
    let (z, labels) = embeddings_and_labels(n, 12, 8, seed);
    let mut random = SplitMix(seed ^ 99);
    let data = z
        .data()
        .chunks(12)
        .flat_map(|row| {
            let mut wide: Vec<f32> = row.to_vec();
            wide.extend((0..4).map(|_| 12.0 * random.normal()));
            wide
        })
        .collect();
    (Matrix::new(data, n, 16).unwrap(), labels)
}

fn quick() -> AutoConfig {
    AutoConfig {
        methods: vec![
            Method::Center,
            Method::Standardise,
            whiten(0.5, Shrinkage::LedoitWolf),
            whiten(1.0, Shrinkage::LedoitWolf),
            Method::Abtt { components: None },
        ],
        ..AutoConfig::default()
    }
}

#[test]
fn a_real_gain_is_found_verified_and_there_on_rows_that_nobody_saw() {
    let (z, labels) = hidden_classes(1500, 1);
    let folder = tempfile::tempdir().unwrap();
    let config = AutoConfig {
        uses: Use::ALL.to_vec(),
        looks: Some(folder.path().join("looks.json")),
        ..quick()
    };
    let outcomes = auto(&z.view(), Evidence::Labels(&labels), &config).unwrap();
    assert_eq!(
        outcomes.iter().map(|o| o.usage).collect::<Vec<_>>(),
        Use::ALL
    );
    let neighbours = &outcomes[0];
    assert_eq!(neighbours.verdict, Verdict::Gain);
    assert_eq!(neighbours.candidates[0].method, Method::None);
    assert!(!neighbours.map.is_identity());
    let verified = neighbours.verified.as_ref().unwrap();
    assert!((verified.confidence - (1.0 - 0.05 / 3.0)).abs() < 1e-12);
    assert!(verified.interval.0 > 0.0 && verified.p <= 0.05 / 6.0);
    assert!((verified.gain - (verified.with - verified.without)).abs() < 1e-12);
    assert_eq!(verified.looks, Some(1));
    let parts = neighbours.parts;
    assert_eq!((parts.train, parts.choose, parts.verify), (900, 300, 300));

    let written = serde_json::to_value(neighbours).unwrap();
    assert_eq!(
        (
            &written["use"],
            &written["verdict"],
            &written["map"]["identity"]
        ),
        (&"neighbours".into(), &"gain".into(), &false.into())
    );
    assert_eq!(
        written["map"]["method"],
        written["candidates"][neighbours.chosen.unwrap()]["method"]
    );
    assert_eq!(written["verified"]["gain"], verified.gain);

    let (test, test_labels) = hidden_classes(800, 2);
    let accuracy = |map: &Map| {
        let (train, test) = (
            map.apply(z.view()).unwrap(),
            map.apply(test.view()).unwrap(),
        );
        let config = crate::KnnConfig::default();
        let found = crate::knn(train.view(), &labels, test.view(), &config).unwrap();
        crate::top1(&found[0].predictions, &test_labels).unwrap()
    };
    let none = fit(&z.view(), &Method::None, false, 0).unwrap();
    let gained = accuracy(&neighbours.map) - accuracy(&none);
    let (low, high) = verified.interval;
    assert!(
        gained > 0.1 && (low - 0.1..high + 0.1).contains(&gained),
        "{gained}"
    );

    let again = auto(&z.view(), Evidence::Labels(&labels), &config).unwrap();
    assert_eq!(again[0].verified.as_ref().unwrap().looks, Some(2));
    assert_eq!(again[0].map, neighbours.map);
}

#[test]
fn where_every_map_costs_the_identity_comes_back_and_b_is_not_looked_at() {
    // All that tells the classes apart is strong; weak noise is what whitening would lift.
    let (z, labels) = embeddings_and_labels(900, 3, 6, 3);
    let mut random = SplitMix(4);
    let data = z
        .data()
        .chunks(3)
        .flat_map(|row| {
            let mut wide: Vec<f32> = row.iter().map(|v| 8.0 * v).collect();
            wide.extend((0..20).map(|_| 0.5 * random.normal()));
            wide
        })
        .collect();
    let z = Matrix::new(data, 900, 23).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let looks = folder.path().join("looks.json");
    let config = AutoConfig {
        methods: vec![
            Method::Standardise,
            whiten(1.0, Shrinkage::LedoitWolf),
            Method::Abtt { components: None },
        ],
        looks: Some(looks.clone()),
        ..quick()
    };
    let outcome = &auto(&z.view(), Evidence::Labels(&labels), &config).unwrap()[0];
    assert_eq!(outcome.verdict, Verdict::NothingBetter);
    assert!(outcome.map.is_identity() && outcome.verified.is_none());
    assert_eq!(outcome.chosen, Some(0));
    let detectable = outcome.detectable.unwrap();
    assert!(detectable > 0.01 && detectable < 0.3, "{detectable}");
    assert!(!looks.exists());
}

#[test]
fn copies_lie_on_one_side_and_are_counted_as_one() {
    let (half, labels) = embeddings_and_labels(300, 10, 4, 5);
    let mut random = SplitMix(6);
    let data = half
        .data()
        .chunks(10)
        .flat_map(|row| {
            let copy: Vec<f32> = row.iter().map(|v| v + 0.01 * random.normal()).collect();
            [row.to_vec(), copy].concat()
        })
        .collect();
    let z = Matrix::new(data, 600, 10).unwrap();
    let labels: Vec<usize> = labels.iter().flat_map(|&l| [l, l]).collect();
    let outcome = &auto(&z.view(), Evidence::Labels(&labels), &quick()).unwrap()[0];
    assert_eq!(outcome.copies, Some(0.99));
    assert_eq!(outcome.parts.groups, 300);
    // Were copies across, the nearest neighbour would nearly always know.
    assert!(outcome.candidates[0].accuracy < 0.98);
}

#[test]
fn a_second_view_shows_retrieval_and_nothing_else() {
    let (first, _) = hidden_classes(600, 7);
    let mut random = SplitMix(8);
    let data = first
        .data()
        .chunks(16)
        .flat_map(|row| {
            let view: Vec<f32> = (row.iter().enumerate())
                .map(|(j, v)| {
                    if j < 12 {
                        v + 0.3 * random.normal()
                    } else {
                        12.0 * random.normal()
                    }
                })
                .collect();
            view
        })
        .collect();
    let second = Matrix::new(data, 600, 16).unwrap();
    let outcome = {
        let view = second.view();
        let outcomes = auto(&first.view(), Evidence::SecondView(&view), &quick()).unwrap();
        outcomes.into_iter().next().unwrap()
    };
    assert_eq!(outcome.verdict, Verdict::Gain);
    assert!(outcome.verified.unwrap().gain > 0.1);
    let config = AutoConfig {
        uses: vec![Use::Neighbours, Use::Classifier],
        ..quick()
    };
    let view = second.view();
    let error = auto(&first.view(), Evidence::SecondView(&view), &config).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected labels to verify a gain for classifier: a second view shows retrieval only"
    );
    let short = Matrix::zeros(599, 16);
    let short = short.view();
    let error = auto(&first.view(), Evidence::SecondView(&short), &quick()).unwrap_err();
    assert!(matches!(error, Error::ViewShape { rows: 599, .. }));
}

#[test]
fn without_evidence_or_rows_enough_nothing_is_claimed() {
    let (z, labels) = hidden_classes(600, 9);
    let outcome = &auto(&z.view(), Evidence::Nothing, &quick()).unwrap()[0];
    assert_eq!(
        (outcome.verdict, outcome.detectable),
        (Verdict::NotJudged, None)
    );
    assert!(outcome.map.is_identity());
    let few = Matrix::new(z.data()[..16 * 60].to_vec(), 60, 16).unwrap();
    let outcome = &auto(&few.view(), Evidence::Labels(&labels[..60]), &quick()).unwrap()[0];
    assert_eq!(outcome.verdict, Verdict::NotJudged);
}

#[test]
fn bad_input_is_one_clear_error_each() {
    let (z, labels) = hidden_classes(200, 10);
    let message = |labels: &[usize], config: &AutoConfig| {
        auto(&z.view(), Evidence::Labels(labels), config)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(&labels[..199], &quick()),
        "the embeddings have 200 rows, but 199 labels were given"
    );
    assert_eq!(
        message(&[3; 200], &quick()),
        "all 200 training labels are class 3, expected at least 2 classes"
    );
    let config = AutoConfig {
        uses: vec![Use::Classifier, Use::Classifier],
        ..quick()
    };
    assert_eq!(
        message(&labels, &config),
        "list of uses is classifier, classifier, expected each use once"
    );
    let config = AutoConfig {
        level: 0.0,
        ..quick()
    };
    assert_eq!(
        message(&labels, &config),
        "level of the claim is 0, expected a number above 0 and below 1"
    );
    let mut bad = z.clone();
    bad.data_mut()[16 * 150 + 3] = f32::NAN;
    assert_eq!(
        auto(&bad.view(), Evidence::Labels(&labels), &quick())
            .unwrap_err()
            .to_string(),
        "the embeddings hold NaN at row 150, column 3, expected a finite number"
    );
    let mut huge = labels.clone();
    huge[7] = usize::MAX;
    assert!(message(&huge, &quick()).contains("classes, expected at most 100000"));
}

/// White rows with random labels, where no map can help: how often is a gain claimed?
#[test]
fn gains_are_claimed_no_more_often_than_the_level_where_there_are_none() {
    let (trials, level) = (60, 0.2);
    let mut claimed = 0;
    for trial in 0..trials {
        let mut random = SplitMix(1000 + trial);
        let data = (0..300 * 8).map(|_| random.normal()).collect();
        let labels: Vec<usize> = (0..300).map(|_| random.next() as usize % 3).collect();
        let z = Matrix::new(data, 300, 8).unwrap();
        let config = AutoConfig {
            level,
            seed: trial,
            ..quick()
        };
        let outcome = &auto(&z.view(), Evidence::Labels(&labels), &config).unwrap()[0];
        claimed += u32::from(outcome.verdict == Verdict::Gain);
    }
    let allowed = level + 2.0 * (level * (1.0 - level) / trials as f64).sqrt();
    let found = f64::from(claimed) / trials as f64;
    assert!(found <= allowed, "{found} claimed, {allowed} allowed");
}
