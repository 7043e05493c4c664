use super::*;
use crate::testing::{SplitMix, embeddings_and_labels, golden_embeddings, in_pool};
use crate::top1;
use e2mc::Matrix;

fn config(ks: &[usize], vote: Vote) -> KnnConfig {
    KnnConfig {
        ks: ks.to_vec(),
        votes: vec![vote],
        ..KnnConfig::default()
    }
}

fn nearest(train: &Matrix, test: &Matrix, k: usize) -> Vec<search::Neighbour> {
    let (train, test) = (train.view(), test.view());
    let plan = Plan::new(&train, &test, k, None).unwrap();
    search::nearest(&train, &test, 0..test.rows(), k, &plan).unwrap()
}

/// k-NN as one would write it down: all similarities in float64, a full sort, a plain count.
fn slow_twin(
    train: MatrixView<'_>,
    labels: &[usize],
    test: MatrixView<'_>,
    k: usize,
    config: &KnnConfig,
) -> Vec<usize> {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(&x, &y)| f64::from(x) * f64::from(y))
            .sum()
    };
    (0..test.rows())
        .map(|i| {
            let x = test.row(i);
            let mut near: Vec<(f64, usize)> = (0..train.rows())
                .map(|j| {
                    let t = train.row(j);
                    (dot(x, t) / (dot(x, x) * dot(t, t)).sqrt(), j)
                })
                .collect();
            near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let mut votes = vec![0.0; labels.iter().max().unwrap() + 1];
            for &(similarity, j) in &near[..k] {
                votes[labels[j]] += match config.votes[0] {
                    Vote::Majority => 1.0,
                    Vote::Weighted => (similarity / config.temperature).exp(),
                };
            }
            let most = votes.iter().copied().fold(0.0, f64::max);
            votes.iter().position(|&v| v == most).unwrap()
        })
        .collect()
}

#[test]
fn agrees_with_the_reference_on_the_golden_embeddings() {
    let (embeddings, labels) = golden_embeddings();
    let train = MatrixView::new(&embeddings.data()[..400 * 16], 400, 16).unwrap();
    let test = MatrixView::new(&embeddings.data()[400 * 16..], 100, 16).unwrap();
    let results = knn(train, &labels[..400], test, &config(&[20], Vote::Majority)).unwrap();
    assert_eq!(top1(&results[0].predictions, &labels[400..]).unwrap(), 0.26);
}

#[test]
fn agrees_with_the_slow_twin_for_every_k_and_both_votes() {
    // Sizes below, at and above the blocks' bounds; more rows than one block of either kind.
    for (n_train, n_test, dims) in [(30, 7, 2), (64, 32, 5), (1100, 70, 16), (2300, 600, 33)] {
        let (train, labels) = embeddings_and_labels(n_train, dims, 7, 1);
        let (test, _) = embeddings_and_labels(n_test, dims, 7, 2);
        for vote in [Vote::Majority, Vote::Weighted] {
            let config = config(&[5, 1, 30], vote);
            let results = knn(train.view(), &labels, test.view(), &config).unwrap();
            assert_eq!(results.iter().map(|r| r.k).collect::<Vec<_>>(), [5, 1, 30]);
            for result in results {
                let slow = slow_twin(train.view(), &labels, test.view(), result.k, &config);
                // float32 similarities may exchange near-equal neighbours.
                let same = result
                    .predictions
                    .iter()
                    .zip(&slow)
                    .filter(|(a, b)| a == b)
                    .count();
                assert!(
                    same >= n_test - n_test / 100,
                    "{n_train} {n_test} {dims} {vote:?} {}: {same}",
                    result.k
                );
            }
        }
    }
}

#[test]
fn many_ks_at_once_are_the_same_as_one_at_a_time() {
    let (train, labels) = embeddings_and_labels(300, 8, 5, 3);
    let (test, _) = embeddings_and_labels(50, 8, 5, 4);
    let together = knn(
        train.view(),
        &labels,
        test.view(),
        &config(&[200, 1, 20, 20], Vote::Weighted),
    )
    .unwrap();
    for result in together {
        let alone = knn(
            train.view(),
            &labels,
            test.view(),
            &config(&[result.k], Vote::Weighted),
        )
        .unwrap();
        assert_eq!(alone, [result]);
    }
}

#[test]
fn all_votes_at_once_are_the_same_as_one_at_a_time() {
    let (train, labels) = embeddings_and_labels(300, 8, 9, 3);
    let (test, truth) = embeddings_and_labels(50, 8, 9, 4);
    let run = |votes: &[Vote]| {
        let config = KnnConfig {
            ks: vec![20, 3],
            votes: votes.to_vec(),
            ..KnnConfig::default()
        };
        knn(train.view(), &labels, test.view(), &config).unwrap()
    };
    let both = run(&[Vote::Majority, Vote::Weighted]);
    let (majority, weighted) = (run(&[Vote::Majority]), run(&[Vote::Weighted]));
    let order = [&majority[0], &weighted[0], &majority[1], &weighted[1]];
    assert!(both.iter().eq(order));
    for result in &both {
        let top1 = top1(&result.predictions, &truth).unwrap();
        let top5 = result.top5(&truth).unwrap();
        assert!(top1 <= top5 && top5 <= 1.0, "{top1} {top5}");
    }
    // Three neighbours name three labels at most.
    assert!(both[2].ranked.iter().all(|ranked| ranked[3].is_none()));
}

