//! Optimisers and schedules: parity with PyTorch, groups, exact resumption, and what they refuse.

use std::collections::BTreeMap;

use crate::common::place;
use e2mc_train::optim::{
    AdamwConfig, LarcConfig, LarsConfig, Optimizer, OptimizerConfig, ParamGroup, ScheduleConfig,
    SgdConfig,
};
use tch::{Kind, Tensor};

fn golden(name: &str) -> BTreeMap<String, Tensor> {
    let file = place::golden("optim").join(format!("{name}.safetensors"));
    let tensors = Tensor::read_safetensors(file).unwrap();
    let placed = |(name, tensor): (String, Tensor)| (name, tensor.to_device(place::device()));
    tensors.into_iter().map(placed).collect()
}

/// Sets a leaf's gradient.
fn set_gradient(parameter: &Tensor, gradient: &Tensor) {
    let mut old = parameter.grad();
    if old.defined() {
        let _ = old.zero_();
    }
    (parameter * gradient).sum(Kind::Float).backward();
}

fn matches_golden(name: &str, config: OptimizerConfig, rate: f64) {
    let golden = golden(name);
    let leaf = |i: usize| golden[&format!("p{i}_0")].copy().set_requires_grad(true);
    let parameters: Vec<Tensor> = (0..4).map(leaf).collect();
    let named = parameters.iter().enumerate();
    let named = named
        .map(|(i, tensor)| (format!("p{i}"), tensor.shallow_clone()))
        .collect();
    let mut optimizer = Optimizer::new(&config, named).unwrap();
    for k in 1..=4 {
        for (i, parameter) in parameters.iter().enumerate() {
            set_gradient(parameter, &golden[&format!("g{i}_{k}")]);
        }
        optimizer.step(rate).unwrap();
        for (i, parameter) in parameters.iter().enumerate() {
            let expected = &golden[&format!("p{i}_{k}")];
            let error = (parameter - expected).abs().max() / expected.abs().max();
            let error = error.double_value(&[]);
            assert!(
                error <= 1e-6,
                "{name}: p{i} after step {k}: relative error {error}"
            );
        }
    }
}

#[test]
fn sgd_matches_golden() {
    let config = SgdConfig {
        momentum: 0.9,
        weight_decay: 0.01,
        nesterov: false,
    };
    matches_golden("sgd", OptimizerConfig::Sgd(config), 0.05);
}

#[test]
fn nesterov_matches_golden() {
    let config = SgdConfig {
        momentum: 0.9,
        weight_decay: 0.01,
        nesterov: true,
    };
    matches_golden("sgd_nesterov", OptimizerConfig::Sgd(config), 0.05);
}

#[test]
fn lars_matches_golden() {
    let config = LarsConfig {
        momentum: 0.9,
        weight_decay: 0.01,
        eta: 0.001,
    };
    matches_golden("lars", OptimizerConfig::Lars(config), 0.4);
}

#[test]
fn larc_matches_golden() {
    let config = LarcConfig {
        momentum: 0.9,
        weight_decay: 0.01,
        trust: 0.001,
        epsilon: 1e-8,
    };
    matches_golden("larc_sgd", OptimizerConfig::Larc(config), 0.6);
}

#[test]
fn schedules_match_golden() {
    let golden = golden("schedules");
    let cosine = ScheduleConfig::Cosine {
        warmup: 0.0,
        end: 0.0,
    };
    let steps = ScheduleConfig::Step {
        warmup: 0.0,
        milestones: vec![12, 16],
        factor: 0.2,
    };
    for (name, schedule, base) in [("cosine_epoch", cosine, 0.3), ("step_epoch", steps, 0.02)] {
        let expected: Vec<f32> = Vec::try_from(&golden[name]).unwrap();
        for (epoch, expected) in expected.into_iter().enumerate() {
            let found = schedule.rate(base, 7 * epoch as u64, 7, 20);
            let error = (found - f64::from(expected)).abs();
            assert!(error <= 1e-6 * base, "{name} {epoch}: {found} {expected}");
        }
    }
}

fn scalar(value: f64) -> Tensor {
    Tensor::full([1], value, (Kind::Float, place::device()))
}

