//! A fitted linear classifier: what both probes leave behind.

use e2mc::{Matrix, MatrixView};
use rayon::prelude::*;

use crate::product::{Operand, multiply_add};
use crate::softmax::argmax;
use crate::standardise::Standardiser;
use crate::{Error, check};

/// Rows scored by one task.
const ROWS: usize = 256;

/// `scores = W x + b`, one score a class; the class of the greatest score is the prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearClassifier {
    /// `(outputs, d)`, row-major.
    pub(crate) weights: Vec<f32>,
    /// One for each output.
    pub(crate) bias: Vec<f32>,
    /// The class of each output, ascending.
    pub(crate) outputs: Vec<usize>,
    /// The number of classes, at least that of the outputs.
    pub(crate) classes: usize,
    /// How features are standardised before they are scored.
    pub(crate) standardiser: Option<Standardiser>,
}

impl LinearClassifier {
    /// The dimensions `d` of the features that it scores.
    pub fn dims(&self) -> usize {
        self.weights.len() / self.bias.len()
    }

    /// The scores (logits) `(n, classes)` of `features` `(n, d)`; minus infinity for a class that
    /// the classifier cannot predict because the logistic probe never saw it.
    ///
    /// # Errors
    /// Empty or non-finite features, or another width than was trained on.
    pub fn scores(&self, features: MatrixView<'_>) -> Result<Matrix, Error> {
        self.check(features)?;
        let mut scores = Matrix::zeros(features.rows(), self.classes);
        let out = scores.data_mut().par_chunks_mut(ROWS * self.classes);
        self.blocks(features).zip(out).for_each(|(logits, out)| {
            let rows = logits.chunks_exact(self.outputs.len());
            for (row, out) in rows.zip(out.chunks_exact_mut(self.classes)) {
                out.fill(f32::NEG_INFINITY);
                self.outputs
                    .iter()
                    .zip(row)
                    .for_each(|(&class, &logit)| out[class] = logit);
            }
        });
        Ok(scores)
    }

    /// The predicted class of each row of `features` `(n, d)`; of equal scores, the lower class.
    ///
    /// # Errors
    /// Empty or non-finite features, or another width than was trained on.
    pub fn predict(&self, features: MatrixView<'_>) -> Result<Vec<usize>, Error> {
        self.check(features)?;
        let width = self.outputs.len();
        Ok(self
            .blocks(features)
            .flat_map_iter(|logits| {
                let rows: Vec<usize> = logits
                    .chunks_exact(width)
                    .map(|row| self.outputs[argmax(row)])
                    .collect();
                rows
            })
            .collect())
    }

    fn check(&self, features: MatrixView<'_>) -> Result<(), Error> {
        check::matrix(features, check::TEST)?;
        check::width(self.dims(), features.cols())
    }

    /// The logits of each block of rows, in order.
    fn blocks<'a>(
        &'a self,
        features: MatrixView<'a>,
    ) -> impl IndexedParallelIterator<Item = Vec<f32>> + 'a {
        let dims = self.dims();
        features.data().par_chunks(ROWS * dims).map(move |block| {
            let rows = block.len() / dims;
            let standardised = self.standardiser.as_ref().map(|s| {
                s.apply(MatrixView::new(block, rows, dims).expect("whole rows of a matrix"))
            });
            let block = standardised.as_ref().map_or(block, Matrix::data);
            logits(block, rows, dims, &self.weights, &self.bias)
        })
    }
}

/// `x W^T + b` for `rows` rows of `x`.
fn logits(x: &[f32], rows: usize, dims: usize, weights: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut out = bias.repeat(rows);
    let weights = Operand::new(weights, bias.len(), dims);
    multiply_add(&mut out, Operand::new(x, rows, dims), weights.transposed());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::embeddings_and_labels;

    #[test]
    fn scores_are_plain_sums_and_predictions_their_argmax() {
        let (features, _) = embeddings_and_labels(700, 6, 3, 1);
        let (weights, _) = embeddings_and_labels(3, 6, 3, 2);
        let classifier = LinearClassifier {
            weights: weights.data().to_vec(),
            bias: vec![0.5, -0.25, 0.0],
            outputs: vec![1, 2, 4],
            classes: 5,
            standardiser: None,
        };
        let scores = classifier.scores(features.view()).unwrap();
        let predictions = classifier.predict(features.view()).unwrap();
        assert_eq!(crate::predictions(scores.view()), predictions);
        assert_eq!(
            (scores.rows(), scores.cols(), predictions.len()),
            (700, 5, 700)
        );
        for (i, &prediction) in predictions.iter().enumerate() {
            let row = scores.view().row(i);
            assert_eq!((row[0], row[3]), (f32::NEG_INFINITY, f32::NEG_INFINITY));
            for (o, &class) in classifier.outputs.iter().enumerate() {
                let products = features.view().row(i).iter().zip(weights.view().row(o));
                let sum: f32 = products.map(|(x, w)| x * w).sum::<f32>() + classifier.bias[o];
                assert!((row[class] - sum).abs() < 1e-4);
                assert!(row[class] <= row[prediction]);
            }
        }
    }
}
