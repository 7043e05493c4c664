//! Files as the libraries write them, with weights by a formula.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use e2mc_train::checkpoint::{Checkpoint, ReadOptions};
use e2mc_train::{Error, Model};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use crate::common::place::{self, series};

/// What `scripts/make_encoder_fixtures.py` says of its models.
#[derive(Deserialize)]
struct Manifest {
    models: BTreeMap<String, Fixture>,
}

/// A model of a library.
#[derive(Clone, Deserialize)]
pub(crate) struct Fixture {
    /// Height and width of its images.
    pub(crate) side: i64,
    hints: BTreeMap<String, usize>,
    /// The shapes of its tensors.
    pub(crate) tensors: Shapes,
}

/// The shapes of a file's tensors by name.
pub(crate) type Shapes = BTreeMap<String, Vec<i64>>;

fn folder() -> PathBuf {
    place::golden("encoders")
}

pub(crate) fn fixture(name: &str) -> Fixture {
    static MANIFEST: OnceLock<Manifest> = OnceLock::new();
    let manifest = MANIFEST.get_or_init(|| {
        let text = fs::read_to_string(folder().join("manifest.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    });
    manifest.models[name].clone()
}

/// The names of all models.
pub(crate) fn names() -> Vec<String> {
    let files = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What the library gives.
pub(crate) fn golden(name: &str) -> BTreeMap<String, Tensor> {
    let file = folder().join(format!("{name}.safetensors"));
    Tensor::read_safetensors(file)
        .unwrap()
        .into_iter()
        .collect()
}

/// Two images of that side.
pub(crate) fn images(side: i64) -> Tensor {
    let values = series(2 * 3 * side * side, 1000.0);
    let images = values.to_kind(Kind::Float).reshape([2, 3, side, side]);
    images.to_device(place::device())
}

/// The values of a tensor, by the place of its name among all names.
fn values(name: &str, shape: &[i64], k: usize) -> Tensor {
    let count: i64 = shape.iter().product();
    let r = series(count, k as f64);
    let r = match shape {
        [_] if name.ends_with("weight") => r * 0.25 + 1.0,
        [_] => r * 0.1,
        _ => r * (6.0 / (count / shape[0]) as f64).sqrt(),
    };
    r.to_kind(Kind::Float).reshape(shape)
}

/// The tensors of a model, with the values that the library computed with.
pub(crate) fn weights(fixture: &Fixture) -> BTreeMap<String, Tensor> {
    let tensors = (0..).zip(&fixture.tensors);
    tensors
        .map(|(k, (name, shape))| (name.clone(), values(name, shape, k)))
        .collect()
}

/// Writes tensors to a file.
pub(crate) fn write(path: &Path, tensors: &BTreeMap<String, Tensor>) {
    let bytes: BTreeMap<&str, (Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let shape = tensor.size().iter().map(|&size| size as usize).collect();
            let numbers = Vec::<f32>::try_from(tensor.flatten(0, -1)).unwrap();
            let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
            (name.as_str(), (shape, bytes.collect()))
        })
        .collect();
    let views = bytes.iter().map(|(name, (shape, bytes))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        (*name, view.unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Opens a file of a model, with what the library says of it beside the tensors.
pub(crate) fn read(path: &Path, fixture: &Fixture) -> Result<Checkpoint, Error> {
    let options = ReadOptions {
        heads: fixture.hints.get("heads").copied(),
        ..ReadOptions::default()
    };
    Checkpoint::read_with(path, options)
}

/// The network of a checkpoint.
pub(crate) fn network(checkpoint: &Checkpoint) -> Model {
    let model = Model::new(&checkpoint.recipe, place::device(), 0).unwrap();
    checkpoint.apply_to(&model).unwrap();
    model
}

/// The largest difference over the largest number.
pub(crate) fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let double = |tensor: &Tensor| tensor.detach().to_device(Device::Cpu).to_kind(Kind::Double);
    let (found, expected) = (double(found), double(expected));
    ((found - &expected).abs().max() / expected.abs().max()).double_value(&[])
}
