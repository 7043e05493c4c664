//! Which heads a file has, and how wide they are.

use std::collections::BTreeMap;

use super::layout::Layout;
use crate::advice::Advice;
use crate::archive::{Problem, Unread, brief};

/// A method's heads, as far as a file has them: what decides their shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heads {
    /// A backbone alone.
    None,
    /// VICReg's expander: widths of its layers.
    Vicreg { projector: Vec<usize> },
    /// SwAV's projection head, and its prototypes if they are there.
    Swav {
        projector: Vec<usize>,
        prototypes: Option<usize>,
    },
    /// SimSiam's projector and the hidden width of its predictor, if that is there.
    Simsiam {
        projector: Vec<usize>,
        predictor: Option<usize>,
    },
    /// DINO's head: widths of its layers, and how many scores its last layer gives.
    Dino {
        projector: Vec<usize>,
        prototypes: usize,
    },
}

/// The heads that the network's tensors make up: `network` has each under our name.
pub(super) fn infer(
    layout: Layout,
    network: &BTreeMap<String, Unread>,
    features: usize,
) -> Result<Heads, Problem> {
    let size = |name: &str| network.get(name).map(Unread::size);
    let projector = linear_widths("projector", network, features)?;
    let has = |name: &str| network.keys().any(|ours| ours.starts_with(name));
    let method = match layout {
        // Without its teacher a student of DINO cannot go on.
        Layout::E2mc if size("prototypes.weight_v").is_some() => return Ok(Heads::None),
        Layout::E2mc if has("prototypes.") => Layout::Swav,
        Layout::E2mc if has("predictor.") => Layout::Simsiam,
        Layout::E2mc => Layout::Vicreg,
        layout => layout,
    };
    if projector.is_empty() {
        return Ok(Heads::None);
    }
    let dims = *projector.last().expect("it is not empty");
    Ok(match method {
        Layout::Swav => {
            let prototypes = match size("prototypes.weight") {
                Some(&[count, width]) if width == dims as i64 && count > 0 => Some(count as usize),
                Some(size) => return Err(misfit("prototypes.weight", dims, size)),
                None => None,
            };
            Heads::Swav {
                projector,
                prototypes,
            }
        }
        Layout::Simsiam => {
            let predictor = linear_widths("predictor", network, dims)?;
            Heads::Simsiam {
                projector,
                predictor: predictor.first().copied(),
            }
        }
        Layout::Dino => dino(network, projector)?,
        _ => Heads::Vicreg { projector },
    })
}

/// DINO's head behind its widths: no batch norm, and a last layer with weight normalisation.
fn dino(network: &BTreeMap<String, Unread>, projector: Vec<usize>) -> Result<Heads, Problem> {
    let of_norm = |(name, _): &(&String, &Unread)| {
        name.starts_with("projector.") && name.ends_with(".running_mean")
    };
    if let Some((_, tensor)) = network.iter().find(of_norm) {
        return Err(Problem {
            expected: "heads of linear layers with GELU between them".into(),
            found: format!("batch norm, `{}`", brief(tensor.name())),
            advice: Advice::LeaveHeadsOut,
        });
    }
    let part = |name: &str| network.get(&format!("prototypes.{name}"));
    let (Some(directions), Some(lengths)) = (part("weight_v"), part("weight_g")) else {
        return Err(Problem {
            expected: "a last layer with weight normalisation, `last_layer.weight_g` and \
                       `last_layer.weight_v`"
                .into(),
            found: "none".into(),
            advice: Advice::LeaveHeadsOut,
        });
    };
    let dims = *projector.last().expect("the caller has checked it");
    match *directions.size() {
        [count, width] if width == dims as i64 && count > 0 => {
            if lengths.numel() != count as u64 {
                return Err(Problem {
                    expected: format!("`{}` of shape [{count}, 1]", brief(lengths.name())),
                    found: format!("the shape {:?}", lengths.size()),
                    advice: Advice::LeaveHeadsOut,
                });
            }
            Ok(Heads::Dino {
                projector,
                prototypes: count as usize,
            })
        }
        _ => Err(misfit(directions.name(), dims, directions.size())),
    }
}

/// Whether heads are VICReg's expander layer by layer: a bias in all but the last.
pub(super) fn is_expander(heads: &Heads, network: &BTreeMap<String, Unread>) -> bool {
    let Heads::Vicreg { projector } = heads else {
        return false;
    };
    let last = projector.len() - 1;
    (0..=last).all(|layer| {
        let bias = format!("projector.{}.bias", 3 * layer);
        network.contains_key(&bias) == (layer < last)
    })
}

/// Widths of the linear layers under `head` in their order, each of which takes what the one before
/// gives, the first `inputs`.
fn linear_widths(
    head: &str,
    network: &BTreeMap<String, Unread>,
    inputs: usize,
) -> Result<Vec<usize>, Problem> {
    let mut layers: Vec<(u32, &str, &[i64])> = network
        .iter()
        .filter_map(|(ours, tensor)| {
            let index = ours.strip_prefix(head)?.strip_prefix('.')?;
            let index = index.strip_suffix(".weight")?.parse().ok()?;
            let size = tensor.size();
            // Batch norm's weights have one dimension.
            (size.len() > 1).then_some((index, tensor.name(), size))
        })
        .collect();
    layers.sort_unstable();
    let mut inputs = inputs;
    layers
        .into_iter()
        .map(|(_, name, size)| match *size {
            [outputs, columns] if columns == inputs as i64 && outputs > 0 => {
                inputs = outputs as usize;
                Ok(inputs)
            }
            _ => Err(misfit(name, inputs, size)),
        })
        .collect()
}

fn misfit(name: &str, inputs: usize, size: &[i64]) -> Problem {
    Problem {
        expected: format!(
            "`{}` with {inputs} inputs, as many as the layer before gives",
            brief(name)
        ),
        found: format!("the shape {size:?}"),
        advice: Advice::LeaveHeadsOut,
    }
}