#[test]
fn a_limit_on_memory_changes_nothing_but_the_memory() {
    let (train, labels) = embeddings_and_labels(2000, 16, 7, 3);
    let (test, _) = embeddings_and_labels(300, 16, 7, 4);
    let config = config(&[5, 20], Vote::Weighted);
    let free = knn(train.view(), &labels, test.view(), &config).unwrap();
    let (train, test) = (train.view(), test.view());
    let within = |memory| knn_within(&train, &labels, &test, &config, Some(memory));
    let Err(Error::Memory { needed, .. }) = within(1000) else {
        panic!("1000 bytes are too few");
    };
    let plan = Plan::new(&train, &test, 20, Some(needed)).unwrap();
    assert_eq!((plan.panel_rows, plan.test_rows), (512, 32));
    for memory in [needed, needed + 50_000, 1 << 30] {
        assert_eq!(within(memory).unwrap(), free);
    }
    // From a file, which is read in panels.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.npy");
    crate::write_npy(&path, train).unwrap();
    let file = crate::EmbeddingFile::open(&path).unwrap();
    let limit = needed + 512 * 16 * 4;
    let found = knn_within(&file, &labels, &test, &config, Some(limit)).unwrap();
    assert_eq!(found, free);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (train, labels) = embeddings_and_labels(3000, 24, 10, 5);
    let (test, _) = embeddings_and_labels(700, 24, 10, 6);
    let neighbours = |threads| in_pool(threads, || nearest(&train, &test, 25));
    let run = |threads| {
        in_pool(threads, || {
            knn(
                train.view(),
                &labels,
                test.view(),
                &config(&[3, 25], Vote::Weighted),
            )
            .unwrap()
        })
    };
    for threads in [2, 3, 8] {
        assert_eq!(neighbours(1), neighbours(threads));
        assert_eq!(run(1), run(threads));
    }
}

#[test]
fn positive_rescaling_of_any_row_changes_nothing() {
    let (train, labels) = embeddings_and_labels(500, 12, 6, 7);
    let (test, _) = embeddings_and_labels(60, 12, 6, 8);
    // Powers of two are exact; the extremes would overflow or vanish if squared in float32.
    let rescaled = |matrix: &Matrix| {
        let mut out = matrix.clone();
        for (i, row) in out.data_mut().chunks_mut(12).enumerate() {
            let scale = 2.0_f32.powi([0, 100, -100, 3, -7][i % 5]);
            row.iter_mut().for_each(|v| *v *= scale);
        }
        out
    };
    let config = config(&[1, 20], Vote::Weighted);
    let plain = knn(train.view(), &labels, test.view(), &config).unwrap();
    let scaled = knn(
        rescaled(&train).view(),
        &labels,
        rescaled(&test).view(),
        &config,
    )
    .unwrap();
    assert_eq!(plain, scaled);
}

#[test]
fn the_order_of_the_rows_changes_nothing() {
    let (train, labels) = embeddings_and_labels(2100, 9, 6, 9);
    let (test, _) = embeddings_and_labels(333, 9, 6, 10);
    let config = config(&[1, 15], Vote::Majority);
    let plain = knn(train.view(), &labels, test.view(), &config).unwrap();

    let order = SplitMix(11).permutation(2100);
    let data = order
        .iter()
        .flat_map(|&i| train.view().row(i))
        .copied()
        .collect();
    let shuffled = Matrix::new(data, 2100, 9).unwrap();
    let shuffled_labels: Vec<usize> = order.iter().map(|&i| labels[i]).collect();
    assert_eq!(
        plain,
        knn(shuffled.view(), &shuffled_labels, test.view(), &config).unwrap()
    );

    let order = SplitMix(12).permutation(333);
    let data = order
        .iter()
        .flat_map(|&i| test.view().row(i))
        .copied()
        .collect();
    let shuffled = Matrix::new(data, 333, 9).unwrap();
    for (a, b) in plain
        .iter()
        .zip(knn(train.view(), &labels, shuffled.view(), &config).unwrap())
    {
        assert!(
            order
                .iter()
                .zip(&b.predictions)
                .all(|(&i, &p)| a.predictions[i] == p)
        );
    }
}

#[test]
fn equal_rows_get_equal_similarities_and_the_lower_row_wins() {
    // The same row at places that fall to different parts of the blocks; a nearer one nowhere.
    let (mut train, _) = embeddings_and_labels(1333, 40, 5, 13);
    let row: Vec<f32> = train.view().row(0).to_vec();
    let places = [5, 31, 32, 500, 1023, 1024, 1300, 1332];
    for place in places {
        train.data_mut()[place * 40..][..40].copy_from_slice(&row);
    }
    let test = Matrix::new(row, 1, 40).unwrap();
    let near = nearest(&train, &test, 9);
    assert_eq!(near[0].index, 0);
    for (n, place) in near[1..].iter().zip(places) {
        assert_eq!(
            (n.index as usize, n.similarity),
            (place, near[0].similarity)
        );
    }
}

