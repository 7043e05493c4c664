//! Parameters with a rate, a decay or a limit of their own.

use super::clip::Clip;
use super::parameter::{Parameter, Place, Role, Select};
use crate::Error;
use crate::range::at_least_zero;

/// Where a group's learning rate comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// The step's rate times this.
    Scaled(f64),
    /// This rate at every step, for instance SimSiam's predictor.
    Fixed(f64),
}

impl Rate {
    /// The rate at a step whose schedule says `scheduled`.
    pub(super) fn at(self, scheduled: f64) -> f64 {
        match self {
            Self::Scaled(scale) => scheduled * scale,
            Self::Fixed(rate) => rate,
        }
    }
}

/// A rule for some of the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamGroup {
    /// Which.
    pub select: Select,
    /// The learning rate.
    pub rate: Rate,
    /// Steps at the start during which they do not move and gather no momentum: SwAV's
    /// prototypes.
    pub frozen_steps: u64,
    /// The same in epochs: DINO's last layer. The longer of the two holds.
    pub frozen_epochs: u64,
    /// Weight decay, at least 0; the optimiser's if `None`.
    pub weight_decay: Option<f64>,
    /// The limit of their gradients; none if `None`.
    pub clip: Option<Clip>,
}

impl ParamGroup {
    /// A group that follows the schedule at `scale` times its rate, never frozen.
    pub fn scaled(select: impl Into<Select>, scale: f64) -> Self {
        Self::at(select, Rate::Scaled(scale))
    }

    /// A group that stays at `rate`, never frozen.
    pub fn fixed(select: impl Into<Select>, rate: f64) -> Self {
        Self::at(select, Rate::Fixed(rate))
    }

    /// A group that follows the schedule after `steps` steps.
    pub fn frozen(select: impl Into<Select>, steps: u64) -> Self {
        Self {
            frozen_steps: steps,
            ..Self::scaled(select, 1.0)
        }
    }

    /// A group that follows the schedule after `epochs` epochs.
    pub fn frozen_epochs(select: impl Into<Select>, epochs: u64) -> Self {
        Self {
            frozen_epochs: epochs,
            ..Self::scaled(select, 1.0)
        }
    }

    /// Biases and normalisations follow the schedule without weight decay.
    pub fn undecayed() -> Self {
        Self {
            weight_decay: Some(0.0),
            ..Self::scaled(Select::roles([Role::Bias, Role::Norm]), 1.0)
        }
    }

    /// Layer-wise rates, one group each for the `layers` of a backbone: `factor` times less from
    /// layer to layer towards the images, so `factor` in the last layer; heads have the full rate.
    pub fn by_layer(layers: usize, factor: f64) -> Vec<Self> {
        let scale = |layer| factor.powi((layers - layer) as i32);
        (0..layers)
            .map(|layer| Self::scaled(Select::place(Place::Layer(layer)), scale(layer)))
            .collect()
    }

    /// What a recipe asks for whatever the method: rates that fall by `layer_decay` from layer to
    /// layer, and no decay of anything but matrices. Behind the method's own groups; none that is
    /// empty.
    pub(crate) fn of_training(
        layer_decay: Option<f64>,
        decay_matrices_only: bool,
        layers: usize,
        parameters: &[Parameter],
    ) -> Vec<Self> {
        let mut groups = match layer_decay {
            Some(factor) => Self::by_layer(layers, factor),
            None => Vec::new(),
        };
        if decay_matrices_only {
            let vectors = |group: &Self| Self {
                select: Select {
                    roles: Some(vec![Role::Bias, Role::Norm]),
                    ..group.select.clone()
                },
                weight_decay: Some(0.0),
                ..group.clone()
            };
            let of_layers: Vec<Self> = groups.iter().map(vectors).collect();
            groups = [of_layers, groups, vec![Self::undecayed()]].concat();
        }
        groups.retain(|group| parameters.iter().any(|one| group.select.matches(one)));
        groups
    }

    fn at(select: impl Into<Select>, rate: Rate) -> Self {
        Self {
            select: select.into(),
            rate,
            frozen_steps: 0,
            frozen_epochs: 0,
            weight_decay: None,
            clip: None,
        }
    }

    /// What applies to parameters that no group selects.
    pub(super) fn rest() -> Self {
        Self::scaled("", 1.0)
    }

    /// Checks the numbers, and that there are such parameters.
    pub(super) fn check(&self, parameters: &[Parameter]) -> Result<(), Error> {
        let (Rate::Scaled(value) | Rate::Fixed(value)) = self.rate;
        let prefix = &self.select.prefix;
        at_least_zero(&format!("optimizer rate of `{prefix}`"), value)?;
        if let Some(decay) = self.weight_decay {
            at_least_zero(&format!("optimizer weight decay of `{prefix}`"), decay)?;
        }
        if let Some(clip) = self.clip {
            clip.check()?;
        }
        if !parameters
            .iter()
            .any(|parameter| self.select.matches(parameter))
        {
            let expected = self.select.to_string();
            return Err(Error::config("optimizer", expected, "none"));
        }
        Ok(())
    }
}
