//! The same numbers from several processes as from one.

use std::collections::BTreeMap;

use e2mc_train::criterion::{Criterion, CriterionConfig, SpaceName, TransformName};
use e2mc_train::layer::{BatchNorm, Mode, Precision, Statistics};
use e2mc_train::method::{
    MethodConfig, SwavConfig, VicregConfig, simsiam_loss, swav_loss, vicreg_loss,
};
use e2mc_train::optim::ScheduleConfig;
use e2mc_train::{Error, Recipe, Trainer, World};
use tch::{Device, Kind, Tensor};

use crate::common::{dino, recipe, simsiam, swav, train};

/// Numbers that tell row and column.
fn numbered(rows: i64, cols: i64) -> Tensor {
    Tensor::arange(rows * cols, (Kind::Float, Device::Cpu)).view([rows, cols])
}

pub(crate) fn exchange(world: &World) -> Result<(), Error> {
    let (size, rank) = (world.size() as i64, world.rank() as i64);
    assert_eq!(world.shares_memory(), world.local_size() == world.size());
    for d in [1, 3, 8, 9] {
        let all = numbered(2 * size, d);
        let own = all.narrow(0, 2 * rank, 2).copy().set_requires_grad(true);
        assert_eq!(world.gather(&own)?, all);
        assert_eq!(world.own_rows(&all)?, own.detach());
        let columns = world.columns(&own)?;
        let mine = world.own_columns(d as usize);
        let expected = all.narrow(1, mine.start as i64, mine.len() as i64);
        assert_eq!(columns.detach(), expected);
        assert_eq!(world.rows(&columns.detach(), d as usize)?, own.detach());

        // A loss that differs by process: a row's gradient is the sum of what all give it.
        let weight = (rank + 1) as f64;
        (world.gather(&own)? * &all * weight)
            .sum(Kind::Float)
            .backward();
        let sum = (size * (size + 1) / 2) as f64;
        assert_eq!(own.grad(), all.narrow(0, 2 * rank, 2) * sum);
        let mut gradient = own.grad();
        let _ = gradient.zero_();
        (world.columns(&own)? * expected)
            .sum(Kind::Float)
            .backward();
        assert_eq!(own.grad(), all.narrow(0, 2 * rank, 2));
    }
    let flag = Tensor::from_slice(&[world.rank() as f32, -1.0]);
    let sum: Vec<f32> = world.sum(flag.shallow_clone())?.try_into().unwrap();
    assert_eq!(sum, [(size * (size - 1) / 2) as f32, -size as f32]);
    let max: Vec<f32> = world.max(flag)?.try_into().unwrap();
    assert_eq!(max, [(size - 1) as f32, -1.0]);
    assert!(world.any(world.rank() == 1)? && !world.any(false)?);
    let flags = [world.rank() == 1, false, world.rank() == 0];
    assert_eq!(world.any_of(flags)?, [true, false, true]);
    assert_eq!(world.of_first(format!("from {rank}"))?, "from 0");
    assert_eq!(world.as_first(7 + world.rank())?, 7);

    // More than one round of shared memory holds.
    let all = numbered(size, 700_001).fmod(100.0);
    let own = all.narrow(0, rank, 1);
    let sum = world.sum(own.shallow_clone())?;
    assert_eq!(sum, all.sum_dim_intlist(0, true, Kind::Float));
    assert_eq!(world.gather(&own)?, all);
    Ok(())
}

/// Steps are gradients, and weights do not move.
pub(crate) fn plain(method: MethodConfig, batch: usize) -> Recipe {
    let mut recipe = recipe(method, "sgd");
    recipe.training.batch = batch;
    recipe.training.learning_rate = 1e-30;
    recipe.schedule = ScheduleConfig::Constant { warmup: 0.0 };
    if let MethodConfig::Simsiam(config) = &mut recipe.method {
        config.predictor_learning_rate = None;
    }
    recipe
}

fn vicreg_of(width: usize) -> MethodConfig {
    MethodConfig::Vicreg(VicregConfig {
        projector: vec![16, width],
        ..VicregConfig::default()
    })
}

fn criteria() -> Vec<CriterionConfig> {
    let vcreg = |space| CriterionConfig::Vcreg {
        space,
        variance: 3.0,
        covariance: 2.0,
    };
    vec![
        CriterionConfig::None,
        CriterionConfig::E2mc {
            transform: TransformName::Sigmoid,
            beta: 10.0,
            gamma: 10.0,
            epsilon: 1e-4,
        },
        vcreg(SpaceName::Hypersphere),
        vcreg(SpaceName::Projector),
        CriterionConfig::Uniformity {
            weight: 3.0,
            t: 2.0,
        },
        CriterionConfig::Mmcr { weight: 3.0 },
        CriterionConfig::Sigreg {
            weight: 3.0,
            slices: 24,
            knots: 9,
            t_max: 3.0,
        },
    ]
}

