//! What stands beside the weights in the folders of timm and Hugging Face: `config.json` and
//! `preprocessor_config.json`.

use std::fs;
use std::path::Path;

use e2mc_data::{Filter, Preprocessing};
use serde_json::Value;

use crate::advice::Advice;
use crate::archive::{Problem, brief, is_weights_name};
use crate::backbone::Hints;

/// The settings of a network.
pub(super) const CONFIG: &str = "config.json";
/// How images are prepared for it.
pub(super) const PREPROCESSOR: &str = "preprocessor_config.json";

/// What is said beside the weights.
#[derive(Clone, Debug, Default)]
pub(super) struct Companions {
    /// Settings of the network.
    pub(super) hints: Hints,
    /// Preprocessing of its images, and the file that says so.
    pub(super) preprocessing: Option<(Preprocessing, &'static str)>,
}

impl Companions {
    /// Looks in a folder, or beside a file whose name is that of the weights in such a folder.
    ///
    /// # Errors
    /// Where there is such a file, and it is not JSON or says what cannot be done.
    pub(super) fn beside(path: &Path) -> Result<Self, Problem> {
        let folder = match (path.is_dir(), path.parent()) {
            (true, _) => path,
            (false, Some(folder)) if is_weights_name(path) => folder,
            _ => return Ok(Self::default()),
        };
        let mut companions = Self::default();
        if let Some(config) = read(folder, CONFIG)? {
            companions.hints = hints(&config);
            companions.preprocessing = of_timm(&config)?.map(|found| (found, CONFIG));
        }
        if let Some(config) = read(folder, PREPROCESSOR)? {
            let found = of_hugging_face(&config)?;
            companions.preprocessing = found
                .map(|found| (found, PREPROCESSOR))
                .or(companions.preprocessing);
        }
        Ok(companions)
    }
}

fn read(folder: &Path, name: &str) -> Result<Option<Value>, Problem> {
    let path = folder.join(name);
    if !path.is_file() {
        return Ok(None);
    }
    let parsed = fs::read(&path)
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
    parsed.map(Some).map_err(|error| Problem {
        expected: format!("{name} of a model beside its weights"),
        found: brief(&error),
        advice: Advice::words(format!(
            "download {name} again, or move the weights elsewhere"
        )),
    })
}

fn whole(value: &Value, key: &str) -> Option<usize> {
    value.get(key)?.as_u64()?.try_into().ok()
}

fn text(value: &Value, key: &str) -> Option<String> {
    Some(value.get(key)?.as_str()?.to_owned())
}

/// What is said of the network: by Hugging Face at the top, by timm under `model_args`.
fn hints(config: &Value) -> Hints {
    let nothing = Value::Null;
    let of_timm = config.get("model_args").unwrap_or(&nothing);
    let input = config.pointer("/pretrained_cfg/input_size/1");
    let rope = config
        .get("rope_theta")
        .or_else(|| config.pointer("/rope_parameters/rope_theta"))
        .or_else(|| of_timm.get("rope_temperature"));
    let architecture = text(config, "architecture");
    // timm's files do not say of its CLIP networks what is special about them.
    let is = |part: &str| {
        architecture
            .as_deref()
            .is_some_and(|name| name.contains(part))
    };
    let (of_clip, quick) = (is("_clip_"), is("_quickgelu"));
    Hints {
        source: Some(CONFIG.into()),
        heads: whole(config, "num_attention_heads").or(whole(of_timm, "num_heads")),
        epsilon: config
            .get("layer_norm_eps")
            .and_then(Value::as_f64)
            .or(of_clip.then_some(1e-5)),
        activation: text(config, "hidden_act").or(quick.then(|| "quick_gelu".to_owned())),
        pool: text(config, "global_pool").or(text(of_timm, "global_pool")),
        rope_base: rope.and_then(Value::as_f64),
        image_size: whole(config, "image_size")
            .or(whole(of_timm, "img_size"))
            .or(input
                .and_then(Value::as_u64)
                .and_then(|side| side.try_into().ok())),
        architecture,
    }
}

fn unable(file: &str, expected: impl Into<String>, found: &Value) -> Problem {
    Problem {
        expected: format!("in {file} {}", expected.into()),
        found: brief(&found.to_string()),
        advice: Advice::words(format!(
            "change {file}, or move the weights elsewhere and give the preprocessing"
        )),
    }
}

/// Means or deviations: numbers of one or three channels.
fn channels(file: &str, config: &Value, key: &str) -> Result<Vec<f32>, Problem> {
    let found = config.get(key).unwrap_or(&Value::Null);
    let numbers = found.as_array().and_then(|numbers| {
        let number = |value: &Value| Some(value.as_f64()? as f32);
        numbers.iter().map(number).collect::<Option<Vec<f32>>>()
    });
    numbers
        .filter(|numbers| matches!(numbers.len(), 1 | 3))
        .ok_or_else(|| unable(file, format!("`{key}` of 1 or 3 channels"), found))
}

/// How timm prepares images: `pretrained_cfg` in `config.json`.
fn of_timm(config: &Value) -> Result<Option<Preprocessing>, Problem> {
    let Some(config) = config.get("pretrained_cfg").filter(|cfg| cfg.is_object()) else {
        return Ok(None);
    };
    let side = config.pointer("/input_size/1").and_then(Value::as_u64);
    let Some(crop) = side.and_then(|side| usize::try_from(side).ok()) else {
        return Ok(None);
    };
    let fraction = config.get("crop_pct").and_then(Value::as_f64);
    let fraction = fraction.unwrap_or(0.875);
    if !(fraction > 0.0 && fraction <= 1.0) {
        let found = config.get("crop_pct").unwrap_or(&Value::Null);
        return Err(unable(CONFIG, "`crop_pct` above 0 and at most 1", found));
    }
    let filter = config.get("interpolation").unwrap_or(&Value::Null);
    let mode = config.get("crop_mode").unwrap_or(&Value::Null);
    let mean = channels(CONFIG, config, "mean")?;
    Ok(Some(Preprocessing {
        channels: mean.len(),
        mean,
        std: channels(CONFIG, config, "std")?,
        resize: Some((crop as f64 / fraction).floor() as usize),
        crop,
        filter: match filter.as_str() {
            None | Some("bilinear") => Filter::Bilinear,
            Some("bicubic") => Filter::Bicubic,
            Some(_) => {
                return Err(unable(
                    CONFIG,
                    "`interpolation` bilinear or bicubic",
                    filter,
                ));
            }
        },
        squash: match mode.as_str() {
            None | Some("center") => false,
            Some("squash") => true,
            Some(_) => return Err(unable(CONFIG, "`crop_mode` center or squash", mode)),
        },
    }))
}

/// How Hugging Face's image processors prepare images.
fn of_hugging_face(config: &Value) -> Result<Option<Preprocessing>, Problem> {
    let says = |key: &str| config.get(key).and_then(Value::as_bool);
    let size = config.get("size").unwrap_or(&Value::Null);
    let crop = config.get("crop_size").unwrap_or(&Value::Null);
    let shorter = whole(size, "shortest_edge");
    let both = whole(size, "height").or_else(|| size.as_u64()?.try_into().ok());
    if both.is_some()
        && whole(size, "width").unwrap_or_else(|| both.unwrap_or(0)) != both.unwrap_or(0)
    {
        return Err(unable(PREPROCESSOR, "`size` of a square", size));
    }
    let crops = says("do_center_crop").unwrap_or(crop.is_object() || crop.is_number());
    let cropped = crops.then(|| whole(crop, "height").or_else(|| crop.as_u64()?.try_into().ok()));
    let fraction = config.get("crop_pct").and_then(Value::as_f64);
    let resizes = says("do_resize").unwrap_or(true);
    let (resize, crop, squash) = match (shorter, both, cropped.flatten(), fraction) {
        // A ConvNeXt's: whole images from 384 pixels on.
        (Some(side), _, None, Some(fraction)) if side < 384 && fraction > 0.0 => {
            ((side as f64 / fraction) as usize, side, false)
        }
        (Some(side), _, None, Some(_)) => (side, side, true),
        (Some(side), _, Some(crop), _) => (side, crop, false),
        (None, Some(side), Some(crop), _) => (side, crop, true),
        (None, Some(side), None, _) => (side, side, true),
        _ => return Ok(None),
    };
    let filter = config.get("resample").unwrap_or(&Value::Null);
    let (mean, std) = match says("do_normalize") {
        Some(false) => (vec![0.0; 3], vec![1.0; 3]),
        _ => (
            channels(PREPROCESSOR, config, "image_mean")?,
            channels(PREPROCESSOR, config, "image_std")?,
        ),
    };
    Ok(Some(Preprocessing {
        channels: mean.len(),
        mean,
        std,
        resize: resizes.then_some(resize),
        crop,
        // Pillow's numbers.
        filter: match filter.as_u64() {
            None | Some(2) => Filter::Bilinear,
            Some(3) => Filter::Bicubic,
            Some(_) => {
                let expected = "`resample` 2 (bilinear) or 3 (bicubic)";
                return Err(unable(PREPROCESSOR, expected, filter));
            }
        },
        squash: squash && resizes,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_timm_folder_says_how_images_are_prepared() {
        let config = json!({
            "architecture": "vit_small_patch14_dinov2", "global_pool": "token",
            "model_args": {"img_size": 518, "num_heads": 3},
            "pretrained_cfg": {
                "input_size": [3, 224, 224], "crop_pct": 0.9, "crop_mode": "center",
                "interpolation": "bicubic", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
            },
        });
        let found = of_timm(&config).unwrap().unwrap();
        assert_eq!((found.resize, found.crop), (Some(248), 224));
        assert_eq!((found.filter, found.squash), (Filter::Bicubic, false));
        assert_eq!(found.mean, [0.5; 3]);
        let hints = hints(&config);
        assert_eq!((hints.heads, hints.image_size), (Some(3), Some(518)));
        assert_eq!(hints.pool.as_deref(), Some("token"));
    }

    #[test]
    fn hugging_faces_processors_say_how_images_are_prepared() {
        let normal = |more: Value| {
            let mut config = json!({"image_mean": [0.4, 0.5, 0.6], "image_std": [0.1, 0.2, 0.3]});
            let (all, more) = (config.as_object_mut().unwrap(), more.as_object().unwrap());
            all.extend(more.clone());
            of_hugging_face(&config).unwrap().unwrap()
        };
        // DINOv2.
        let found = normal(
            json!({"size": {"shortest_edge": 256}, "do_center_crop": true,
            "crop_size": {"height": 224, "width": 224}, "resample": 3}),
        );
        assert_eq!(
            (found.resize, found.crop, found.squash),
            (Some(256), 224, false)
        );
        assert_eq!(found.filter, Filter::Bicubic);
        // ViT and DINOv3: the whole image, whatever its proportion.
        let found = normal(json!({"size": {"height": 224, "width": 224}, "resample": 2}));
        assert_eq!(
            (found.resize, found.crop, found.squash),
            (Some(224), 224, true)
        );
        // ConvNeXt.
        let found = normal(json!({"size": {"shortest_edge": 224}, "crop_pct": 0.875}));
        assert_eq!(
            (found.resize, found.crop, found.squash),
            (Some(256), 224, false)
        );
        let found = normal(json!({"size": {"shortest_edge": 384}, "crop_pct": 0.875}));
        assert_eq!(
            (found.resize, found.crop, found.squash),
            (Some(384), 384, true)
        );
        let error = of_hugging_face(&json!({"size": 224, "resample": 1,
            "image_mean": [0.5], "image_std": [0.5]}));
        assert!(error.unwrap_err().expected.contains("`resample` 2"));
    }
}
