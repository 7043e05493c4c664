//! Parity with the authors' public PyTorch code, on the cases of `tests/golden/criteria`.

use crate::{assert_close, assert_gradient};
use e2mc::MatrixView;
use e2mc::rival::{Mmcr, Space, Uniformity, Vcreg};
use safetensors::SafeTensors;

/// A stored case.
struct Case(Vec<u8>);

impl Case {
    fn read(name: &str) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/criteria");
        Self(std::fs::read(format!("{folder}/{name}.safetensors")).expect("the case's file"))
    }

    fn tensor(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let file = SafeTensors::deserialize(&self.0).expect("a safetensors file");
        let view = file.tensor(name).expect("a stored tensor");
        let (values, _) = view.data().as_chunks::<4>();
        let values = values.iter().map(|bytes| f32::from_le_bytes(*bytes));
        (view.shape().to_vec(), values.collect())
    }

    fn scalar(&self, name: &str) -> f64 {
        f64::from(self.tensor(name).1[0])
    }

    fn gradient(&self) -> Vec<f64> {
        let (_, values) = self.tensor("grad");
        values.into_iter().map(f64::from).collect()
    }
}

fn vcreg_agrees(name: &str, space: Space) {
    let case = Case::read(name);
    let (shape, z) = case.tensor("z");
    let z = MatrixView::new(&z, shape[0], shape[1]).expect("a matrix");
    let mut gradient = vec![f32::NAN; z.data().len()];
    let vcreg = Vcreg {
        space,
        ..Vcreg::default()
    };
    let value = vcreg.value_and_gradient(z, &mut gradient).expect("a value");
    for (what, found) in [
        ("std", value.variance),
        ("covariance", value.covariance),
        ("loss", value.loss),
    ] {
        assert_close(name, found, case.scalar(what), 1e-5);
    }
    assert_gradient(name, &gradient, &case.gradient(), 1e-4);
}

#[test]
fn vcreg_on_the_hypersphere_agrees() {
    vcreg_agrees("vcreg_hypersphere", Space::Hypersphere);
}

#[test]
fn vcreg_on_the_projector_agrees() {
    vcreg_agrees("vcreg_projector", Space::Projector);
}

#[test]
fn uniformity_agrees() {
    let case = Case::read("uniformity");
    let (shape, z) = case.tensor("z");
    let z = MatrixView::new(&z, shape[0], shape[1]).expect("a matrix");
    let mut gradient = vec![f32::NAN; z.data().len()];
    let value = Uniformity::default()
        .value_and_gradient(z, &mut gradient)
        .expect("a value");
    assert_close("uniformity", value, case.scalar("loss"), 1e-5);
    assert_gradient("uniformity", &gradient, &case.gradient(), 1e-4);
}

#[test]
fn mmcr_agrees() {
    let case = Case::read("mmcr");
    let (shape, values) = case.tensor("views");
    let size = shape[1] * shape[2];
    let views = values.chunks(size);
    let views: Vec<_> = views
        .map(|z| MatrixView::new(z, shape[1], shape[2]).expect("a matrix"))
        .collect();
    let mut gradient = vec![f32::NAN; values.len()];
    let mut gradients: Vec<_> = gradient.chunks_mut(size).collect();
    let value = Mmcr
        .value_and_gradients(&views, &mut gradients)
        .expect("a value");
    assert_close("mmcr", value, case.scalar("loss"), 1e-5);
    assert_gradient("mmcr", &gradient, &case.gradient(), 1e-4);
}
