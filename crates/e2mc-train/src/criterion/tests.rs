//! The two paths against each other, on the CPU.

use tch::{Device, Kind, Tensor};

use super::*;
use crate::covariance::off_diagonal_covariance;
use crate::draw::seeded;
use crate::method::{VicregConfig, vicreg_loss};

/// All criteria, with coefficients that let each term count.
fn configs() -> Vec<CriterionConfig> {
    let e2mc = |transform| CriterionConfig::E2mc {
        transform,
        beta: 30.0,
        gamma: 7.0,
        epsilon: 1e-7,
    };
    let vcreg = |space| CriterionConfig::Vcreg {
        space,
        variance: 40.0,
        covariance: 20.0,
    };
    vec![
        CriterionConfig::None,
        e2mc(TransformName::Sigmoid),
        e2mc(TransformName::Gaussian),
        vcreg(SpaceName::Hypersphere),
        vcreg(SpaceName::Projector),
        CriterionConfig::Uniformity {
            weight: 30.0,
            t: 2.0,
        },
        CriterionConfig::Mmcr { weight: 3.0 },
        CriterionConfig::Sigreg {
            weight: 3.0,
            slices: 50,
            knots: 17,
            t_max: 3.0,
        },
    ]
}

/// What one path makes of two views and two small crops: the loss, each term, and the gradients.
struct Evaluated {
    loss: f64,
    terms: Vec<(&'static str, f64, f64)>,
    gradients: Vec<Tensor>,
}

fn run(config: &CriterionConfig, views: &[Tensor], in_tensors: bool) -> Evaluated {
    let leaves: Vec<_> = views
        .iter()
        .map(|z| z.detach().copy().set_requires_grad(true))
        .collect();
    let [a, b, small @ ..] = &leaves[..] else {
        panic!("two views at least")
    };
    let (a, b) = (a.shallow_clone(), b.shallow_clone());
    let mut objective = vicreg_loss(&VicregConfig::default(), a, b, &World::solo()).unwrap();
    objective.small_crop_embeddings = small.iter().map(Tensor::shallow_clone).collect();
    if in_tensors {
        let position = Position { seed: 3, step: 11 };
        let world = World::solo();
        let views = Views::of(&objective, &world);
        tensors::add(config, &mut objective, &views, position).unwrap();
    } else {
        let mut criterion = Criterion::new(config).unwrap();
        criterion
            .add_to(&mut objective, &World::solo(), 3, 11)
            .unwrap();
    }
    objective.loss.backward();
    let terms = objective.terms.iter();
    Evaluated {
        loss: objective.loss.double_value(&[]),
        terms: terms
            .map(|term| (term.name, term.weight, term.value.double_value(&[])))
            .collect(),
        gradients: leaves.iter().map(Tensor::grad).collect(),
    }
}

/// The same numbers at every call.
fn views(count: usize, shape: [i64; 2]) -> Vec<Tensor> {
    let view = |_| Tensor::randn(shape, (Kind::Float, Device::Cpu));
    seeded(7, || (0..count).map(view).collect())
}

#[test]
fn the_analytic_gradient_agrees_with_autograd() {
    for (n, d) in [(48, 20), (20, 48), (33, 33)] {
        let views = views(4, [n, d]);
        for config in configs() {
            let (fast, slow) = (run(&config, &views, false), run(&config, &views, true));
            let name = format!("{} {n}x{d}", config.name());
            assert!(
                (fast.loss - slow.loss).abs() <= 1e-5 * slow.loss.abs(),
                "{name}: {} {}",
                fast.loss,
                slow.loss
            );
            assert_eq!(fast.terms.len(), slow.terms.len());
            for (a, b) in fast.terms.iter().zip(&slow.terms) {
                assert_eq!((a.0, a.1), (b.0, b.1), "{name}");
                assert!(
                    (a.2 - b.2).abs() <= 1e-5 * b.2.abs().max(1e-3),
                    "{a:?} {b:?}"
                );
            }
            for (a, b) in fast.gradients.iter().zip(&slow.gradients) {
                assert_eq!(a.defined(), b.defined(), "{name}");
                // Only MMCR reaches small crops.
                if !a.defined() {
                    continue;
                }
                let error = (a - b).abs().max().double_value(&[]);
                let scale = b.abs().max().double_value(&[]);
                assert!(error <= 1e-4 * scale, "{name}: {error} of {scale}");
            }
        }
    }
}

#[test]
fn the_loss_is_the_weighted_sum_of_the_terms() {
    let views = views(3, [40, 24]);
    for config in configs() {
        let outcome = run(&config, &views, false);
        let weighted = outcome
            .terms
            .iter()
            .map(|(_, weight, value)| weight * value);
        let sum: f64 = weighted.sum();
        assert!(
            (outcome.loss - sum).abs() <= 1e-5 * sum.abs(),
            "{}: {} {sum}",
            config.name(),
            outcome.loss
        );
        let own = outcome.terms.len() - 3;
        let expected = match config {
            CriterionConfig::None => 0,
            CriterionConfig::E2mc { .. } | CriterionConfig::Vcreg { .. } => 2,
            _ => 1,
        };
        assert_eq!(own, expected, "{}", config.name());
    }
}

#[test]
fn only_mmcr_looks_at_small_crops() {
    let views = views(4, [40, 24]);
    for config in configs() {
        for in_tensors in [false, true] {
            let (all, full) = (
                run(&config, &views, in_tensors),
                run(&config, &views[..2], in_tensors),
            );
            let looks = matches!(config, CriterionConfig::Mmcr { .. });
            assert_eq!(all.loss != full.loss, looks, "{}", config.name());
            assert_eq!(all.gradients[3].defined(), looks, "{}", config.name());
        }
    }
}

#[test]
fn a_zero_embedding_gets_no_gradient_from_what_acts_on_the_sphere() {
    let views = views(2, [12, 6]);
    for z in &views {
        let _ = z.get(4).zero_();
    }
    let base = run(&CriterionConfig::None, &views, false);
    for config in configs() {
        let spherical = match &config {
            CriterionConfig::Vcreg { space, .. } => *space == SpaceName::Hypersphere,
            CriterionConfig::Uniformity { .. } | CriterionConfig::Mmcr { .. } => true,
            _ => false,
        };
        for in_tensors in [false, true].iter().filter(|_| spherical) {
            let outcome = run(&config, &views, *in_tensors);
            let added = (&outcome.gradients[0] - &base.gradients[0]).get(4);
            let largest = added.abs().max().double_value(&[]);
            assert!(largest < 1e-6, "{}: {largest}", config.name());
        }
    }
}

#[test]
fn directions_are_those_of_the_step() {
    let z = Tensor::randn([30, 8], (Kind::Float, Device::Cpu));
    let config = CriterionConfig::sigreg();
    let value = |seed, step| {
        let mut objective = vicreg_loss(
            &VicregConfig::default(),
            z.shallow_clone(),
            z.shallow_clone(),
            &World::solo(),
        )
        .unwrap();
        let mut criterion = Criterion::new(&config).unwrap();
        criterion
            .add_to(&mut objective, &World::solo(), seed, step)
            .unwrap();
        objective.loss.double_value(&[])
    };
    assert_eq!(value(1, 2), value(1, 2));
    assert_ne!(value(1, 2), value(1, 3));
    assert_ne!(value(1, 2), value(2, 2));
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refused = |config: CriterionConfig, text: &str| {
        let error = Criterion::new(&config).unwrap_err().to_string();
        assert_eq!(error, format!("setting `criterion.{text}"));
    };
    refused(
        CriterionConfig::Uniformity {
            weight: 1.0,
            t: 0.0,
        },
        "t`: expected a number above 0, found 0",
    );
    refused(
        CriterionConfig::Mmcr { weight: -1.0 },
        "weight`: expected a number of at least 0, found -1",
    );
    let vcreg = CriterionConfig::Vcreg {
        space: SpaceName::Projector,
        variance: 1.0,
        covariance: f64::INFINITY,
    };
    refused(
        vcreg,
        "covariance`: expected a number of at least 0, found inf",
    );
    let sigreg = CriterionConfig::Sigreg {
        weight: 1.0,
        slices: 8,
        knots: 1,
        t_max: 3.0,
    };
    refused(sigreg, "knots`: expected at least 2, found 1");
}

#[test]
fn the_published_settings_are_within_their_ranges() {
    for config in [
        CriterionConfig::e2mc("vicreg"),
        CriterionConfig::e2mc("swav"),
        CriterionConfig::e2mc("simsiam"),
        CriterionConfig::vcreg(),
        CriterionConfig::uniformity(),
        CriterionConfig::mmcr(),
        CriterionConfig::sigreg(),
    ] {
        config.check().unwrap();
    }
}

#[test]
fn the_gram_matrix_gives_the_covariance_of_the_definition() {
    for (n, d) in [(12, 40), (40, 12)] {
        let z = Tensor::randn([n, d], (Kind::Double, Device::Cpu));
        let centred = &z - z.mean_dim([0i64].as_slice(), true, Kind::Double);
        let c = centred.tr().matmul(&centred) / (n - 1) as f64;
        let off = c.square().sum(Kind::Double) - c.diagonal(0, 0, 1).square().sum(Kind::Double);
        let expected = off.double_value(&[]) / d as f64;
        let found = off_diagonal_covariance(&z.to_kind(Kind::Float)).double_value(&[]);
        assert!(
            (found - expected).abs() <= 1e-5 * expected,
            "{found} {expected}"
        );
    }
}