struct Step {
    losses: Vec<f64>,
    gradients: BTreeMap<String, Tensor>,
    statistics: BTreeMap<String, Tensor>,
    /// Gradients that lie behind another.
    neighbours: usize,
}

/// Steps of one process, or of all of `world`; from weights that are rounded otherwise by the draw
/// `nudge`.
fn step(
    recipe: &Recipe,
    steps: u64,
    world: Option<&World>,
    nudge: Option<i64>,
) -> Result<Step, Error> {
    let mut trainer = Trainer::new(recipe.clone(), Device::Cpu, 3)?;
    if let Some(world) = world {
        trainer.join(world.clone())?;
    }
    if let Some(draw) = nudge {
        tch::manual_seed(draw);
        tch::no_grad(|| {
            for (_, mut tensor) in trainer.model.tensors() {
                if tensor.requires_grad() {
                    let _ = tensor.f_mul_(&(tensor.randn_like() * 1e-7 + 1.0)).unwrap();
                }
            }
        });
    }
    let (_, losses, _) = train(&mut trainer, steps, None, 1);
    let (mut gradients, mut statistics) = (BTreeMap::new(), BTreeMap::new());
    let mut own = Vec::new();
    for (name, tensor) in trainer.model.tensors() {
        if tensor.requires_grad() {
            let gradient = tensor.grad();
            if gradient.defined() {
                gradients.insert(name, gradient.copy());
                own.push(gradient);
            }
        } else {
            statistics.insert(name, tensor.copy());
        }
    }
    Ok(Step {
        losses,
        gradients,
        statistics,
        neighbours: neighbours(&own),
    })
}

/// How far `found` is from `expected`, of the length of all.
fn distance(found: &BTreeMap<String, Tensor>, expected: &BTreeMap<String, Tensor>) -> f64 {
    let square = |tensor: &Tensor| tensor.square().sum(Kind::Double).double_value(&[]);
    assert_eq!(found.len(), expected.len());
    let (mut off, mut length) = (0.0, 0.0);
    for (name, expected) in expected {
        off += square(&(&found[name] - expected));
        length += square(expected);
    }
    (off / length).sqrt()
}

/// How far two losses are apart; one that nearly vanishes is compared with the terms it is made of.
fn apart(found: f64, expected: f64) -> f64 {
    (found - expected).abs() / expected.abs().max(1.0)
}

/// How far rounding takes the gradient of a whole step in float32, where nothing jumps.
const ROUNDING: f64 = 3e-5;

/// The most draws of the control: a jump is rare, one in some tens of draws.
const DRAWS: i64 = 24;

/// Whole steps. A step's value is that of one process within 1e-5, its gradient within float32's
/// rounding. Where a gradient is further off, it has to be one that jumps: a spacing of E2MC has
/// another gradient when two values that are nearly equal change places, and so has a ReLU when its
/// input changes sign. Then one process whose weights are nudged by 1e-7 jumps too, in some draws
/// and not in others, and the gradient has to agree as well as those of one process do with
/// themselves. At the embeddings (`objectives`) and in batch norm all must agree within float32's
/// rounding.
pub(crate) fn steps(world: &World) -> Result<(), Error> {
    let early = |method| match method {
        MethodConfig::Swav(config) => MethodConfig::Swav(SwavConfig {
            queue_epoch: 0,
            ..config
        }),
        other => other,
    };
    let mut cases = Vec::new();
    for criterion in criteria() {
        cases.push((vicreg_of(10), criterion.clone(), 40, 1, 1));
        // The queue is in use from the second step on.
        cases.push((early(swav()), criterion.clone(), 16, 3, 1));
        // The centre is not 0 from the second step on.
        cases.push((dino(), criterion.clone(), 40, 2, 1));
        cases.push((simsiam(), criterion, 40, 1, 1));
    }
    // Batch norm sees one part of a batch at a time: the same images as in one process.
    // (In five parts of 40 a ReLU's input is so near 0 that it changes sign; the nudges miss it.)
    let none = || CriterionConfig::None;
    cases.push((vicreg_of(10), none(), 40, 1, 10));
    cases.push((early(swav()), none(), 16, 3, 2));
    cases.push((dino(), none(), 40, 2, 10));
    cases.push((simsiam(), none(), 40, 1, 10));
    for (method, criterion, batch, steps, parts) in cases {
        let mut recipe = plain(method, batch);
        recipe.criterion = criterion;
        recipe.training.accumulate = parts;
        let alone = step(&recipe, steps, None, None)?;
        let together = step(&recipe, steps, Some(world), None)?;
        let value = alone.losses.iter().zip(&together.losses);
        let value = value.map(|(a, b)| apart(*b, *a)).fold(0.0, f64::max);
        let gradient = distance(&together.gradients, &alone.gradients);
        let statistics = distance(&together.statistics, &alone.statistics);
        let what = format!("{} {:?} {parts}", recipe.method.name(), recipe.criterion);
        assert!(
            value <= 1e-5 && statistics <= 1e-6,
            "{what}: {value} {statistics}"
        );
        if world.is_first() {
            let (mut control, mut draw) = (0.0_f64, 0);
            while gradient > (3.0 * control).max(ROUNDING) && draw < DRAWS {
                draw += 1;
                let nudged = step(&recipe, steps, None, Some(draw))?;
                control = control.max(distance(&nudged.gradients, &alone.gradients));
            }
            println!(
                "{what}: value {value:.1e}, gradient {gradient:.1e} (control {control:.1e} in \
                 {draw} draws), statistics {statistics:.1e}"
            );
            let limit = (3.0 * control).max(ROUNDING);
            assert!(gradient <= limit, "{what}: {gradient}, control {control}");
        }
    }
    Ok(())
}

