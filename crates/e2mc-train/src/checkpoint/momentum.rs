//! What a PyTorch optimiser remembers, under our names.
//!
//! PyTorch numbers parameters in the order in which the modules were made, which is the order of
//! `model.parameters()`: for these networks the stem, the blocks, the heads, each layer's weight
//! before its bias. VICReg's LARS calls its buffer `mu`, torch's SGD `momentum_buffer`.

use std::collections::BTreeMap;

use super::unread::Unread;
use crate::optim::MOMENTUM;

const BUFFERS: [&str; 2] = ["mu", "momentum_buffer"];

/// The momentum of each parameter, where the file has one of the right shape for every one of them.
/// `network` holds the parameters and statistics under our names; the parameter `fixed` does not
/// train, and may be without.
pub(super) fn momentum(
    file: &BTreeMap<String, Unread>,
    network: &BTreeMap<String, Unread>,
    fixed: Option<&str>,
) -> Option<Vec<(String, Unread)>> {
    let mut names: Vec<&String> = network
        .keys()
        .filter(|name| !name.ends_with("running_mean") && !name.ends_with("running_var"))
        .collect();
    names.sort_by_cached_key(|name| rank(name));
    let count = file
        .keys()
        .filter_map(|name| name.strip_prefix("optimizer.state.")?.split('.').next())
        .filter_map(|index| index.parse::<usize>().ok())
        .max()?
        + 1;
    // Parameters that no network of ours has would shift the numbers of those behind them.
    if count > names.len() {
        return None;
    }
    let mut momentum = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        let buffer = BUFFERS
            .iter()
            .find_map(|buffer| file.get(&format!("optimizer.state.{index}.{buffer}")));
        match buffer {
            _ if fixed == Some(name.as_str()) => {}
            Some(buffer) if buffer.size() == network[name].size() => {
                momentum.push((format!("{name}.{MOMENTUM}"), buffer.clone()));
            }
            _ => return None,
        }
    }
    Some(momentum)
}

/// Sorts names as PyTorch makes the modules.
fn rank(name: &str) -> Vec<usize> {
    const ORDER: [&str; 17] = [
        "backbone",
        "projector",
        "prototypes",
        "predictor",
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
    name.split('.')
        .map(|part| {
            let place = ORDER.iter().position(|&known| known == part);
            place.or_else(|| part.parse().ok()).unwrap_or(usize::MAX)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_as_modules_are_made() {
        let order = [
            "backbone.conv1.weight",
            "backbone.bn1.weight",
            "backbone.bn1.bias",
            "backbone.layer1.0.conv1.weight",
            "backbone.layer1.0.bn1.bias",
            "backbone.layer1.0.conv3.weight",
            "backbone.layer1.0.bn3.weight",
            "backbone.layer1.0.downsample.0.weight",
            "backbone.layer1.0.downsample.1.bias",
            "backbone.layer1.2.conv1.weight",
            "backbone.layer3.2.conv1.weight",
            "backbone.layer3.10.conv1.weight",
            "projector.0.weight",
            "projector.0.bias",
            "projector.10.weight",
            "prototypes.weight",
            "predictor.0.weight",
        ];
        assert!(order.is_sorted_by_key(|name| rank(name)));
    }
}
