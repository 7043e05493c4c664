//! The methods with the entropy criterion against the numbers of the authors' code.

use std::collections::HashMap;

use crate::common::place;
use e2mc_train::World;
use e2mc_train::criterion::{Criterion, CriterionConfig, TransformName};
use e2mc_train::method::{
    Objective, SwavConfig, VicregConfig, simsiam_loss, sinkhorn_codes, swav_loss, vicreg_loss,
};
use tch::{Kind, Tensor};

fn value(objective: &Objective, name: &str) -> f64 {
    objective
        .terms
        .iter()
        .find(|term| term.name == name)
        .unwrap()
        .value
        .double_value(&[])
}

/// The tensors of a golden file, and how found numbers are compared with them.
struct Golden(HashMap<String, Tensor>);

impl Golden {
    fn read(name: &str) -> Self {
        let tensors = Tensor::read_safetensors(place::golden("objective").join(name)).unwrap();
        let placed = |(name, tensor): (String, Tensor)| (name, tensor.to_device(place::device()));
        Self(tensors.into_iter().map(placed).collect())
    }

    /// A tensor to derive by.
    fn leaf(&self, name: &str) -> Tensor {
        self.0[name].detach().set_requires_grad(true)
    }

    fn value(&self, name: &str, found: f64) {
        let expected = self.0[name].double_value(&[]);
        let error = (found - expected).abs() / expected.abs();
        assert!(error <= 1e-5, "{name}: found {found}, expected {expected}");
    }

    fn tensor(&self, name: &str, found: &Tensor, tolerance: f64) {
        let expected = &self.0[name];
        let difference = (found - expected).abs().max().double_value(&[]);
        let scale = expected.abs().max().double_value(&[]);
        let limit = tolerance * scale;
        assert!(difference <= limit, "{name}: {difference} of {scale}");
    }

    fn gradient(&self, name: &str, leaf: &Tensor) {
        self.tensor(name, &leaf.grad(), 1e-4);
    }
}

/// Adds E2MC, and checks that the terms add up to the loss.
fn add_e2mc(
    objective: &mut Objective,
    golden: &Golden,
    transform: TransformName,
    beta: f64,
    gamma: f64,
    epsilon: f32,
) {
    let config = CriterionConfig::E2mc {
        transform,
        beta,
        gamma,
        epsilon,
    };
    Criterion::new(&config)
        .unwrap()
        .add_to(objective, &World::solo(), 0, 0)
        .unwrap();
    golden.value("loss", objective.loss.double_value(&[]));
    let weighted: f64 = objective
        .terms
        .iter()
        .map(|term| term.weight * term.value.double_value(&[]))
        .sum();
    golden.value("loss", weighted);
}

fn matches_vicreg(name: &str) {
    let golden = Golden::read(name);
    let (za, zb) = (golden.leaf("za"), golden.leaf("zb"));
    let config = VicregConfig::default();
    let mut objective = vicreg_loss(
        &config,
        za.shallow_clone(),
        zb.shallow_clone(),
        &World::solo(),
    )
    .unwrap();
    golden.value("vicreg_loss", objective.loss.double_value(&[]));
    let sigmoid = TransformName::Sigmoid;
    add_e2mc(&mut objective, &golden, sigmoid, 1000.0, 100.0, 1e-7);
    golden.value("repr_loss", value(&objective, "invariance"));
    golden.value("std_loss", value(&objective, "variance"));
    golden.value("cov_loss", value(&objective, "covariance"));
    golden.value("ent_loss", value(&objective, "entropy"));
    golden.value("hypercov_loss", value(&objective, "hypercovariance"));
    objective.loss.backward();
    golden.gradient("grad_za", &za);
    golden.gradient("grad_zb", &zb);
}

