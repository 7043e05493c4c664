//! A map folded into a network: one linear layer after the pooled features, `y = W x + b`.
//!
//! A map that was fitted on frozen features, `y = W (x - m)`, is the layer of weight `W`
//! `(d_out, d)` and bias `b = -W m`. In a file with our names the layer is `map.weight` and
//! `map.bias`. Under a public source's names it stands where the source keeps its classifier
//! (torchvision's and timm's ResNet: `fc`), so that the source's own network with `d_out` classes
//! loads the file and returns mapped features. A note in the file tells the layer from a
//! classifier; a file that was loaded and saved by others has lost it.
//!
//! The weight and the bias are float32 whatever the storage of the rest: half precision would cost
//! a map that stretches weak directions more than it costs a layer that was trained.

use std::collections::BTreeMap;

use e2mc::Matrix;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::layout::STATE_DICT;
use crate::Error;
use crate::advice::Advice;
use crate::archive::{Problem, Unread, brief};
use crate::backbone::is_float;

/// The layer's name under our names.
pub(super) const LAYER: &str = "map";

/// A linear layer after the pooled features.
#[derive(Debug)]
pub struct FoldedMap {
    /// `W`, `(d_out, d)`, float32 on the CPU.
    weight: Tensor,
    /// `b`, `(d_out)`, float32 on the CPU.
    bias: Tensor,
    note: MapNote,
}

/// What a file says of a map that is folded into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapNote {
    /// How the map was fitted, in words: `whiten, strength 0.5, Ledoit-Wolf`.
    pub method: String,
    /// Whether the map also brings rows to length 1, which no linear layer does and which is not in
    /// the file.
    pub unit_length_left_out: bool,
    /// The SHA-256 of the map's file, in hexadecimal digits.
    pub sha256: String,
}

/// The note with the layer that it is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The layer's name in the file: `map`, `fc`.
    layer: String,
    #[serde(flatten)]
    note: MapNote,
}

impl FoldedMap {
    /// The layer of weight `(d_out, d)` and bias `(d_out)`.
    ///
    /// # Errors
    /// Where there is not one bias for each row of the weight, or a number is not finite in
    /// float32.
    pub fn new(weight: &Matrix, bias: &[f64], note: MapNote) -> Result<Self, Error> {
        if bias.len() != weight.rows() || bias.is_empty() {
            let expected = format!("{} numbers in the bias", weight.rows());
            return Err(Error::argument("map", expected, bias.len()));
        }
        let shape = [weight.rows() as i64, weight.cols() as i64];
        let weight = Tensor::f_from_slice(weight.data())?.f_view(shape)?;
        let bias = Tensor::f_from_slice(bias)?.f_to_kind(Kind::Float)?;
        Self { weight, bias, note }.checked()
    }

    /// The dimensions that it takes.
    pub fn input_dims(&self) -> usize {
        self.weight.size()[1] as usize
    }

    /// The dimensions that it gives.
    pub fn output_dims(&self) -> usize {
        self.weight.size()[0] as usize
    }

    /// What is known of it.
    pub fn note(&self) -> &MapNote {
        &self.note
    }

    /// Its copy on `device`: weight and bias.
    pub(crate) fn on(&self, device: Device) -> Result<(Tensor, Tensor), Error> {
        let copy = |tensor: &Tensor| tensor.f_to_device(device);
        Ok((copy(&self.weight)?, copy(&self.bias)?))
    }

    /// The layer that does what `self` does and then what `next` does: `W' (W x + b) + b'`.
    ///
    /// # Errors
    /// Where `next` takes another width than this gives.
    pub(super) fn then(&self, next: &Self) -> Result<Self, Error> {
        let double = |tensor: &Tensor| tensor.f_to_kind(Kind::Double);
        let (weight, bias) = (double(&next.weight)?, double(&next.bias)?);
        let own = double(&self.bias)?.f_unsqueeze(1)?;
        let bias = weight.f_matmul(&own)?.f_squeeze_dim(1)?.f_add(&bias)?;
        let weight = weight.f_matmul(&double(&self.weight)?)?;
        let note = MapNote {
            method: format!("{}, then {}", self.note.method, next.note.method),
            ..next.note.clone()
        };
        Self {
            weight: weight.f_to_kind(Kind::Float)?,
            bias: bias.f_to_kind(Kind::Float)?,
            note,
        }
        .checked()
    }

    /// Its tensors under the name `layer`.
    pub(super) fn tensors(&self, layer: &str) -> [(String, Tensor); 2] {
        [
            (format!("{layer}.weight"), self.weight.shallow_clone()),
            (format!("{layer}.bias"), self.bias.shallow_clone()),
        ]
    }

    /// What a file in which the layer is called `layer` says of it.
    pub(super) fn mark(&self, layer: &str) -> Mark {
        Mark {
            layer: layer.to_owned(),
            note: self.note.clone(),
        }
    }

    /// Takes the layer that `mark` is about out of a file's tensors.
    pub(super) fn take(
        mark: Mark,
        tensors: &mut BTreeMap<String, Unread>,
    ) -> Result<Self, Problem> {
        let Mark { layer, note } = mark;
        let mut read = |end: &str, rank: usize| {
            let name = format!("{layer}.{end}");
            let found = tensors
                .remove(&name)
                .or_else(|| tensors.remove(&format!("{STATE_DICT}.{name}")));
            let expected = || format!("the folded map's `{}`", brief(&name));
            let found = found.ok_or_else(|| Problem::again(expected(), "none"))?;
            let size = found.size();
            if size.len() != rank || size.contains(&0) || !found.kind().is_some_and(is_float) {
                let found = format!("{} numbers of shape {size:?}", found.kind_name());
                return Err(Problem::again(expected(), found));
            }
            let tensor = found.read();
            let tensor = tensor.and_then(|tensor| Ok(tensor.f_to_kind(Kind::Float)?));
            tensor.map_err(|error| Problem::again(expected(), brief(&error.to_string())))
        };
        let (weight, bias) = (read("weight", 2)?, read("bias", 1)?);
        if bias.size()[0] != weight.size()[0] {
            let found = format!("{:?} and {:?}", weight.size(), bias.size());
            return Err(Problem::again(
                "a folded map with one bias for each row of its weight",
                found,
            ));
        }
        let map = Self { weight, bias, note }.checked();
        map.map_err(|error| Problem::again("a folded map", brief(&error.to_string())))
    }

    /// Whether it takes what a backbone of `features` gives.
    pub(super) fn check(&self, features: usize) -> Result<(), Problem> {
        if self.input_dims() == features {
            return Ok(());
        }
        Err(Problem {
            expected: format!("a folded map of {features} dimensions, as the network gives"),
            found: format!("one of {}", self.input_dims()),
            advice: Advice::words("take the file as it was written"),
        })
    }

    fn checked(self) -> Result<Self, Error> {
        for tensor in [&self.weight, &self.bias] {
            if tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
                let expected = "numbers that are finite in float32";
                return Err(Error::argument("map", expected, "others"));
            }
        }
        Ok(self)
    }
}
