//! The optimiser: parameters, what the rule remembers of them, and the groups they belong to.

use std::collections::BTreeMap;

use tch::{Device, Kind, TchError, Tensor};

use super::sgd::descend;
use super::{Clip, OptimizerConfig, ParamGroup, Parameter};
use crate::Error;

/// The state's name for the number of steps done.
pub(crate) const STEPS: &str = "steps";

/// Moves named parameters along their gradients.
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    groups: Vec<Group>,
    /// The limits of all gradients, one after the other.
    clips: [Option<Clip>; 2],
    slots: Vec<Slot>,
    steps: u64,
}

/// A group with its own rule.
#[derive(Debug)]
struct Group {
    settings: ParamGroup,
    config: OptimizerConfig,
}

/// A parameter, its index into the groups, and what the rule remembers of it.
#[derive(Debug)]
struct Slot {
    name: String,
    parameter: Tensor,
    group: usize,
    /// Steps at the start during which it does not move.
    frozen_steps: u64,
    buffers: Vec<Tensor>,
}

/// A group's rate at one step.
struct StepRate {
    rate: f64,
    /// Minus the rate, where the parameters are.
    descent: Tensor,
}

impl StepRate {
    fn new(rate: f64, device: Device) -> Result<Self, TchError> {
        Ok(Self {
            rate,
            descent: Tensor::f_full(&[] as &[i64], -rate, (Kind::Float, device))?,
        })
    }
}

impl Optimizer {
    /// Takes charge of `parameters`, all at the step's own rate. Where they live now their
    /// buffers live too, so move a model to its device first.
    ///
    /// # Errors
    /// Where a constant is out of range, or a parameter has no gradient or no name of its own.
    pub fn new(
        config: &OptimizerConfig,
        parameters: Vec<impl Into<Parameter>>,
    ) -> Result<Self, Error> {
        Self::with_groups(config, parameters, Vec::new())
    }

    /// Takes charge of `parameters`; each follows the first group that selects it.
    ///
    /// # Errors
    /// As [`Optimizer::new`], and where a group selects no parameter.
    pub fn with_groups(
        config: &OptimizerConfig,
        parameters: Vec<impl Into<Parameter>>,
        mut groups: Vec<ParamGroup>,
    ) -> Result<Self, Error> {
        config.check()?;
        let mut parameters: Vec<Parameter> = parameters.into_iter().map(Into::into).collect();
        for group in &groups {
            group.check(&parameters)?;
        }
        groups.push(ParamGroup::rest());
        parameters.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = parameters
            .windows(2)
            .find(|pair| pair[0].name == pair[1].name)
        {
            let name = &pair[0].name;
            return Err(Error::config(
                "optimizer",
                "one parameter a name",
                format!("two `{name}`"),
            ));
        }
        let names = config.buffers();
        let slot = |parameter: Parameter| {
            let group = groups
                .iter()
                .position(|group| group.select.matches(&parameter));
            let group = group.unwrap_or(groups.len() - 1);
            let Parameter {
                name,
                tensor: parameter,
                ..
            } = parameter;
            if !parameter.requires_grad() {
                let found = format!("`{name}`, which has none");
                return Err(Error::config(
                    "optimizer",
                    "parameters with gradients",
                    found,
                ));
            }
            let zeros = || tch::no_grad(|| parameter.f_zeros_like());
            let buffers = names
                .iter()
                .map(|_| zeros())
                .collect::<Result<_, TchError>>()?;
            Ok(Slot {
                name,
                parameter,
                group,
                frozen_steps: groups[group].frozen_steps,
                buffers,
            })
        };
        let slots = parameters
            .into_iter()
            .map(slot)
            .collect::<Result<_, Error>>()?;
        let groups = groups.into_iter().map(|settings| Group {
            config: match settings.weight_decay {
                None => config.clone(),
                Some(decay) => config.with_weight_decay(decay),
            },
            settings,
        });
        Ok(Self {
            config: config.clone(),
            groups: groups.collect(),
            clips: [None, None],
            slots,
            steps: 0,
        })
    }

