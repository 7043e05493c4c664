//! Which network tensors belong to, from their names and shapes.

use tch::Kind;

use super::Problem;
use super::layout::Tensors;
use super::problem::brief;
use crate::backbone::{Architecture, BackboneConfig, Stem};

/// A tensor whose name tells where a ResNet is.
pub(super) const LANDMARK: &str = "layer1.0.conv1.weight";

/// Reads off the network whose tensors' names start with `prefix`.
pub(super) fn infer(tensors: &Tensors<'_>, prefix: &str) -> Result<BackboneConfig, Problem> {
    let has = |name: &str| tensors.contains_key(format!("{prefix}{name}").as_str());
    let size = |name: &str| {
        tensors
            .get(format!("{prefix}{name}").as_str())
            .map(|t| t.size())
    };
    let Some(&[width, channels, kernel, _]) = size("conv1.weight") else {
        return Err(other(
            "a stem of one convolution, `conv1.weight` of shape [width, channels, k, k]",
            match size("conv1.weight") {
                Some(size) => format!("`{}conv1.weight` of shape {size:?}", brief(prefix)),
                None => format!("no `conv1.weight` beside `{}{LANDMARK}`", brief(prefix)),
            },
        ));
    };
    let blocks = [1, 2, 3, 4].map(|stage| {
        (0..)
            .take_while(|block| has(&format!("layer{stage}.{block}.conv1.weight")))
            .count()
    });
    let bottleneck = has("layer1.0.conv3.weight");
    let architecture = Architecture::ALL
        .into_iter()
        .find(|depth| depth.blocks() == blocks && depth.bottleneck() == bottleneck)
        .ok_or_else(|| {
            let names = Architecture::ALL.map(Architecture::name).join(", ");
            let kind = if bottleneck { "bottleneck" } else { "basic" };
            other(
                &format!("one of {names}"),
                format!("{blocks:?} {kind} blocks"),
            )
        })?;
    let inner = size(LANDMARK).and_then(|size| size.first());
    if inner != Some(&width) {
        return Err(other(
            "a ResNet that is as wide inside its first block as after its stem",
            format!("{width} and {inner:?}, as in torchvision's wide_resnet and ResNeXt"),
        ));
    }
    let stem = match kernel {
        7 => Stem::Imagenet,
        3 => Stem::Small,
        _ => {
            let found = format!("a kernel of {kernel} x {kernel}");
            return Err(other("a stem of 7 x 7 or 3 x 3", found));
        }
    };
    let config = BackboneConfig {
        architecture,
        width: usize::try_from(width).unwrap_or(usize::MAX),
        stem,
        channels: usize::try_from(channels).unwrap_or(usize::MAX),
    };
    config
        .check()
        .map_err(|error| other("a network of a size in use", error.to_string()))?;
    // A name costs a hostile file nothing; the network that it stands for costs memory.
    let held: u64 = tensors
        .iter()
        .filter(|(name, tensor)| name.starts_with(prefix) && is_float(tensor.kind()))
        .map(|(_, tensor)| tensor.numel())
        .sum();
    let needed = weights(&config);
    if needed > held.saturating_mul(2) {
        return Err(other(
            &format!("the {needed} weights of {config}"),
            format!("{held} numbers"),
        ));
    }
    Ok(config)
}

/// Whether a kind can hold a network's weights.
pub(super) fn is_float(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double
    )
}

/// Numbers in the convolutions' weights, shortcuts aside: nearly all of a network's.
fn weights(config: &BackboneConfig) -> u64 {
    let expansion = config.expansion() as u64;
    let mut inputs = config.width as u64;
    let mut total = 0;
    for (stage, count) in config.architecture.blocks().into_iter().enumerate() {
        let width = (config.width as u64) << stage;
        for _ in 0..count {
            total += if config.architecture.bottleneck() {
                width * (inputs + 9 * width + expansion * width)
            } else {
                9 * width * (inputs + width)
            };
            inputs = width * expansion;
        }
    }
    total
}

fn other(expected: &str, found: String) -> Problem {
    Problem {
        expected: expected.into(),
        found,
        hint: "e2mc knows ResNet-18, 34, 50, 101 and 200 with torchvision's names, of any width"
            .into(),
    }
}
