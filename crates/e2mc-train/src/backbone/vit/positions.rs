//! How tokens know their places: embeddings that are added, and angles that queries are turned by.
//!
//! Learned embeddings are made for one grid of patches. For another grid they are resized as images
//! are, in the way of the network's library (`Resize`).

use std::f64::consts::PI;

use tch::nn::{Init, Path};
use tch::{Device, Kind, Tensor};

use super::config::{Resize, VitConfig};
use crate::Error;

/// Position embeddings that are added.
#[derive(Debug)]
pub(super) struct LearnedPositions {
    /// `(1, placed + grid^2, width)`.
    embedding: Tensor,
    placed: i64,
    grid: i64,
    resize: Resize,
}

impl LearnedPositions {
    /// Makes them under the name `pos_embed`.
    pub(super) fn new(path: &Path, config: &VitConfig) -> Result<Self, Error> {
        let (placed, grid) = (config.placed as i64, config.grid() as i64);
        let shape = [1, placed + grid * grid, config.width as i64];
        let embedding = path.f_var("pos_embed", &shape, START)?;
        Ok(Self {
            embedding,
            placed,
            grid,
            resize: config.resize,
        })
    }

    /// What is added to the tokens before the patches that have a place, `(1, placed, width)`.
    pub(super) fn before(&self) -> Result<Tensor, Error> {
        Ok(self.embedding.f_narrow(1, 0, self.placed)?)
    }

    /// What is added to the patches of a grid, `(1, down * across, width)`.
    pub(super) fn patches(&self, [down, across]: [i64; 2]) -> Result<Tensor, Error> {
        let (grid, width) = (self.grid, self.embedding.size()[2]);
        let own = self
            .embedding
            .f_narrow(1, self.placed, grid * grid)?
            .f_to_kind(Kind::Float)?;
        if [down, across] == [grid, grid] {
            return Ok(own);
        }
        let map = own.f_reshape([1, grid, grid, width])?;
        let map = map.f_permute([0, 3, 1, 2])?.f_contiguous()?;
        let map = resized(&map, [down, across], self.resize)?;
        let rows = map.f_permute([0, 2, 3, 1])?;
        Ok(rows.f_reshape([1, down * across, width])?)
    }
}

/// A map `(1, width, grid, grid)` for `size` patches down and across.
fn resized(map: &Tensor, size: [i64; 2], how: Resize) -> Result<Tensor, Error> {
    let none = None::<f64>;
    Ok(match how {
        Resize::Antialias => map.f_internal_upsample_bicubic2d_aa(size, false, none, none)?,
        Resize::Plain => map.f_upsample_bicubic2d(size, false, none, none)?,
        Resize::Offset => {
            let grid = map.size()[2] as f64;
            let [down, across] = size.map(|patches| (patches as f64 + 0.1) / grid);
            map.f_upsample_bicubic2d(size, false, down, across)?
        }
    })
}

/// How embeddings and tokens are drawn: N(0, 0.02^2), as in timm.
pub(super) const START: Init = Init::Randn {
    mean: 0.0,
    stdev: 0.02,
};

/// The angles of a grid's patches, as cosines and sines `(down * across, head)`.
///
/// DINOv3 places a patch's middle in [-1, 1] down and across, and turns by `2 pi place / period`
/// with `head / 4` periods `base^(4 k / head)`: first those of the place down, then those across,
/// both once more for the second half.
#[derive(Debug)]
pub(super) struct Angles {
    cosine: Tensor,
    sine: Tensor,
}

impl Angles {
    pub(super) fn new(
        [down, across]: [i64; 2],
        head: usize,
        base: f64,
        device: Device,
    ) -> Result<Self, Error> {
        let place = |count: i64| -> Vec<f64> {
            let middle = |at: i64| (at as f64 + 0.5) / count as f64;
            (0..count).map(|at| 2.0 * middle(at) - 1.0).collect()
        };
        let rates: Vec<f64> = (0..head / 4)
            .map(|k| 2.0 * PI / base.powf(4.0 * k as f64 / head as f64))
            .collect();
        let (down, across) = (place(down), place(across));
        let mut angles: Vec<f32> = Vec::with_capacity(down.len() * across.len() * head);
        for y in &down {
            for x in &across {
                for _ in 0..2 {
                    for place in [y, x] {
                        angles.extend(rates.iter().map(|rate| (place * rate) as f32));
                    }
                }
            }
        }
        let angles = Tensor::f_from_slice(&angles)?;
        let angles = angles.f_reshape([-1, head as i64])?.f_to_device(device)?;
        Ok(Self {
            cosine: angles.f_cos()?,
            sine: angles.f_sin()?,
        })
    }

    /// Turns the last tokens of `(n, heads, t, head)`, those of patches, in float32; the others
    /// stay.
    pub(super) fn turn(&self, x: &Tensor) -> Result<Tensor, Error> {
        let kind = x.kind();
        let patches = self.cosine.size()[0];
        let before = x.size()[2] - patches;
        let own = x.f_narrow(2, before, patches)?.f_to_kind(Kind::Float)?;
        let halves = own.f_chunk(2, -1)?;
        let turned = Tensor::f_cat(&[halves[1].f_neg()?, halves[0].shallow_clone()], -1)?;
        let own = own.f_mul(&self.cosine)?.f_add(&turned.f_mul(&self.sine)?)?;
        let own = own.f_to_kind(kind)?;
        Ok(Tensor::f_cat(&[x.f_narrow(2, 0, before)?, own], 2)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bicubic interpolation without antialias, point by point, as PyTorch documents it: the place
    /// of a point's middle, divided by the scale, and four neighbours a side with a = -0.75.
    fn slow(map: &[f64], grid: usize, size: usize, scale: f64) -> Vec<f64> {
        const A: f64 = -0.75;
        let weight = |x: f64| match x.abs() {
            x if x <= 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            x if x < 2.0 => A * (((x - 5.0) * x + 8.0) * x - 4.0),
            _ => 0.0,
        };
        let around = |at: usize| {
            let place = (at as f64 + 0.5) / scale - 0.5;
            (-1..3).map(move |step| {
                let neighbour = place.floor() + f64::from(step);
                let inside = neighbour.clamp(0.0, grid as f64 - 1.0) as usize;
                (inside, weight(place - neighbour))
            })
        };
        let mut made = Vec::new();
        for y in 0..size {
            for x in 0..size {
                let points = around(y).flat_map(|row| around(x).map(move |column| (row, column)));
                let sum = points.map(|((r, of_r), (c, of_c))| map[r * grid + c] * of_r * of_c);
                made.push(sum.sum());
            }
        }
        made
    }

    #[test]
    fn positions_are_resized_as_their_library_does() {
        let grid = 4;
        let numbers: Vec<f64> = (0..16).map(|k| f64::from(k * k % 7) - 3.0).collect();
        let map = Tensor::from_slice(&numbers).view([1, 1, 4, 4]);
        for size in [3, 6, 9] {
            for (how, scale) in [
                (Resize::Plain, size as f64 / 4.0),
                (Resize::Offset, (size as f64 + 0.1) / 4.0),
            ] {
                let found = resized(&map, [size as i64; 2], how).unwrap();
                let expected = Tensor::from_slice(&slow(&numbers, grid, size, scale));
                let error = (found.view([-1]) - expected).abs().max();
                assert!(
                    error.double_value(&[]) < 1e-12,
                    "{how:?} to {size}: {error}"
                );
            }
        }
    }
}