/// Steps during which the backbone waits for the head, and the one after, in which it gets its first
/// gradients; its first blocks never move. The sums are those of one process, the same bits in all
/// processes and whenever they are made.
pub(crate) fn frozen(world: &World) -> Result<(), Error> {
    let cases = [
        (vicreg_of(10), 40, 1),
        // One backward pass while the backbone waits, several afterwards.
        (vicreg_of(10), 40, 2),
        (swav(), 8, 1),
        (dino(), 40, 1),
        (simsiam(), 40, 1),
    ];
    for (method, batch, parts) in cases {
        let mut recipe = plain(method, batch);
        recipe.training.accumulate = parts;
        recipe.criterion = CriterionConfig::None;
        recipe.training.head_warmup_steps = Some(2);
        recipe.training.freeze_blocks = Some(1);
        recipe.training.epochs = 4;
        for steps in [2, 3] {
            let what = format!("{} after {steps} steps", recipe.method.name());
            let alone = step(&recipe, steps, None, None)?;
            let together = step(&recipe, steps, Some(world), None)?;
            let of_backbone = |name: &&String| name.starts_with("backbone.");
            let found = together.gradients.keys().filter(of_backbone).count();
            assert_eq!(found > 0, steps > 2, "{what}: {found} of the backbone");
            let off = distance(&together.gradients, &alone.gradients);
            assert!(off <= ROUNDING, "{what}: {off}");
            // Gradients that are summed while the backward pass goes on lie side by side in buckets.
            assert_eq!(together.neighbours > 0, !world.shares_memory(), "{what}");

            let again = step(&recipe, steps, Some(world), None)?;
            assert_eq!(together.gradients, again.gradients, "{what}");
            for (name, gradient) in &together.gradients {
                let largest = world.max(gradient.shallow_clone())?;
                assert_eq!(largest, *gradient, "{what}: {name}");
            }
        }
    }
    Ok(())
}

/// How many gradients begin where another ends.
fn neighbours(gradients: &[Tensor]) -> usize {
    let start = |gradient: &Tensor| gradient.data_ptr() as usize;
    let end = |gradient: &Tensor| start(gradient) + 4 * gradient.numel();
    let starts: Vec<usize> = gradients.iter().map(start).collect();
    let ends = gradients.iter().map(end);
    ends.filter(|end| starts.contains(end)).count()
}

/// Loss and gradients at the embeddings and prototypes, from the same numbers: within float32's
/// rounding.
pub(crate) fn objectives(world: &World) -> Result<(), Error> {
    let solo = World::solo();
    for (n, d) in [(40, 10), (24, 70)] {
        for criterion in criteria() {
            for method in ["vicreg", "swav", "simsiam"] {
                let alone = objective(method, &criterion, (n, d), &solo)?;
                let together = objective(method, &criterion, (n, d), world)?;
                let what = format!("{method} {criterion:?} {n} x {d}");
                let value = apart(together.0, alone.0);
                let gradient = distance(&together.1, &alone.1);
                if world.is_first() {
                    println!("{what}: value {value:.1e}, gradient {gradient:.1e}");
                }
                assert!(
                    value <= 1e-5 && gradient <= 1e-5,
                    "{what}: {value} {gradient}"
                );
            }
        }
    }
    Ok(())
}

