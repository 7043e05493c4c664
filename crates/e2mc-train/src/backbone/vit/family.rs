//! The vision transformer as a family: what the rest of the crate asks of it.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use e2mc_data::Preprocessing;
use tch::Tensor;
use tch::nn::Path;

use super::config::{Pool, Positions, VitConfig};
use super::infer;
use super::names;
use super::network::VisionTransformer;
use crate::Error;
use crate::archive::Problem;
use crate::backbone::family::{Companions, Family, Network, NetworkConfig};
use crate::backbone::found::Found;
use crate::backbone::naming::Naming;
use crate::settings::{Settings, read_settings, settings_of};

/// The family of vision transformers.
#[derive(Debug)]
pub(in crate::backbone) struct Vit;

impl Family for Vit {
    fn name(&self) -> &'static str {
        "vit"
    }

    fn read(&self, settings: Settings) -> Result<Arc<dyn NetworkConfig>, serde_json::Error> {
        Ok(Arc::new(read_settings::<VitConfig>(settings)?))
    }

    fn looks_like(&self) -> String {
        format!(
            "a vision transformer (`{}`, `blocks.0.norm1.weight`, …)",
            names::PATCHES
        )
    }

    fn advice(&self) -> &'static str {
        "a vision transformer with the names of timm, torchvision, DINO or Hugging Face"
    }

    fn namings(&self) -> &'static [Naming] {
        &names::NAMINGS
    }

    fn infer(&self, found: &Found<'_>) -> Result<Arc<dyn NetworkConfig>, Problem> {
        Ok(Arc::new(infer::infer(found)?))
    }

    fn order(&self, name: &str) -> Vec<usize> {
        names::order(name)
    }
}

impl VitConfig {
    /// What would be wrong with a setting that is not what it should be.
    fn problem(&self) -> Option<(&'static str, String, String)> {
        let sizes = [
            ("backbone.patch", self.patch, 1024),
            ("backbone.image_size", self.image_size, 1 << 14),
            ("backbone.width", self.width, 1 << 14),
            ("backbone.depth", self.depth, 1 << 10),
            ("backbone.heads", self.heads, 1 << 10),
            ("backbone.hidden", self.hidden, 1 << 17),
        ];
        for (field, value, most) in sizes {
            if !(1..=most).contains(&value) {
                return Some((field, format!("1 to {most}"), value.to_string()));
            }
        }
        let say = |field, expected: &str, found: &dyn ToString| {
            Some((field, expected.to_owned(), found.to_string()))
        };
        let rope = self.positions == Positions::Rope;
        if !matches!(self.channels, 1 | 3) {
            return say("backbone.channels", "1 or 3", &self.channels);
        }
        if !self.width.is_multiple_of(self.heads) {
            let expected = format!("a divisor of backbone.width, {}", self.width);
            return say("backbone.heads", &expected, &self.heads);
        }
        if rope && !(self.width / self.heads).is_multiple_of(4) {
            let expected = "heads of a multiple of 4 numbers for rotary positions";
            return say("backbone.heads", expected, &self.heads);
        }
        if !self.image_size.is_multiple_of(self.patch) {
            let expected = format!("a multiple of backbone.patch, {}", self.patch);
            return say("backbone.image_size", &expected, &self.image_size);
        }
        if self.grid() > Self::GRID {
            let most = self.patch * Self::GRID;
            let expected = format!("at most {most}, {} patches along a side", Self::GRID);
            return say("backbone.image_size", &expected, &self.image_size);
        }
        if self.registers > 1 << 10 {
            return say("backbone.registers", "at most 1024", &self.registers);
        }
        let places = [0, usize::from(self.class_token), self.prefix()];
        if self.positions == Positions::Learned && !places.contains(&self.placed) {
            let expected = format!("one of {places:?}");
            return say("backbone.placed", &expected, &self.placed);
        }
        if self.pool != Pool::Mean && !self.class_token {
            let expected = "`mean` for a network without a class token";
            return say("backbone.pool", expected, &"another");
        }
        if self.norm_after_pool && self.pool == Pool::ClassAndMean {
            let expected = "false where class token and mean are taken";
            return say("backbone.norm_after_pool", expected, &true);
        }
        if !(self.epsilon > 0.0 && self.epsilon < 1.0) {
            return say("backbone.epsilon", "between 0 and 1", &self.epsilon);
        }
        if !(self.rope_base > 1.0 && self.rope_base.is_finite()) {
            return say("backbone.rope_base", "above 1", &self.rope_base);
        }
        None
    }
}

