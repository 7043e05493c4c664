//! What files call a ResNet's tensors, and which ResNet tensors belong to.
//!
//! All public sources use torchvision's names, which are ours: torchvision and timm, and behind a
//! prefix the authors of VICReg, SwAV, SimSiam and MoCo.

use super::config::{Architecture, ResnetConfig, Stem};
use crate::advice::Advice;
use crate::archive::Problem;
use crate::backbone::family::NetworkConfig;
use crate::backbone::found::Found;
use crate::backbone::naming::Naming;

/// A tensor whose name tells where a ResNet is.
const LANDMARK: &str = "layer1.0.conv1.weight";
/// The stem's convolution.
const STEM: &str = "conv1.weight";
/// What comes before the classifier, in order.
const PARTS: [&str; 6] = ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4"];
/// The layers in the order in which PyTorch makes them, in a network and in a block.
const ORDER: [&str; 13] = [
    "conv1",
    "bn1",
    "conv2",
    "bn2",
    "conv3",
    "bn3",
    "downsample",
    "layer1",
    "layer2",
    "layer3",
    "layer4",
    "weight",
    "bias",
];
/// Which networks a user can bring.
const NETWORKS: &str =
    "e2mc supports ResNet-18, 26, 34, 50, 101, 152 and 200 with torchvision's names, of any width";

/// torchvision's names, and the numbers that its modules have in an `nn.Sequential` of them.
/// Without a max pool they are one less from the first stage on: that naming comes first, for its
/// landmark is in no other's network, but the landmark of the one with it is in its.
pub(super) static NAMINGS: [Naming; 3] = [
    Naming {
        names: &["torchvision", "timm"],
        landmark: LANDMARK,
        classifier: "fc",
        ours: |name| {
            let (part, _) = name.split_once('.')?;
            PARTS.contains(&part).then(|| name.to_owned())
        },
        theirs: str::to_owned,
        ..Naming::PLAIN
    },
    Naming {
        names: &["sequential-small"],
        landmark: "3.0.conv1.weight",
        classifier: "fc",
        ours: |name| of_number(name, ["0", "1", "3", "4", "5", "6"]),
        theirs: |name| to_number(name, ["0", "1", "3", "4", "5", "6"]),
        ..Naming::PLAIN
    },
    Naming {
        names: &["sequential"],
        landmark: "4.0.conv1.weight",
        classifier: "fc",
        ours: |name| of_number(name, ["0", "1", "4", "5", "6", "7"]),
        theirs: |name| to_number(name, ["0", "1", "4", "5", "6", "7"]),
        ..Naming::PLAIN
    },
];

/// torchvision's name of a tensor whose part of the network is named by its number.
fn of_number(name: &str, numbers: [&str; 6]) -> Option<String> {
    let (number, rest) = name.split_once('.')?;
    let place = numbers.iter().position(|&known| known == number)?;
    Some(format!("{}.{rest}", PARTS[place]))
}

/// The inverse of [`of_number`].
fn to_number(name: &str, numbers: [&str; 6]) -> String {
    let split = name.split_once('.');
    let known = split.and_then(|(part, rest)| {
        let place = PARTS.iter().position(|&known| known == part)?;
        Some(format!("{}.{rest}", numbers[place]))
    });
    known.unwrap_or_else(|| name.to_owned())
}

/// What a file must hold, for a message.
pub(super) fn looks_like() -> String {
    format!("a ResNet (`{STEM}`, `{LANDMARK}`, …)")
}

/// A key that sorts names as PyTorch makes the modules.
pub(super) fn order(name: &str) -> Vec<usize> {
    name.split('.')
        .map(|part| {
            let place = ORDER.iter().position(|&known| known == part);
            place.or_else(|| part.parse().ok()).unwrap_or(usize::MAX)
        })
        .collect()
}

/// The stage, from 0, and the block in it that a tensor belongs to; `None` in the stem.
pub(super) fn block_of(name: &str) -> Option<(usize, usize)> {
    let mut parts = name.strip_prefix("layer")?.split('.');
    let stage: usize = parts.next()?.parse().ok()?;
    Some((stage.checked_sub(1)?, parts.next()?.parse().ok()?))
}

/// Reads off the network.
pub(super) fn infer(found: &Found<'_>) -> Result<ResnetConfig, Problem> {
    let Some(&[width, channels, kernel, _]) = found.size(STEM) else {
        return Err(other(
            "a stem of one convolution, `conv1.weight` of shape [width, channels, k, k]",
            match found.size(STEM) {
                Some(size) => format!("`{}` of shape {size:?}", found.in_file(STEM)),
                None => format!("no `{STEM}` beside `{}`", found.in_file(LANDMARK)),
            },
        ));
    };
    let blocks = [1, 2, 3, 4].map(|stage| {
        (0..)
            .take_while(|block| found.has(&format!("layer{stage}.{block}.conv1.weight")))
            .count()
    });
    let bottleneck = found.has("layer1.0.conv3.weight");
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
    let inner = found.size(LANDMARK).and_then(|size| size.first());
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
    let config = ResnetConfig {
        architecture,
        width: usize::try_from(width).unwrap_or(usize::MAX),
        stem,
        channels: usize::try_from(channels).unwrap_or(usize::MAX),
    };
    config
        .check()
        .map_err(|error| other("a network of a size in use", error.to_string()))?;
    // A name costs a hostile file nothing; the network that it stands for costs memory.
    let held = found.numbers();
    let needed = weights(&config);
    if needed > held.saturating_mul(2) {
        return Err(other(
            &format!("the {needed} weights of {config}"),
            format!("{held} numbers"),
        ));
    }
    Ok(config)
}

/// Numbers in the convolutions' weights, shortcuts aside: nearly all of a network's.
fn weights(config: &ResnetConfig) -> u64 {
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
        advice: Advice::words(NETWORKS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_as_modules_are_made() {
        let sorted = [
            "conv1.weight",
            "bn1.weight",
            "bn1.bias",
            "layer1.0.conv1.weight",
            "layer1.0.bn1.bias",
            "layer1.0.conv3.weight",
            "layer1.0.bn3.weight",
            "layer1.0.downsample.0.weight",
            "layer1.0.downsample.1.bias",
            "layer1.2.conv1.weight",
            "layer3.2.conv1.weight",
            "layer3.10.conv1.weight",
        ];
        assert!(sorted.is_sorted_by_key(|name| order(name)));
    }

    #[test]
    fn blocks_are_counted_through_the_stages() {
        let config = ResnetConfig::default();
        assert_eq!(config.layers(), 17);
        for (name, layer) in [
            ("conv1.weight", 0),
            ("bn1.bias", 0),
            ("layer1.0.conv1.weight", 1),
            ("layer2.0.downsample.1.bias", 4),
            ("layer4.2.bn3.weight", 16),
        ] {
            assert_eq!(config.layer_of(name), layer, "{name}");
        }
    }
}
