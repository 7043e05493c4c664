//! E2MC over several processes, each with the columns that are its own.
//!
//! Rows become columns by an all-to-all exchange of the embeddings; a process computes the
//! entropies of its columns and its part of the Gram matrix `U U^T`; the parts are summed; and the
//! gradient goes back by another all-to-all. Each process does its share of the work, and none
//! holds all embeddings. The Gram matrix has half of `n^2` numbers, `n` the rows of all processes:
//! less than the embeddings where `n < 2 d`.

use tch::{Device, Kind, Tensor};

use e2mc::{Error as CriterionError, Part, Workspace};

use super::plain::{Plain, with_gradient};
use crate::Error;
use crate::world::World;

/// A process's share of the criterion on one view.
pub(super) struct Share {
    pub(super) entropy: f64,
    pub(super) covariance: f64,
    /// A scalar with the gradient at own rows.
    pub(super) loss: Tensor,
}

/// The share of this process, of whose rows `z` `(n, d)` are.
pub(super) fn share(
    criterion: &e2mc::Criterion,
    z: &Tensor,
    world: &World,
    workspace: &mut Workspace,
) -> Result<Share, Error> {
    let (_, d) = z.size2()?;
    let d = d as usize;
    let mine = world.own_columns(d);
    let plain = Plain::of(&world.columns(&z.detach().f_to_kind(Kind::Float)?)?)?;
    let rows = plain.rows();
    let length = [Workspace::product_len(rows) as i64];
    let product = Tensor::f_zeros(length, (Kind::Float, Device::Cpu))?;
    let mut product = Plain::owner_of(product);
    let mut part = Part::default();
    let mut bad = None;
    if !mine.is_empty() {
        match criterion.begin(plain.view()?, d, workspace) {
            Ok(own) => {
                part = own;
                workspace.write_product(product.values_mut());
            }
            // The others must hear of it before anybody leaves.
            Err(CriterionError::NotFinite { row, column, value }) => {
                bad = Some((row * d + mine.start + column, value));
            }
            Err(other) => return Err(other.into()),
        }
    }
    let trouble = f64::from(u8::from(bad.is_some()));
    let sums = world.sum(Tensor::f_from_slice(&[
        part.entropy,
        part.squares,
        trouble,
    ])?)?;
    if sums.f_double_value(&[2])? > 0.0 {
        return Err(first_bad(bad, d, world)?.into());
    }
    let sum = Part {
        entropy: sums.f_double_value(&[0])?,
        squares: sums.f_double_value(&[1])?,
    };
    let mut product = Plain::owner_of(world.sum(product.tensor)?);
    let mut gradient = plain.empty();
    // Those that have columns know the value, and share it.
    let sharing = d.div_ceil(d.div_ceil(world.size())) as f64;
    let (mut entropy, mut covariance, mut loss) = (0.0, 0.0, 0.0);
    if !mine.is_empty() {
        let (view, out) = (plain.view()?, gradient.values_mut());
        let whole = criterion.finish((view, d), sum, product.values_mut(), out, workspace)?;
        entropy = whole.entropy / sharing;
        covariance = whole.covariance / sharing;
        loss = whole.loss / sharing;
    }
    let gradient = world.rows(&gradient.tensor, d)?;
    Ok(Share {
        entropy,
        covariance,
        loss: with_gradient(z, &gradient, loss),
    })
}

/// The error of the first value in the rows of all processes that is not finite, the same for all.
fn first_bad(own: Option<(usize, f32)>, d: usize, world: &World) -> Result<CriterionError, Error> {
    let place = own.map_or(f64::NEG_INFINITY, |(place, _)| -(place as f64));
    let first = -world
        .max(Tensor::from(place).f_reshape([1])?)?
        .f_double_value(&[0])?;
    let sign = match own {
        Some((place, value)) if place as f64 == first && value.is_infinite() => value.signum(),
        _ => 0.0,
    };
    let sign = world
        .sum(Tensor::f_from_slice(&[f64::from(sign)])?)?
        .f_double_value(&[0])?;
    let value = match sign {
        0.0 => f32::NAN,
        sign => f32::INFINITY.copysign(sign as f32),
    };
    Ok(CriterionError::NotFinite {
        row: first as usize / d,
        column: first as usize % d,
        value,
    })
}