/// The whole loss of a method and a criterion on embeddings drawn from a seed, and its gradients,
/// brought together from all processes.
fn objective(
    method: &str,
    criterion: &CriterionConfig,
    (n, d): (i64, i64),
    world: &World,
) -> Result<(f64, BTreeMap<String, Tensor>), Error> {
    tch::manual_seed(11);
    let all: Vec<Tensor> = (0..4)
        .map(|_| Tensor::randn([n, d], (Kind::Float, Device::Cpu)))
        .collect();
    let prototypes = Tensor::randn([6, d], (Kind::Float, Device::Cpu));
    let norm = prototypes.norm_scalaropt_dim(2.0, [1i64].as_slice(), true);
    let prototypes = (prototypes / norm).set_requires_grad(true);
    let own: Vec<Tensor> = all
        .iter()
        .map(|all| Ok(world.own_rows(all)?.copy().set_requires_grad(true)))
        .collect::<Result<_, Error>>()?;
    let views = |range: std::ops::Range<usize>| -> Vec<Tensor> {
        own[range].iter().map(Tensor::shallow_clone).collect()
    };
    let mut objective = match method {
        "vicreg" => vicreg_loss(
            &VicregConfig::default(),
            own[0].shallow_clone(),
            own[1].shallow_clone(),
            world,
        )?,
        "swav" => {
            let config = SwavConfig::default();
            swav_loss(
                &config,
                views(0..4),
                &[32, 32, 16, 16],
                &prototypes,
                None,
                world,
            )?
        }
        _ => {
            let pair = |views: Vec<Tensor>| <[Tensor; 2]>::try_from(views).expect("two");
            simsiam_loss(pair(views(0..2)), &pair(views(2..4)), world)?
        }
    };
    Criterion::new(criterion)?.add_to(&mut objective, world, 5, 7)?;
    objective.loss.backward();
    let loss = world.sum(objective.loss.detach())?.double_value(&[]);
    let mut gradients = BTreeMap::new();
    for (index, own) in own.iter().enumerate() {
        if own.grad().defined() {
            gradients.insert(format!("view {index}"), world.gather(&own.grad())?);
        }
    }
    if prototypes.grad().defined() {
        gradients.insert("prototypes".into(), world.sum(prototypes.grad())?);
    }
    Ok((loss, gradients))
}

/// Batch norm: output, gradients and running statistics.
pub(crate) fn batch_norm(world: &World) -> Result<(), Error> {
    for (shape, affine) in [
        (vec![24, 5], true),
        (vec![24, 5], false),
        (vec![24, 3, 4, 2], true),
    ] {
        let of = |world: &World| -> Result<BTreeMap<String, Tensor>, Error> {
            tch::manual_seed(3);
            let store = tch::nn::VarStore::new(Device::Cpu);
            let norm = BatchNorm::new(&store.root(), shape[1] as usize, affine)?;
            let all = Tensor::randn(&shape, (Kind::Float, Device::Cpu)) * 3.0 + 1.0;
            let weight = Tensor::randn(&shape, (Kind::Float, Device::Cpu));
            let x = world.own_rows(&all)?.copy().set_requires_grad(true);
            let mode = Mode {
                statistics: Statistics::Batch,
                precision: Precision::F32,
                world,
            };
            let y = norm.forward(&x, mode)?;
            (y.square() * world.own_rows(&weight)?)
                .sum(Kind::Float)
                .backward();
            let mut found = BTreeMap::new();
            found.insert("y".into(), world.gather(&y.detach())?);
            found.insert("dx".into(), world.gather(&x.grad())?);
            // All processes sum the same at the same time.
            let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
            for (name, tensor) in variables {
                if tensor.requires_grad() {
                    found.insert(format!("d{name}"), world.sum(tensor.grad())?);
                } else {
                    found.insert(name, tensor.copy());
                }
            }
            Ok(found)
        };
        let (alone, together) = (of(&World::solo())?, of(world)?);
        for name in alone.keys() {
            let one = |all: &BTreeMap<String, Tensor>| {
                BTreeMap::from([(name.clone(), all[name].shallow_clone())])
            };
            let off = distance(&one(&together), &one(&alone));
            assert!(off <= 3e-6, "{shape:?} {name}: {off}");
        }
    }
    Ok(())
}
