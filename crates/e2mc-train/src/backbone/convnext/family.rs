//! The ConvNeXt as a family: what the rest of the crate asks of it.

use std::any::Any;
use std::sync::Arc;

use e2mc_data::{Filter, Preprocessing};
use tch::nn::Path;

use super::config::ConvnextConfig;
use super::infer;
use super::names;
use super::network::ConvNext;
use crate::Error;
use crate::archive::Problem;
use crate::backbone::family::{Companions, Family, Network, NetworkConfig};
use crate::backbone::found::Found;
use crate::backbone::naming::Naming;
use crate::settings::{Settings, read_settings, settings_of};

/// The family of ConvNeXts.
#[derive(Debug)]
pub(in crate::backbone) struct Convnext;

impl Family for Convnext {
    fn name(&self) -> &'static str {
        "convnext"
    }

    fn read(&self, settings: Settings) -> Result<Arc<dyn NetworkConfig>, serde_json::Error> {
        Ok(Arc::new(read_settings::<ConvnextConfig>(settings)?))
    }

    fn looks_like(&self) -> String {
        format!("a ConvNeXt (`stem.0.weight`, `{}`, …)", names::FIRST)
    }

    fn advice(&self) -> &'static str {
        "a ConvNeXt with the names of timm, torchvision, its authors or Hugging Face"
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

impl NetworkConfig for ConvnextConfig {
    fn family(&self) -> &'static dyn Family {
        &Convnext
    }

    fn settings(&self) -> Settings {
        settings_of(self)
    }

    fn check(&self) -> Result<(), Error> {
        let within = |field: &str, value: usize, most: usize| match (1..=most).contains(&value) {
            true => Ok(()),
            false => Err(Error::config(field, format!("1 to {most}"), value)),
        };
        for (field, values) in [
            ("backbone.depths", &self.depths),
            ("backbone.widths", &self.widths),
        ] {
            if values.len() != 4 {
                let expected = "a number for each of the 4 stages";
                return Err(Error::config(field, expected, format!("{values:?}")));
            }
            for &value in values {
                within(field, value, 1 << 14)?;
            }
        }
        within("backbone.patch", self.patch, 1 << 8)?;
        within("backbone.kernel", self.kernel, 1 << 6)?;
        within("backbone.expansion", self.expansion, 1 << 6)?;
        if self.kernel.is_multiple_of(2) {
            return Err(Error::config(
                "backbone.kernel",
                "an odd number",
                self.kernel,
            ));
        }
        if !matches!(self.channels, 1 | 3) {
            return Err(Error::config("backbone.channels", "1 or 3", self.channels));
        }
        if !(self.head_epsilon > 0.0 && self.head_epsilon < 1.0) {
            let field = "backbone.head_epsilon";
            return Err(Error::config(field, "between 0 and 1", self.head_epsilon));
        }
        Ok(())
    }

    fn build(&self, path: &Path) -> Result<Box<dyn Network>, Error> {
        Ok(Box::new(ConvNext::new(path, self)?))
    }

    fn features(&self) -> usize {
        self.widths.last().copied().unwrap_or_default()
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn has_batch_norm(&self) -> bool {
        false
    }

    /// The stem, then the blocks; what halves the map is its stage's first block's.
    fn layers(&self) -> usize {
        1 + self.depths.iter().sum::<usize>()
    }

    fn layer_of(&self, name: &str) -> usize {
        if name.starts_with("head.") {
            return self.layers() - 1;
        }
        let Some(rest) = name.strip_prefix("stages.") else {
            return 0;
        };
        let mut parts = rest.split('.');
        let mut number = || parts.next().and_then(|part| part.parse::<usize>().ok());
        let stage = number().unwrap_or_default();
        let _ = parts.next();
        let block = match rest.contains(".blocks.") {
            true => parts.next().and_then(|part| part.parse().ok()).unwrap_or(0),
            false => 0,
        };
        1 + self.depths.iter().take(stage).sum::<usize>() + block
    }

    fn filter(&self) -> Filter {
        Filter::Bicubic
    }

    fn naming(&self, library: &str) -> Option<&'static Naming> {
        let mut namings = names::NAMINGS.iter();
        let found = namings.find(|naming| naming.names.contains(&library));
        found.filter(|_| self.is_in(library))
    }

    fn companions(&self, library: &str, evaluation: &Preprocessing) -> Option<Companions> {
        self.beside(library, evaluation)
    }

    fn assumed(&self) -> Option<String> {
        self.assumed.clone()
    }

    /// The epsilon of the last layer norm is in no shape.
    fn may_be(&self, wanted: &dyn NetworkConfig) -> bool {
        let wanted: &dyn Any = wanted;
        let Some(wanted) = wanted.downcast_ref::<Self>() else {
            return false;
        };
        let alike = Self {
            head_epsilon: wanted.head_epsilon,
            ..self.clone()
        };
        alike.settings() == wanted.settings()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_counted_through_the_stages() {
        let config = ConvnextConfig::default();
        assert_eq!(config.layers(), 19);
        for (name, layer) in [
            ("stem.1.weight", 0),
            ("stages.0.blocks.0.gamma", 1),
            ("stages.1.downsample.0.weight", 4),
            ("stages.1.blocks.2.mlp.fc1.bias", 6),
            ("stages.3.blocks.2.norm.weight", 18),
            ("head.norm.bias", 18),
        ] {
            assert_eq!(config.layer_of(name), layer, "{name}");
        }
    }
}
