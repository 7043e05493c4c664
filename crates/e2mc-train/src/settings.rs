//! Settings on their way between a recipe and the configuration that they are for.
//!
//! A recipe says under one key which backbone or method is meant, and whoever has that name reads
//! the rest.

use serde::de::{DeserializeOwned, Error};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The settings under `[backbone]` or `[method]`, without the key that says which.
pub type Settings = serde_json::Map<String, serde_json::Value>;

/// The settings that a configuration is saved as.
///
/// # Panics
/// Where it does not become an object, as every structure with named fields does.
pub fn settings_of(config: &impl Serialize) -> Settings {
    match serde_json::to_value(config) {
        Ok(serde_json::Value::Object(settings)) => settings,
        other => panic!("a configuration becomes an object, not {other:?}"),
    }
}

/// The configuration that settings say.
///
/// # Errors
/// Where a setting is unknown, missing or of another type.
pub fn read_settings<C: DeserializeOwned>(settings: Settings) -> Result<C, serde_json::Error> {
    serde_json::from_value(serde_json::Value::Object(settings))
}

/// Takes settings apart: what the key `tag` says, and the rest.
pub(crate) fn tagged<'de, D: Deserializer<'de>>(
    deserializer: D,
    tag: &'static str,
) -> Result<(Option<String>, Settings), D::Error> {
    let mut settings = Settings::deserialize(deserializer)?;
    let name = settings.remove(tag).map(serde_json::from_value).transpose();
    Ok((name.map_err(D::Error::custom)?, settings))
}

/// Writes settings under their tag.
pub(crate) fn with_tag<S: Serializer>(
    serializer: S,
    tag: &str,
    name: &str,
    settings: &Settings,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(settings.len() + 1))?;
    map.serialize_entry(tag, name)?;
    for (key, value) in settings {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

/// The error of a name that nobody has.
pub(crate) fn unknown<E: Error>(name: &str, known: &[&str]) -> E {
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    E::custom(format!(
        "unknown variant `{name}`, expected one of {}",
        known.join(", ")
    ))
}
