//! Two clusters of embeddings, classified by their neighbours and by logistic regression.

use e2mc::Matrix;
use e2mc_base::random::Stream;
use e2mc_eval::{KnnConfig, L2, LogisticConfig, Probe, knn, top1};

/// Normal numbers around one of two centres, by turns.
fn clusters(rows: usize, dims: usize, seed: u64) -> (Matrix, Vec<usize>) {
    let mut data = vec![0.0; rows * dims];
    Stream::at([seed, 0, 0, 0]).fill_normal(&mut data, 1.0);
    let labels: Vec<usize> = (0..rows).map(|row| row % 2).collect();
    for (row, label) in data.chunks_mut(dims).zip(&labels) {
        row[*label] += 2.0;
    }
    let matrix = Matrix::new(data, rows, dims).expect("rows * dims values");
    (matrix, labels)
}

fn main() -> Result<(), e2mc_eval::Error> {
    let (train, labels) = clusters(400, 16, 1);
    let (test, truth) = clusters(200, 16, 2);
    for result in knn(train.view(), &labels, test.view(), &KnnConfig::default())? {
        let accuracy = top1(&result.predictions, &truth)?;
        println!("{}-NN, {:?}: {accuracy:.3}", result.k, result.vote);
    }
    let probe = Probe::Logistic(LogisticConfig {
        l2: L2::Fixed(0.1),
        ..Default::default()
    });
    let fit = probe.fit_predict(train.view(), &labels, test.view(), 2, 0)?;
    println!("logistic: {:.3}", top1(&fit.predictions, &truth)?);
    Ok(())
}
