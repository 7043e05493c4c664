//! The ResNet as a family: what the rest of the crate asks of it.

use std::any::Any;
use std::sync::Arc;

use tch::nn::Path;

use super::config::{ResnetConfig, Stem};
use super::names;
use super::network::ResNet;
use crate::Error;
use crate::archive::Problem;
use crate::backbone::family::{Family, Network, NetworkConfig};
use crate::backbone::found::Found;
use crate::backbone::naming::Naming;
use crate::settings::{Settings, read_settings, settings_of};

/// The family of residual networks.
#[derive(Debug)]
pub(in crate::backbone) struct Resnet;

impl Family for Resnet {
    fn name(&self) -> &'static str {
        "resnet"
    }

    fn read(&self, settings: Settings) -> Result<Arc<dyn NetworkConfig>, serde_json::Error> {
        Ok(Arc::new(read_settings::<ResnetConfig>(settings)?))
    }

    fn looks_like(&self) -> String {
        names::looks_like()
    }

    fn advice(&self) -> &'static str {
        "give a checkpoint whose network is a ResNet with torchvision's names"
    }

    fn namings(&self) -> &'static [Naming] {
        &names::NAMINGS
    }

    fn infer(&self, found: &Found<'_>) -> Result<Arc<dyn NetworkConfig>, Problem> {
        Ok(Arc::new(names::infer(found)?))
    }

    fn order(&self, name: &str) -> Vec<usize> {
        names::order(name)
    }
}

impl NetworkConfig for ResnetConfig {
    fn family(&self) -> &'static dyn Family {
        &Resnet
    }

    fn settings(&self) -> Settings {
        settings_of(self)
    }

    fn check(&self) -> Result<(), Error> {
        if !(1..=Self::MAX_WIDTH).contains(&self.width) {
            let expected = format!("1 to {}", Self::MAX_WIDTH);
            return Err(Error::config("backbone.width", expected, self.width));
        }
        if !matches!(self.channels, 1 | 3) {
            return Err(Error::config("backbone.channels", "1 or 3", self.channels));
        }
        Ok(())
    }

    fn build(&self, path: &Path) -> Result<Box<dyn Network>, Error> {
        Ok(Box::new(ResNet::new(path, self)?))
    }

    /// 512 for ResNet-18, 2048 for ResNet-50, 4096 for ResNet-50 x2.
    fn features(&self) -> usize {
        8 * self.width * self.expansion()
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn has_batch_norm(&self) -> bool {
        true
    }

    /// The stem, then the blocks.
    fn layers(&self) -> usize {
        1 + self.architecture.blocks().iter().sum::<usize>()
    }

    fn layer_of(&self, name: &str) -> usize {
        let Some((stage, block)) = names::block_of(name) else {
            return 0;
        };
        let before = self.architecture.blocks().into_iter().take(stage);
        1 + before.sum::<usize>() + block
    }

    fn image_side(&self) -> Option<usize> {
        (self.stem != Stem::Imagenet).then_some(32)
    }

    fn assumed(&self) -> Option<String> {
        let stride = "stride 1 is assumed for the 3 x 3 stem, as the file does not say";
        (self.stem == Stem::Small).then(|| stride.into())
    }

    /// Whether a 3 x 3 stem has a stride is in no shape.
    fn may_be(&self, wanted: &dyn NetworkConfig) -> bool {
        let wanted: &dyn Any = wanted;
        let Some(wanted) = wanted.downcast_ref::<Self>() else {
            return false;
        };
        let small = |stem| matches!(stem, Stem::Small | Stem::SmallStride2);
        let either = small(self.stem) && small(wanted.stem);
        let stem = if either { wanted.stem } else { self.stem };
        *wanted
            == Self {
                stem,
                ..self.clone()
            }
    }
}