impl NetworkConfig for VitConfig {
    fn family(&self) -> &'static dyn Family {
        &Vit
    }

    fn settings(&self) -> Settings {
        settings_of(self)
    }

    fn check(&self) -> Result<(), Error> {
        match self.problem() {
            None => Ok(()),
            Some((field, expected, found)) => Err(Error::config(field, expected, found)),
        }
    }

    fn build(&self, path: &Path) -> Result<Box<dyn Network>, Error> {
        Ok(Box::new(VisionTransformer::new(path, self)?))
    }

    fn features(&self) -> usize {
        match self.pool {
            Pool::Class | Pool::Mean => self.width,
            Pool::ClassAndMean => 2 * self.width,
        }
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn has_batch_norm(&self) -> bool {
        false
    }

    /// The tokens, then the blocks; the last layer norm is the last block's.
    fn layers(&self) -> usize {
        1 + self.depth
    }

    fn layer_of(&self, name: &str) -> usize {
        let block = name.strip_prefix("blocks.");
        let block = block.and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
        match block {
            Some(block) => block + 1,
            None if name.starts_with("norm.") || name.starts_with("fc_norm.") => self.depth,
            None => 0,
        }
    }

    /// What the position embeddings are for, but DINOv2's: they were made for 518 pixels last, and
    /// its authors judge at 224.
    fn image_side(&self) -> Option<usize> {
        match (self.patch, self.image_size) {
            (_, 224) | (14, 518) => None,
            (_, side) => Some(side),
        }
    }

    fn side_multiple(&self) -> usize {
        self.patch
    }

    fn longest_side(&self) -> Option<usize> {
        Some(self.patch.saturating_mul(Self::GRID))
    }

    fn filter(&self) -> e2mc_data::Filter {
        e2mc_data::Filter::Bicubic
    }

    fn naming(&self, library: &str) -> Option<&'static Naming> {
        let name = self.named(self.given(library)?);
        names::NAMINGS
            .iter()
            .find(|naming| naming.names.contains(&name))
    }

    fn refit(&self, library: &str, tensors: &mut BTreeMap<String, Tensor>) -> Result<(), Error> {
        match self.given(library) {
            Some(given) => self.refitted(given, tensors),
            None => Ok(()),
        }
    }

    fn companions(&self, library: &str, evaluation: &Preprocessing) -> Option<Companions> {
        self.beside(self.given(library)?, evaluation)
    }

    fn assumed(&self) -> Option<String> {
        self.assumed.clone()
    }

    /// Heads, epsilons, activations, periods and pooling are in no shape.
    fn may_be(&self, wanted: &dyn NetworkConfig) -> bool {
        let wanted: &dyn Any = wanted;
        let Some(wanted) = wanted.downcast_ref::<Self>() else {
            return false;
        };
        let rope = self.positions != Positions::Learned;
        let alike = Self {
            heads: wanted.heads,
            epsilon: wanted.epsilon,
            activation: wanted.activation,
            rope_base: wanted.rope_base,
            resize: wanted.resize,
            pool: wanted.pool,
            positions: match (rope, wanted.positions) {
                (true, positions @ (Positions::Rope | Positions::None)) => positions,
                _ => self.positions,
            },
            image_size: if rope {
                wanted.image_size
            } else {
                self.image_size
            },
            ..self.clone()
        };
        alike.settings() == wanted.settings()
    }
}
