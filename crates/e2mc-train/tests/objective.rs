//! VICReg with the entropy criterion against the numbers of the authors' code.

use std::collections::HashMap;
use std::path::Path;

use e2mc_train::criterion::{Criterion, CriterionConfig, TransformName};
use e2mc_train::method::{Objective, VicregConfig, vicreg_loss};
use tch::{Kind, Tensor};

fn golden(name: &str) -> HashMap<String, Tensor> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/objective");
    Tensor::read_safetensors(folder.join(name))
        .unwrap()
        .into_iter()
        .collect()
}

fn value(objective: &Objective, name: &str) -> f64 {
    objective
        .terms
        .iter()
        .find(|term| term.name == name)
        .unwrap()
        .value
        .double_value(&[])
}

fn matches_golden(name: &str) {
    let golden = golden(name);
    let expected = |name: &str| golden[name].double_value(&[]);
    let close = |found: f64, name: &str| {
        let error = (found - expected(name)).abs() / expected(name).abs();
        assert!(
            error <= 1e-5,
            "{name}: found {found}, expected {}",
            expected(name)
        );
    };
    let za = golden["za"].detach().set_requires_grad(true);
    let zb = golden["zb"].detach().set_requires_grad(true);
    let mut objective = vicreg_loss(
        &VicregConfig::default(),
        za.shallow_clone(),
        zb.shallow_clone(),
    );
    close(objective.loss.double_value(&[]), "vicreg_loss");
    let config = CriterionConfig::E2mc {
        transform: TransformName::Sigmoid,
        beta: 1000.0,
        gamma: 100.0,
        epsilon: 1e-7,
    };
    Criterion::new(&config)
        .unwrap()
        .add_to(&mut objective, 0, 0)
        .unwrap();

    close(value(&objective, "invariance"), "repr_loss");
    close(value(&objective, "variance"), "std_loss");
    close(value(&objective, "covariance"), "cov_loss");
    close(value(&objective, "entropy"), "ent_loss");
    close(value(&objective, "hypercovariance"), "hypercov_loss");
    close(objective.loss.double_value(&[]), "loss");
    let weighted: f64 = objective
        .terms
        .iter()
        .map(|term| term.weight * term.value.double_value(&[]))
        .sum();
    close(weighted, "loss");

    objective.loss.backward();
    for (z, name) in [(&za, "grad_za"), (&zb, "grad_zb")] {
        let expected = &golden[name];
        let difference = (z.grad() - expected).abs().max().double_value(&[]);
        let scale = expected.abs().max().double_value(&[]);
        assert!(
            difference <= 1e-4 * scale,
            "{name}: {difference} of {scale}"
        );
    }
}

#[test]
fn vicreg_with_more_images_than_dimensions_matches_the_authors_code() {
    matches_golden("vicreg_full.safetensors");
}

#[test]
fn vicreg_with_more_dimensions_than_images_matches_the_authors_code() {
    matches_golden("vicreg_wide.safetensors");
}

#[test]
fn no_criterion_leaves_the_loss_alone() {
    let z = Tensor::randn([8, 4], (Kind::Float, tch::Device::Cpu));
    let mut objective = vicreg_loss(
        &VicregConfig::default(),
        z.shallow_clone(),
        z.shallow_clone(),
    );
    let before = objective.loss.double_value(&[]);
    Criterion::new(&CriterionConfig::None)
        .unwrap()
        .add_to(&mut objective, 0, 0)
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
