//! The pass over the rows: the gradient of both terms, taken back through the transform.
//!
//! `dloss/dz = u'(z) (c (U U^T U - U diag(U^T U)) + dentropy/du)`, a block of rows at a time, each
//! block of the product used as soon as it is made. Centring needs no term of its own: the columns
//! of either part sum to zero.

use crate::covariance::{Gram, subtract_diagonal};
use crate::panels::{Panels, Row, WIDTH, count};
use crate::product::{BLOCK, Finish, block_product};
use crate::{MatrixView, Transform};
use e2mc_base::simd::{Kernel, Level, Simd};
use rayon::prelude::*;

/// What the pass needs to know.
#[derive(Clone, Copy)]
pub(crate) struct Backward<'a> {
    /// The embeddings `(n, d)`.
    pub(crate) z: MatrixView<'a>,
    /// The map to the unit interval.
    pub(crate) transform: Transform,
    /// The gradient of the entropy term with respect to `u`, if it has one.
    pub(crate) entropy: Option<&'a Panels>,
    /// The covariance term, if it has a gradient.
    pub(crate) covariance: Option<Covariance<'a>>,
}

/// What the covariance term's gradient is made of.
#[derive(Clone, Copy)]
pub(crate) struct Covariance<'a> {
    /// The centred transformed embeddings.
    pub(crate) u: &'a Panels,
    /// `U^T U` or `U U^T`.
    pub(crate) gram: &'a Gram,
    /// The diagonal of `U^T U`.
    pub(crate) diagonal: &'a [f64],
    /// The factor `c`.
    pub(crate) weight: f32,
}

impl Backward<'_> {
    /// Writes the gradient `(n, d)`, row-major.
    pub(crate) fn run(self, level: Level, gradient: &mut [f32]) {
        let blocks = gradient.par_chunks_mut(BLOCK * self.z.cols()).enumerate();
        blocks.for_each(|(index, gradient)| {
            level.run(Block {
                pass: self,
                first: index * BLOCK,
                gradient,
            });
        });
    }
}

/// The rows from `first`, as many as `gradient` holds.
struct Block<'a, 'g> {
    pass: Backward<'a>,
    first: usize,
    gradient: &'g mut [f32],
}

impl Kernel for Block<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let cols = self.pass.z.cols();
        let rows = self.gradient.len() / cols;
        if let Some(covariance) = self.pass.covariance {
            let (a, b, _) = covariance.gram.factors(covariance.u);
            block_product(simd, a, b, self.first..self.first + rows, cols, self);
        } else {
            for panel in 0..count(cols) {
                self.finish(simd, panel, &mut [Row::default(); BLOCK][..rows]);
            }
        }
    }
}

impl Finish for Block<'_, '_> {
    /// Writes the gradient of one panel's columns, of which `lines` hold the covariance's part.
    #[inline(always)]
    fn finish<S: Simd>(&mut self, simd: S, panel: usize, lines: &mut [Row]) {
        let Backward {
            z,
            transform,
            entropy,
            covariance,
        } = self.pass;
        let rows = self.first..self.first + lines.len();
        let mut weight = 0.0;
        if let Some(covariance) = covariance {
            weight = covariance.weight;
            if let (_, _, true) = covariance.gram.factors(covariance.u) {
                let u = &covariance.u.panel(panel)[rows.clone()];
                subtract_diagonal(lines, u, &covariance.diagonal[panel * WIDTH..]);
            }
        }
        let cols = z.cols();
        let columns = panel * WIDTH..cols.min((panel + 1) * WIDTH);
        let entropy = entropy.map(|entropy| &entropy.panel(panel)[rows.clone()]);
        for index in 0..lines.len() {
            let mut slope = Row::read(&z.row(self.first + index)[columns.clone()]);
            transform.derivative_row(simd, &mut slope);
            let line = lines[index];
            let entropy = match entropy {
                Some(entropy) => entropy[index],
                None => Row::default(),
            };
            let mut out = Row::default();
            for lane in 0..WIDTH {
                let sum = simd.mul_add_scalar(weight, line[lane], entropy[lane]);
                out[lane] = slope[lane] * sum;
            }
            out.write(&mut self.gradient[index * cols..][columns.clone()]);
        }
    }
}