#[test]
fn ties_in_the_vote_go_to_the_lower_class_and_labels_may_be_any_numbers() {
    let train = Matrix::new(vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0], 3, 2).unwrap();
    let test = Matrix::new(vec![2.0, 0.1], 1, 2).unwrap();
    let labels = [usize::MAX, 1_000_000_007, 3];
    for vote in [Vote::Majority, Vote::Weighted] {
        let results = knn(train.view(), &labels, test.view(), &config(&[1, 2], vote)).unwrap();
        assert_eq!(results[0].predictions, [usize::MAX]); // the lower row
        assert_eq!(results[1].predictions, [1_000_000_007]); // the lower class
    }
}

#[test]
fn in_one_dimension_the_first_rows_of_the_same_sign_vote() {
    let (train, labels) = embeddings_and_labels(2100, 1, 4, 16);
    let (test, _) = embeddings_and_labels(50, 1, 4, 17);
    let near = nearest(&train, &test, 5);
    for (x, near) in test.data().iter().zip(near.chunks(5)) {
        let same_sign = (0..2100)
            .filter(|&j| (train.data()[j] > 0.0) == (*x > 0.0))
            .take(5);
        assert!(near.iter().map(|n| n.index as usize).eq(same_sign));
    }
    let results = knn(
        train.view(),
        &labels,
        test.view(),
        &config(&[1], Vote::Majority),
    )
    .unwrap();
    for (p, near) in results[0].predictions.iter().zip(near.chunks(5)) {
        assert_eq!(*p, labels[near[0].index as usize]);
    }
}

#[test]
fn a_row_of_zeros_is_as_near_to_everything() {
    let train = Matrix::new(vec![1.0, 0.0, -1.0, 0.0], 2, 2).unwrap();
    let test = Matrix::new(vec![0.0, 0.0], 1, 2).unwrap();
    let results = knn(
        train.view(),
        &[4, 2],
        test.view(),
        &config(&[1], Vote::Weighted),
    )
    .unwrap();
    assert_eq!(results[0].predictions, [4]);
}

#[test]
fn a_tiny_temperature_is_the_nearest_neighbour() {
    let (train, labels) = embeddings_and_labels(200, 6, 5, 14);
    let (test, _) = embeddings_and_labels(40, 6, 5, 15);
    let cold = KnnConfig {
        ks: vec![1, 50],
        votes: vec![Vote::Weighted],
        temperature: 1e-12,
    };
    let results = knn(train.view(), &labels, test.view(), &cold).unwrap();
    assert_eq!(results[0].predictions, results[1].predictions);
}

#[test]
fn bad_input_is_named() {
    let train = Matrix::new(vec![1.0, 0.0, 0.0, 1.0], 2, 2).unwrap();
    let wide = Matrix::new(vec![1.0; 3], 1, 3).unwrap();
    let none = Matrix::new(vec![], 0, 2).unwrap();
    let flat = Matrix::new(vec![], 2, 0).unwrap();
    let nan = Matrix::new(vec![1.0, 2.0, 3.0, f32::NAN], 2, 2).unwrap();
    let majority = config(&[1], Vote::Majority);
    let text = |train: &Matrix, labels: &[usize], test: &Matrix, config: &KnnConfig| {
        knn(train.view(), labels, test.view(), config)
            .unwrap_err()
            .to_string()
    };
    let cases = [
        (
            text(&none, &[], &train, &majority),
            "training embeddings have no rows, expected at least 1",
        ),
        (
            text(&train, &[0, 1], &none, &majority),
            "test embeddings have no rows, expected at least 1",
        ),
        (
            text(&flat, &[0, 1], &train, &majority),
            "training embeddings have 2 rows of 0 dimensions, expected at least 1",
        ),
        (
            text(&train, &[0, 1], &wide, &majority),
            "test embeddings have 3 dimensions, expected 2 as the training embeddings",
        ),
        (
            text(&train, &[0, 1], &nan, &majority),
            "test embeddings hold NaN at row 1, column 1, expected a finite number",
        ),
        (
            text(&train, &[0], &train, &majority),
            "training embeddings have 2 rows, but 1 labels were given",
        ),
        (
            text(&train, &[0, 1], &train, &config(&[1, 3], Vote::Majority)),
            "k-NN asks for 3 neighbours, but there are 2 training rows",
        ),
        (
            text(&train, &[0, 1], &train, &config(&[0], Vote::Majority)),
            "k of k-NN is 0, expected at least 1",
        ),
        (
            text(&train, &[0, 1], &train, &config(&[], Vote::Majority)),
            "no k for k-NN given, expected at least 1",
        ),
        (
            text(
                &train,
                &[0, 1],
                &train,
                &KnnConfig {
                    temperature: 0.0,
                    ks: vec![1],
                    ..KnnConfig::default()
                },
            ),
            "temperature of k-NN is 0, expected a finite number above 0",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}