fn matches_swav(name: &str, crops: i64, iterations: usize) {
    let golden = Golden::read(name);
    let (h, prototypes) = (golden.leaf("h"), golden.leaf("prototypes"));
    let config = SwavConfig {
        sinkhorn_iterations: iterations,
        ..SwavConfig::default()
    };
    let views = h.chunk(crops, 0);
    let norm = |z: &Tensor| z.norm_scalaropt_dim(2.0, [1i64].as_slice(), true);
    for (view, name) in views.iter().zip(["codes_0", "codes_1"]) {
        let scores = (view / norm(view)).matmul(&prototypes.tr());
        let codes =
            sinkhorn_codes(&scores, config.sinkhorn_epsilon, iterations, &World::solo()).unwrap();
        golden.tensor(name, &codes, 1e-5);
    }
    let mut resolutions = vec![96; crops as usize];
    resolutions[..2].fill(224);
    let mut objective = swav_loss(
        &config,
        views,
        &resolutions,
        &prototypes,
        None,
        &World::solo(),
    )
    .unwrap();
    assert_eq!(objective.embeddings.len(), 2);
    assert_eq!(objective.small_crop_embeddings.len() as i64, crops - 2);
    golden.value("swav_loss", value(&objective, "swapped_prediction"));
    let gaussian = TransformName::Gaussian;
    add_e2mc(&mut objective, &golden, gaussian, 1.0, 25.0, f32::EPSILON);
    golden.value("entropy", value(&objective, "entropy"));
    golden.value("covariance", value(&objective, "hypercovariance"));
    objective.loss.backward();
    golden.gradient("grad_h", &h);
    golden.gradient("grad_prototypes", &prototypes);
}

#[test]
fn swav_matches_the_authors_code_in_codes_value_and_gradient() {
    matches_swav("swav.safetensors", 4, 3);
}

#[test]
fn swav_with_more_iterations_and_crops_matches_the_authors_code() {
    matches_swav("swav_it10.safetensors", 8, 10);
}

#[test]
fn simsiam_matches_the_authors_code_in_value_and_gradient() {
    let golden = Golden::read("simsiam.safetensors");
    let [z1, z2, p1, p2] = ["z1", "z2", "p1", "p2"].map(|name| golden.leaf(name));
    let [z, p] = [[&z1, &z2], [&p1, &p2]].map(|views| views.map(Tensor::shallow_clone));
    let mut objective = simsiam_loss(z, &p, &World::solo()).unwrap();
    golden.value("simsiam_loss", value(&objective, "negative_cosine"));
    let gaussian = TransformName::Gaussian;
    add_e2mc(&mut objective, &golden, gaussian, 0.001, 0.01, f32::EPSILON);
    golden.value("entropy", value(&objective, "entropy"));
    golden.value("covariance", value(&objective, "hypercovariance"));
    objective.loss.backward();
    for (leaf, name) in [
        (&z1, "grad_z1"),
        (&z2, "grad_z2"),
        (&p1, "grad_p1"),
        (&p2, "grad_p2"),
    ] {
        golden.gradient(name, leaf);
    }
}

#[test]
fn vicreg_with_more_images_than_dimensions_matches_the_authors_code() {
    matches_vicreg("vicreg_full.safetensors");
}

#[test]
fn vicreg_with_more_dimensions_than_images_matches_the_authors_code() {
    matches_vicreg("vicreg_wide.safetensors");
}

#[test]
fn no_criterion_leaves_the_loss_alone() {
    let z = place::noise(&[8, 4], (Kind::Float, place::device()));
    let mut objective = vicreg_loss(
        &VicregConfig::default(),
        z.shallow_clone(),
        z.shallow_clone(),
        &World::solo(),
    )
    .unwrap();
    let before = objective.loss.double_value(&[]);
    Criterion::new(&CriterionConfig::None)
        .unwrap()
        .add_to(&mut objective, &World::solo(), 0, 0)
        .unwrap();
    assert_eq!(objective.loss.double_value(&[]), before);
    assert_eq!(objective.terms.len(), 3);
}

#[test]
fn coefficients_out_of_range_are_refused_by_name() {
    let config = CriterionConfig::E2mc {
        transform: TransformName::Gaussian,
        beta: f64::NAN,
        gamma: 1.0,
        epsilon: 1e-7,
    };
    let error = Criterion::new(&config).unwrap_err();
    assert_eq!(
        error.to_string(),
        "setting `criterion.beta`: expected a number of at least 0, found NaN"
    );
}
