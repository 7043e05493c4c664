//! Which ConvNeXt a file's tensors make up.

use super::config::ConvnextConfig;
use super::names::FIRST;
use crate::advice::Advice;
use crate::archive::Problem;
use crate::backbone::found::Found;

/// Which networks a user can bring.
const NETWORKS: &str = "e2mc supports ConvNeXt v1 and v2 of four stages with a stem of patches, \
     of any width; save the embeddings of any other network as .npy to evaluate and adapt them";

fn other(expected: impl Into<String>, found: impl Into<String>) -> Problem {
    Problem {
        expected: expected.into(),
        found: found.into(),
        advice: Advice::words(NETWORKS),
    }
}

fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Reads off the network.
pub(super) fn infer(found: &Found<'_>) -> Result<ConvnextConfig, Problem> {
    let misfit = |name: &str, expected: &str| {
        let shown = match found.size(name) {
            Some(shape) => format!("{shape:?}"),
            None => "none".to_owned(),
        };
        let name = found.in_file(name);
        other(format!("`{name}` of shape {expected}"), shown)
    };
    let stem = "stem.0.weight";
    let Some(&[first, channels, patch, across]) = found.size(stem) else {
        return Err(misfit(stem, "[width, channels, patch, patch]"));
    };
    let Some(&[_, 1, kernel, _]) = found.size(FIRST) else {
        return Err(misfit(FIRST, "[width, 1, kernel, kernel]"));
    };
    if patch != across {
        return Err(misfit(stem, "[width, channels, patch, patch]"));
    }
    let block =
        |stage: usize, block: usize, part: &str| format!("stages.{stage}.blocks.{block}.{part}");
    let (mut depths, mut widths) = (Vec::new(), Vec::new());
    for stage in 0..4 {
        let depth = found.count(|number| block(stage, number, "conv_dw.weight"));
        let name = block(stage, 0, "conv_dw.weight");
        let Some(&[width, ..]) = found.size(&name).filter(|_| depth > 0) else {
            return Err(misfit(&name, "[width, 1, kernel, kernel]"));
        };
        depths.push(depth);
        widths.push(size(width));
    }
    let linear = block(0, 0, "mlp.fc1.weight");
    let Some(&[hidden, inputs, ..]) = found.size(&linear) else {
        return Err(misfit(&linear, "[hidden, width]"));
    };
    if inputs != first || inputs < 1 || hidden % inputs != 0 {
        return Err(misfit(
            &linear,
            &format!("[a multiple of {first}, {first}]"),
        ));
    }
    let hints = found.hints();
    let mut config = ConvnextConfig {
        depths,
        widths,
        patch: size(patch),
        kernel: size(kernel),
        expansion: size(hidden / inputs),
        channels: size(channels),
        layer_scale: found.has(&block(0, 0, "gamma")),
        response_norm: found.has(&block(0, 0, "mlp.grn.weight")),
        head_norm: found.has("head.norm.weight"),
        ..ConvnextConfig::default()
    };
    config.head_epsilon = match hints.epsilon {
        Some(epsilon) => epsilon,
        // Hugging Face's default.
        None if found.is_named_by("hf") => 1e-12,
        None => ConvnextConfig::EPSILON,
    };
    let mut taken = format!("layer norms of epsilon {:e}", ConvnextConfig::EPSILON);
    if config.head_epsilon != ConvnextConfig::EPSILON && hints.epsilon.is_none() {
        taken.push_str(&format!(" (the last: {:e})", config.head_epsilon));
    }
    config.assumed = Some(format!(
        "assumed, as no file says it: {taken}, GELU, and a stem whose patches do not overlap"
    ));
    found.check_size(&config, config.weights(), NETWORKS)?;
    Ok(config)
}