    /// Limits all gradients together from now on, after the groups' own limits; `None` for no
    /// limit.
    ///
    /// # Errors
    /// Where the norm is not above 0.
    pub fn set_clip(&mut self, norm: Option<f64>) -> Result<(), Error> {
        self.clips[1] = norm.map(Clip::Together);
        self.clips[1].map_or(Ok(()), Clip::check)
    }

    /// Limits each parameter's gradient on its own from now on, before all together; `None` for no
    /// limit.
    ///
    /// # Errors
    /// Where the norm is not above 0.
    pub fn set_clip_each(&mut self, norm: Option<f64>) -> Result<(), Error> {
        self.clips[0] = norm.map(Clip::Each);
        self.clips[0].map_or(Ok(()), Clip::check)
    }

    /// Says how many steps an epoch has, for groups that wait some epochs.
    pub fn set_epoch(&mut self, steps: u64) {
        for slot in &mut self.slots {
            let epochs = self.groups[slot.group].settings.frozen_epochs;
            slot.frozen_steps = slot.frozen_steps.max(epochs.saturating_mul(steps));
        }
    }

    /// Moves the weight decay of groups without their own along half a cosine, from the rule's at
    /// `progress` 0 to `end` at 1.
    pub fn move_weight_decay(&mut self, end: f64, progress: f64) {
        let start = self.config.weight_decay();
        let decay = end + e2mc_base::schedule::cosine(start - end, 0.0, progress);
        let groups = self.groups.iter_mut();
        for group in groups.filter(|group| group.settings.weight_decay.is_none()) {
            group.config = self.config.with_weight_decay(decay);
        }
    }

    /// Keeps the parameters whose names start with `prefix` where they are for the first `steps`
    /// steps, whatever their groups; a group that waits longer does so.
    pub fn hold(&mut self, prefix: &str, steps: u64) {
        let slots = self.slots.iter_mut();
        for slot in slots.filter(|slot| slot.name.starts_with(prefix)) {
            slot.frozen_steps = slot.frozen_steps.max(steps);
        }
    }

    /// Steps done so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Sets every gradient to zero, where it is: gradients may be parts of a larger tensor.
    pub fn zero_grad(&mut self) {
        let _guard = tch::no_grad_guard();
        for slot in &mut self.slots {
            let mut gradient = slot.parameter.grad();
            if gradient.defined() {
                let _ = gradient.zero_();
            }
        }
    }

