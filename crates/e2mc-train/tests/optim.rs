//! Optimisers and schedules: parity with PyTorch, groups, exact resumption, and what they refuse.

use std::collections::BTreeMap;
use std::path::Path;

use e2mc_train::optim::{
    AdamwConfig, LarcConfig, LarsConfig, Optimizer, OptimizerConfig, ParamGroup, ScheduleConfig,
    SgdConfig,
};
use tch::{Device, Kind, Tensor};

fn golden(name: &str) -> BTreeMap<String, Tensor> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/optim");
    let file = folder.join(format!("{name}.safetensors"));
    Tensor::read_safetensors(file)
        .unwrap()
        .into_iter()
        .collect()
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
