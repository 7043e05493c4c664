//! Gradient descent on the criterion: the entropy of correlated embeddings rises, their covariance
//! falls.

use e2mc::{Criterion, MatrixView};

fn main() -> Result<(), e2mc::Error> {
    let (n, d) = (256, 4);
    // One pseudo-random number a row, and a little of another in each dimension.
    let noise = |i: usize| (i as f32 * 0.618_034).fract() - 0.5;
    let mut z: Vec<f32> = (0..n * d)
        .map(|i| 8.0 * (noise(i / d) + 0.2 * noise(7 * i + 3)))
        .collect();
    let criterion = Criterion::vicreg();
    let mut gradient = vec![0.0; n * d];
    for step in 0..=200 {
        let value = criterion.value_and_gradient(MatrixView::new(&z, n, d)?, &mut gradient)?;
        if step % 50 == 0 {
            println!(
                "step {step:3}: entropy {:.3} nats, covariance {:.6}",
                value.entropy, value.covariance
            );
        }
        for (z, gradient) in z.iter_mut().zip(&gradient) {
            *z -= 0.02 * gradient;
        }
    }
    Ok(())
}
