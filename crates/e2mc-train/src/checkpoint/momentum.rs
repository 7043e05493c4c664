//! What a PyTorch optimiser remembers, under our names.
//!
//! PyTorch numbers parameters in the order in which the modules were made, which is the order of
//! `model.parameters()`: the backbone in its family's order, then the heads, each layer's weight
//! before its bias. VICReg's LARS calls its buffer `mu`, torch's SGD `momentum_buffer`.

use std::collections::BTreeMap;

use super::BACKBONE_PREFIX;
use crate::archive::Unread;
use crate::backbone::Family;
use crate::layer::is_statistic;
use crate::optim::MOMENTUM;

const BUFFERS: [&str; 2] = ["mu", "momentum_buffer"];

/// The momentum of each parameter, where the file has one of the right shape for every one of them.
/// `network` holds the parameters and statistics under our names; the parameter `fixed` does not
/// train, and may be without.
pub(super) fn momentum(
    file: &BTreeMap<String, Unread>,
    network: &BTreeMap<String, Unread>,
    fixed: Option<&str>,
    family: &dyn Family,
) -> Option<Vec<(String, Unread)>> {
    let mut names: Vec<&String> = network.keys().filter(|name| !is_statistic(name)).collect();
    names.sort_by_cached_key(|name| rank(name, family));
    let count = file
        .keys()
        .filter_map(|name| name.strip_prefix("optimizer.state.")?.split('.').next())
        .filter_map(|index| index.parse::<usize>().ok())
        .max()?
        .checked_add(1)?;
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
            Some(buffer) if buffer.kind().is_some() && buffer.size() == network[name].size() => {
                momentum.push((format!("{name}.{MOMENTUM}"), buffer.clone()));
            }
            _ => return None,
        }
    }
    Some(momentum)
}

/// Sorts names as PyTorch makes the modules: the backbone, then the heads.
fn rank(name: &str, family: &dyn Family) -> Vec<usize> {
    const ORDER: [&str; 5] = ["projector", "prototypes", "predictor", "weight", "bias"];
    if let Some(name) = name.strip_prefix(BACKBONE_PREFIX) {
        let mut rank = vec![0];
        rank.extend(family.order(name));
        return rank;
    }
    name.split('.')
        .map(|part| {
            let place = ORDER.iter().position(|&known| known == part);
            let place = place.map(|place| place + 1);
            place.or_else(|| part.parse().ok()).unwrap_or(usize::MAX)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::families;

    #[test]
    fn heads_follow_the_backbone_as_modules_are_made() {
        let order = [
            "backbone.conv1.weight",
            "backbone.layer4.2.bn3.bias",
            "projector.0.weight",
            "projector.0.bias",
            "projector.10.weight",
            "prototypes.weight",
            "predictor.0.weight",
        ];
        let [resnet, ..] = families()[..] else {
            unreachable!("a built-in family")
        };
        assert!(order.is_sorted_by_key(|name| rank(name, resnet)));
    }
}