#[test]
fn groups_have_rates_of_their_own_and_start_late() {
    let names = ["encoder.weight", "predictor.weight", "prototypes.weight"];
    let leaves = names.map(|_| scalar(0.0).set_requires_grad(true));
    let named = names.iter().zip(&leaves);
    let named = named
        .map(|(name, leaf)| ((*name).to_owned(), leaf.shallow_clone()))
        .collect();
    let config = OptimizerConfig::Sgd(SgdConfig {
        momentum: 0.5,
        ..SgdConfig::default()
    });
    let groups = vec![
        ParamGroup::fixed("predictor.", 0.1),
        ParamGroup::frozen("prototypes.", 2),
    ];
    let mut optimizer = Optimizer::with_groups(&config, named, groups).unwrap();
    // A gradient of 1 at every step: with momentum 1/2 the steps are 1, 1.5 and 1.75 rates long.
    for rate in [1.0, 0.5, 0.25] {
        for leaf in &leaves {
            set_gradient(leaf, &scalar(1.0));
        }
        optimizer.step(rate).unwrap();
    }
    let found = leaves.each_ref().map(|leaf| leaf.double_value(&[0]));
    let encoder = -(1.0 + 1.5 * 0.5 + 1.75 * 0.25);
    let expected = [encoder, -0.1 * (1.0 + 1.5 + 1.75), -0.25];
    for (found, expected) in found.into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn a_group_that_names_nothing_is_refused() {
    let leaf = scalar(0.0).set_requires_grad(true);
    let config = OptimizerConfig::Adamw(AdamwConfig::default());
    let groups = vec![ParamGroup::frozen("prototypes.", 2)];
    let error = Optimizer::with_groups(&config, vec![("p".into(), leaf)], groups).unwrap_err();
    assert_eq!(
        error.to_string(),
        "setting `optimizer`: expected parameters named `prototypes.…`, found none"
    );
}

#[test]
fn adamw_starts_as_its_formula_says_whenever_its_group_starts() {
    let config = OptimizerConfig::Adamw(AdamwConfig {
        weight_decay: 0.1,
        ..AdamwConfig::default()
    });
    let leaf = scalar(2.0).set_requires_grad(true);
    let named = vec![("p".to_owned(), leaf.shallow_clone())];
    let groups = vec![ParamGroup::frozen("p", 3)];
    let mut optimizer = Optimizer::with_groups(&config, named, groups).unwrap();
    for _ in 0..4 {
        set_gradient(&leaf, &scalar(0.3));
        optimizer.step(0.01).unwrap();
    }
    // The first step moves by the rate, against the gradient's sign, beside the decay.
    let expected = 2.0 * (1.0 - 0.01 * 0.1) - 0.01;
    let found = leaf.double_value(&[0]);
    assert!((found - expected).abs() < 1e-6, "{found} {expected}");
}

/// A parameter of ones whose gradient is `slope` everywhere.
fn sloped(name: &str, shape: &[i64], slope: f64) -> (String, Tensor) {
    let options = (Kind::Float, place::device());
    let leaf = Tensor::ones(shape, options).set_requires_grad(true);
    (&leaf * slope).sum(Kind::Float).backward();
    (name.to_owned(), leaf)
}

fn values(named: &[(String, Tensor)]) -> Vec<f64> {
    let mean = |tensor: &Tensor| tensor.mean(Kind::Double).double_value(&[]);
    named.iter().map(|(_, tensor)| mean(tensor)).collect()
}

fn handles(named: &[(String, Tensor)]) -> Vec<(String, Tensor)> {
    let handle = |(name, tensor): &(String, Tensor)| (name.clone(), tensor.shallow_clone());
    named.iter().map(handle).collect()
}

#[test]
fn biases_and_normalisations_can_go_without_decay() {
    let config = OptimizerConfig::Sgd(SgdConfig {
        momentum: 0.0,
        weight_decay: 0.5,
        ..SgdConfig::default()
    });
    let named = [
        sloped("0.weight", &[2, 3], 0.0),
        sloped("0.bias", &[2], 0.0),
        sloped("1.weight", &[2], 0.0),
    ];
    let groups = vec![ParamGroup::undecayed()];
    let mut optimizer = Optimizer::with_groups(&config, handles(&named), groups).unwrap();
    optimizer.step(0.1).unwrap();
    let found = values(&named);
    assert!((found[0] - 0.95).abs() < 1e-6, "{found:?}");
    assert_eq!(found[1..], [1.0, 1.0]);
}

#[test]
fn gradients_are_limited_together_and_what_is_held_does_not_count() {
    let config = OptimizerConfig::Sgd(SgdConfig {
        momentum: 0.0,
        ..SgdConfig::default()
    });
    // Norms 6 and 8, 10 together.
    let named = [
        sloped("a.weight", &[2, 2], 3.0),
        sloped("b.weight", &[2, 2], 4.0),
        sloped("held.weight", &[2, 2], 1e6),
    ];
    let mut optimizer = Optimizer::new(&config, handles(&named)).unwrap();
    assert!(optimizer.set_clip(Some(0.0)).is_err());
    optimizer.set_clip(Some(5.0)).unwrap();
    optimizer.hold("held.", 1);
    optimizer.step(0.1).unwrap();
    for (found, expected) in values(&named).iter().zip([0.85, 0.8, 1.0]) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}
