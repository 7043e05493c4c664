//! Which backbone: its family and the family's settings.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::convnext::Convnext;
use super::family::{Family, NetworkConfig};
use super::resnet::{Resnet, ResnetConfig};
use super::vit::Vit;
use crate::Error;
use crate::registry::Registry;
use crate::settings::{tagged, unknown, with_tag};

/// The families. One that is made here needs its line in this list, and nothing else needs to
/// know it.
static FAMILIES: Registry<dyn Family> =
    Registry::new("backbone.family", &[&Resnet, &Vit, &Convnext], |family| {
        family.name()
    });

/// The key that says which family the other settings are for.
const TAG: &str = "family";

/// Adds a family, whose name recipes, checkpoints and files are then read with. Do it before
/// anything is read; adding the same family again changes nothing.
///
/// # Errors
/// Where another family has that name.
pub fn register_family(family: &'static dyn Family) -> Result<(), Error> {
    FAMILIES.add(family)
}

/// Every family: the built-in ones, then those that were added.
pub(crate) fn families() -> Vec<&'static dyn Family> {
    FAMILIES.all()
}

/// Which network: everything that decides its parameters' shapes.
///
/// In a recipe `family` says whose settings the others are; without it they are a ResNet's.
#[derive(Clone, Debug)]
pub enum BackboneConfig {
    /// A residual network.
    Resnet(ResnetConfig),
    /// A network of another family.
    Other(Arc<dyn NetworkConfig>),
}

impl BackboneConfig {
    /// The settings of a ResNet, if it is one.
    pub fn resnet(&self) -> Option<&ResnetConfig> {
        match self {
            Self::Resnet(config) => Some(config),
            Self::Other(_) => None,
        }
    }

    /// The settings of a ResNet, to be changed, if it is one.
    pub fn resnet_mut(&mut self) -> Option<&mut ResnetConfig> {
        match self {
            Self::Resnet(config) => Some(config),
            Self::Other(_) => None,
        }
    }

    /// What is expected of the side of a square image, in pixels, where this side does not fit the
    /// network.
    pub fn side_expected(&self, side: usize) -> Option<String> {
        let step = self.side_multiple();
        if !side.is_multiple_of(step) {
            return Some(format!("a multiple of {step} pixels for {self}"));
        }
        let most = self.longest_side().filter(|&most| side > most)?;
        Some(format!("at most {most} pixels for {self}"))
    }
}

impl Deref for BackboneConfig {
    type Target = dyn NetworkConfig;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Resnet(config) => config,
            Self::Other(config) => &**config,
        }
    }
}

impl Default for BackboneConfig {
    /// The paper's ResNet-50 for colour images.
    fn default() -> Self {
        Self::Resnet(ResnetConfig::default())
    }
}

impl From<ResnetConfig> for BackboneConfig {
    fn from(config: ResnetConfig) -> Self {
        Self::Resnet(config)
    }
}

impl From<Arc<dyn NetworkConfig>> for BackboneConfig {
    fn from(config: Arc<dyn NetworkConfig>) -> Self {
        let any: &dyn Any = &*config;
        match any.downcast_ref::<ResnetConfig>() {
            Some(resnet) => Self::Resnet(resnet.clone()),
            None => Self::Other(config),
        }
    }
}

impl PartialEq for BackboneConfig {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Display for BackboneConfig {
    /// The network's short name: `resnet50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl Serialize for BackboneConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // Without the tag, as it was before there were other families.
            Self::Resnet(config) => config.serialize(serializer),
            Self::Other(config) => {
                let name = config.family().name();
                with_tag(serializer, TAG, name, &config.settings())
            }
        }
    }
}

impl<'de> Deserialize<'de> for BackboneConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (name, settings) = tagged(deserializer, TAG)?;
        let name = name.unwrap_or_else(|| Resnet.name().to_owned());
        let family = FAMILIES
            .find(&name)
            .ok_or_else(|| unknown::<D::Error>(&name, &FAMILIES.names()))?;
        Ok(family.read(settings).map_err(D::Error::custom)?.into())
    }
}
