//! How images are prepared, in the words of timm and of Hugging Face.

use e2mc_data::{Filter, Preprocessing};
use serde_json::{Value, json};

/// The name of Hugging Face's file.
pub(super) const PROCESSOR: &str = "preprocessor_config.json";

/// timm's `pretrained_cfg`.
pub(super) fn timm(evaluation: &Preprocessing, first: &str, classifier: &str) -> Value {
    let Preprocessing { crop, resize, .. } = *evaluation;
    let fraction = crop as f64 / resize.unwrap_or(crop).max(1) as f64;
    json!({
        "custom_load": false,
        "input_size": [evaluation.channels, crop, crop],
        "fixed_input_size": false,
        "interpolation": match evaluation.filter {
            Filter::Bilinear => "bilinear",
            Filter::Bicubic => "bicubic",
        },
        // timm divides by it and rounds down.
        "crop_pct": fraction * (1.0 - 1e-9),
        "crop_mode": if evaluation.squash { "squash" } else { "center" },
        "mean": decimal(&evaluation.mean),
        "std": decimal(&evaluation.std),
        "num_classes": 0,
        "first_conv": first,
        "classifier": classifier,
    })
}

/// Hugging Face's image processor.
pub(super) fn hugging_face(evaluation: &Preprocessing) -> Value {
    let Preprocessing { crop, resize, .. } = *evaluation;
    let side = resize.unwrap_or(crop);
    json!({
        "image_processor_type": "BitImageProcessor",
        "do_convert_rgb": evaluation.channels == 3,
        "do_resize": resize.is_some(),
        "size": match evaluation.squash {
            true => json!({"height": side, "width": side}),
            false => json!({"shortest_edge": side}),
        },
        "resample": match evaluation.filter {
            Filter::Bilinear => 2,
            Filter::Bicubic => 3,
        },
        "do_center_crop": true,
        "crop_size": {"height": crop, "width": crop},
        "do_rescale": true,
        "rescale_factor": 1.0 / 255.0,
        "do_normalize": true,
        "image_mean": decimal(&evaluation.mean),
        "image_std": decimal(&evaluation.std),
    })
}

/// The shortest decimals of single-precision numbers: 0.485, not 0.48500001430511475.
fn decimal(numbers: &[f32]) -> Vec<f64> {
    let shortest = |number: &f32| number.to_string().parse().unwrap_or(f64::from(*number));
    numbers.iter().map(shortest).collect()
}