    /// All parameters, in the order of their names.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        self.slots.iter().map(|slot| &slot.parameter)
    }

    /// The gradients that there are, in the order of the parameters' names.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub(crate) fn gradients(&self) -> Result<Vec<Tensor>, TchError> {
        let gradients = self.slots.iter().map(|slot| slot.parameter.f_grad());
        gradients
            .filter(|gradient| gradient.as_ref().map_or(true, Tensor::defined))
            .collect()
    }

    /// Moves every parameter that has a gradient and is not frozen; `rate` is the learning rate
    /// of groups without their own.
    ///
    /// # Errors
    /// Where libtorch runs out of memory.
    pub fn step(&mut self, rate: f64) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        let Some(device) = self.slots.first().map(|slot| slot.parameter.device()) else {
            return Ok(());
        };
        self.clip()?;
        self.steps += 1;
        let rates = self.groups.iter().map(|group| group.settings.rate.at(rate));
        let rates = rates
            .map(|rate| StepRate::new(rate, device))
            .collect::<Result<Vec<_>, _>>()?;
        for slot in &mut self.slots {
            let config = &self.groups[slot.group].config;
            let gradient = slot.parameter.f_grad()?;
            if self.steps <= slot.frozen_steps || !gradient.defined() {
                continue;
            }
            let t = self.steps - slot.frozen_steps;
            slot.update(config, &gradient, &rates[slot.group], t)?;
        }
        Ok(())
    }

    /// Holds the gradients of parameters that are about to move to their limits.
    fn clip(&self) -> Result<(), TchError> {
        let moving = |group: Option<usize>| {
            let slots = self.slots.iter().filter(move |slot| {
                self.steps >= slot.frozen_steps && group.is_none_or(|group| group == slot.group)
            });
            slots
                .map(|slot| slot.parameter.f_grad())
                .filter(|gradient| gradient.as_ref().map_or(true, Tensor::defined))
                .collect::<Result<Vec<_>, _>>()
        };
        for (index, group) in self.groups.iter().enumerate() {
            if let Some(clip) = group.settings.clip {
                clip.apply(&mut moving(Some(index))?)?;
            }
        }
        for clip in self.clips.into_iter().flatten() {
            clip.apply(&mut moving(None)?)?;
        }
        Ok(())
    }

    /// What a checkpoint must hold for training to go on as if it had never stopped: the number
    /// of steps, and each parameter's buffers as `PARAMETER.BUFFER`. The tensors are the
    /// optimiser's own, not copies.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let steps = (STEPS.to_owned(), Tensor::from(self.steps as i64));
        std::iter::once(steps).chain(self.named_buffers()).collect()
    }

    /// Takes back what [`Optimizer::state`] gave.
    ///
    /// # Errors
    /// Names the tensors that are missing, unexpected or of another shape; then nothing has
    /// changed.
    pub fn load_state(&mut self, state: Vec<(String, Tensor)>) -> Result<(), Error> {
        let mut given: BTreeMap<String, Tensor> = state.into_iter().collect();
        let mut problems = Vec::new();
        let steps = match given.remove(STEPS) {
            None => {
                problems.push(format!("no `{STEPS}`"));
                0
            }
            Some(steps) => match (steps.kind(), steps.numel()) {
                (Kind::Int64, 1) => steps.f_int64_value(&[])?,
                (kind, count) => {
                    problems.push(format!("`{STEPS}` of {count} {kind:?}, not 1 Int64"));
                    0
                }
            },
        };
        if steps < 0 {
            problems.push(format!("`{STEPS}` of {steps}"));
        }
        let mut copies = Vec::new();
        for (name, buffer) in self.named_buffers() {
            match given.remove(&name) {
                None => problems.push(format!("no `{name}`")),
                Some(source) if source.size() != buffer.size() => problems.push(format!(
                    "`{name}` of shape {:?}, not {:?}",
                    source.size(),
                    buffer.size()
                )),
                Some(source) => copies.push((buffer, source)),
            }
        }
        problems.extend(
            given
                .into_keys()
                .map(|name| format!("an unexpected `{name}`")),
        );
        if !problems.is_empty() {
            let expected = format!("the state of {} over these parameters", self.config.name());
            return Err(Error::config("optimizer", expected, problems.join(", ")));
        }
        let _guard = tch::no_grad_guard();
        for (mut buffer, source) in copies {
            buffer.f_copy_(&source)?;
        }
        self.steps = steps as u64;
        Ok(())
    }

    fn named_buffers(&self) -> impl Iterator<Item = (String, Tensor)> + '_ {
        let names = self.config.buffers();
        self.slots.iter().flat_map(move |slot| {
            let name = move |buffer: &&str| format!("{}.{buffer}", slot.name);
            names
                .iter()
                .map(name)
                .zip(slot.buffers.iter().map(Tensor::shallow_clone))
        })
    }
}

impl Slot {
    fn update(
        &mut self,
        config: &OptimizerConfig,
        gradient: &Tensor,
        rate: &StepRate,
        t: u64,
    ) -> Result<(), TchError> {
        let (p, buffers) = (&mut self.parameter, self.buffers.as_mut_slice());
        match config {
            OptimizerConfig::Sgd(sgd) => {
                let direction = sgd.direction(p, gradient)?;
                descend(
                    p,
                    &direction,
                    buffers,
                    sgd.momentum,
                    sgd.nesterov,
                    &rate.descent,
                )
            }
            OptimizerConfig::Lars(lars) => {
                let direction = lars.direction(p, gradient)?;
                descend(p, &direction, buffers, lars.momentum, false, &rate.descent)
            }
            OptimizerConfig::Larc(larc) => {
                let direction = larc.direction(p, gradient)?;
                descend(p, &direction, buffers, larc.momentum, false, &rate.descent)
            }
            OptimizerConfig::Adamw(adamw) => adamw.update(p, gradient, buffers, rate.rate, t),
        }
    }
}
