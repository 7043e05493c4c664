//! Which method: its name and its settings.

use std::any::Any;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::contract::{MethodKind, MethodSettings};
use super::dino::{DinoConfig, NAME as DINO};
use super::none::Headless;
use super::{SimsiamConfig, SwavConfig, VicregConfig};
use crate::Error;
use crate::registry::Registry;
use crate::settings::{tagged, unknown, with_tag};

/// The methods. One that is made here needs its line in this list, and nothing else needs to know
/// it.
static METHODS: Registry<MethodKind> = Registry::new(
    "method.name",
    &[
        &MethodKind::of::<VicregConfig>("vicreg"),
        &MethodKind::of::<SwavConfig>("swav"),
        &MethodKind::of::<DinoConfig>(DINO),
        &MethodKind::of::<SimsiamConfig>("simsiam"),
        &MethodKind::of::<Headless>("none"),
    ],
    |kind| kind.name,
);

/// The key that says which method the other settings are for.
const TAG: &str = "name";

/// Adds a method, whose name recipes and checkpoints are then read with. Do it before anything is
/// read; adding the same method again changes nothing.
///
/// # Errors
/// Where another method has that name.
pub fn register_method(kind: &'static MethodKind) -> Result<(), Error> {
    METHODS.add(kind)
}

/// The methods that train, by name.
pub(super) fn names_to_train_with() -> Vec<&'static str> {
    let mut names = METHODS.names();
    names.retain(|&name| name != "none");
    names
}

/// Which method, with its heads and its loss. In a recipe `name` says whose settings the others
/// are.
#[derive(Clone, Debug)]
pub enum MethodConfig {
    /// VICReg (Bardes, Ponce and LeCun 2022).
    Vicreg(VicregConfig),
    /// SwAV (Caron et al. 2020).
    Swav(SwavConfig),
    /// SimSiam (Chen and He 2021).
    Simsiam(SimsiamConfig),
    /// A backbone without heads: its features can be used, but it cannot be trained.
    None,
    /// Another method.
    Other(Arc<dyn MethodSettings>),
}

impl Deref for MethodConfig {
    type Target = dyn MethodSettings;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Vicreg(config) => config,
            Self::Swav(config) => config,
            Self::Simsiam(config) => config,
            Self::None => &Headless {},
            Self::Other(config) => &**config,
        }
    }
}

impl From<Arc<dyn MethodSettings>> for MethodConfig {
    fn from(settings: Arc<dyn MethodSettings>) -> Self {
        let any: &dyn Any = &*settings;
        if let Some(config) = any.downcast_ref::<VicregConfig>() {
            Self::Vicreg(config.clone())
        } else if let Some(config) = any.downcast_ref::<SwavConfig>() {
            Self::Swav(config.clone())
        } else if let Some(config) = any.downcast_ref::<SimsiamConfig>() {
            Self::Simsiam(config.clone())
        } else if any.is::<Headless>() {
            Self::None
        } else {
            Self::Other(settings)
        }
    }
}

impl PartialEq for MethodConfig {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Serialize for MethodConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// The built-in ones, whose settings keep their order in a file.
        #[derive(Serialize)]
        #[serde(tag = "name", rename_all = "lowercase")]
        enum BuiltIn<'a> {
            Vicreg(&'a VicregConfig),
            Swav(&'a SwavConfig),
            Simsiam(&'a SimsiamConfig),
            None,
        }
        match self {
            Self::Vicreg(config) => BuiltIn::Vicreg(config).serialize(serializer),
            Self::Swav(config) => BuiltIn::Swav(config).serialize(serializer),
            Self::Simsiam(config) => BuiltIn::Simsiam(config).serialize(serializer),
            Self::None => BuiltIn::None.serialize(serializer),
            Self::Other(config) => with_tag(serializer, TAG, config.name(), &config.settings()),
        }
    }
}

impl<'de> Deserialize<'de> for MethodConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (name, settings) = tagged(deserializer, TAG)?;
        let name = name.ok_or_else(|| D::Error::missing_field(TAG))?;
        let kind = METHODS
            .find(&name)
            .ok_or_else(|| unknown::<D::Error>(&name, &METHODS.names()))?;
        Ok((kind.read)(settings).map_err(D::Error::custom)?.into())
    }
}
