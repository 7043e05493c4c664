//! Whose checkpoint it is: where the public ones keep the backbone and the heads, and under which
//! names.
//!
//! | layout | backbone | heads |
//! |---|---|---|
//! | `vicreg` | `backbone.` | `projector.N.` |
//! | `swav` | without prefix | `projection_head.N.`, `prototypes.` |
//! | `simsiam` | `encoder.` | `encoder.fc.N.`, `predictor.N.` |
//! | `moco` | `encoder_q.` | none that a method here has |
//! | `torchvision`, `timm` | without prefix | the classifier `fc.`, left out |
//! | `e2mc` | `backbone.` or without prefix | `projector.N.`, `prototypes.`, `predictor.N.` |
//! | `backbone` | any of these | left out, whatever they are |
//!
//! Around them come any wrappers: dictionaries (`state_dict`, `model`, `net`) and modules
//! (`module.`). They are not looked up but found: the backbone is where the tensors of a first
//! block are. The names are those of the authors' public code and of torchvision.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::architecture::{self, LANDMARK};
use super::heads::{self, Heads};
use super::problem::brief;
use super::unread::Unread;
use super::{BACKBONE_PREFIX, Problem};
use crate::Error;
use crate::backbone::BackboneConfig;

/// A file's tensors by name.
pub(super) type Tensors<'a> = BTreeMap<&'a str, &'a Unread>;

/// Whose names a checkpoint's tensors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// This project's own names.
    E2mc,
    /// VICReg's public full checkpoint.
    Vicreg,
    /// SwAV's public checkpoints.
    Swav,
    /// SimSiam's public checkpoints.
    Simsiam,
    /// MoCo and its like: a query encoder beside one that follows it.
    Moco,
    /// torchvision's ResNet with its classifier.
    Torchvision,
    /// timm's ResNet, whose names are torchvision's.
    Timm,
    /// The backbone of any of these, whatever else is in the file.
    Backbone,
}

impl Layout {
    /// Every layout.
    pub const ALL: [Self; 8] = [
        Self::E2mc,
        Self::Vicreg,
        Self::Swav,
        Self::Simsiam,
        Self::Moco,
        Self::Torchvision,
        Self::Timm,
        Self::Backbone,
    ];

    /// The lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::E2mc => "e2mc",
            Self::Vicreg => "vicreg",
            Self::Swav => "swav",
            Self::Simsiam => "simsiam",
            Self::Moco => "moco",
            Self::Torchvision => "torchvision",
            Self::Timm => "timm",
            Self::Backbone => "backbone",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layout {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|layout| layout.name() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                Error::config("layout", format!("one of {names}"), format!("`{name}`"))
            })
    }
}

/// What a file was found to hold.
#[derive(Debug)]
pub(super) struct Recognised {
    pub(super) layout: Layout,
    pub(super) backbone: BackboneConfig,
    pub(super) heads: Heads,
    /// Our name of each tensor of the network, and the file's.
    pub(super) network: BTreeMap<String, String>,
    /// The file's names of tensors that stand beside the network's and belong to nothing known.
    pub(super) unexpected: Vec<String>,
    /// What else is in the file, by the first part of its name or by what it is.
    pub(super) ignored: Vec<String>,
}

/// Finds the network in a file; `wanted` overrides the guess at the layout.
pub(super) fn recognise(
    tensors: &Tensors<'_>,
    wanted: Option<Layout>,
) -> Result<Recognised, Problem> {
    let place = Place::find(tensors)?;
    let backbone = architecture::infer(tensors, &place.backbone)?;
    let layout = wanted.unwrap_or_else(|| place.guess(tensors));
    let mut network = BTreeMap::new();
    let mut unexpected = Vec::new();
    let mut ignored = Vec::new();
    let mut ignore = |part: &str| {
        if !part.is_empty() && !ignored.iter().any(|ignored| ignored == part) {
            ignored.push(part.to_owned());
        }
    };
    for &name in tensors.keys() {
        let Some(within) = name.strip_prefix(place.module.as_str()) else {
            ignore(name.split('.').next().unwrap_or(name));
            continue;
        };
        let in_backbone = name.strip_prefix(place.backbone.as_str());
        match placement(layout, within, in_backbone) {
            Placement::Network(ours) => {
                if let Some(twice) = network.insert(ours, name.to_owned()) {
                    unexpected.push(twice);
                }
            }
            Placement::Ignored(what) => ignore(what),
            Placement::Unexpected => unexpected.push(name.to_owned()),
        }
    }
    let heads = heads::infer(layout, &network, tensors, backbone.features())?;
    if heads == Heads::None {
        let all = network.len();
        network.retain(|name, _| name.starts_with(BACKBONE_PREFIX));
        if network.len() < all {
            ignored.push("heads without a projector".into());
        }
    }
    Ok(Recognised {
        layout,
        backbone,
        heads,
        network,
        unexpected,
        ignored,
    })
}

/// What the names in front of a tensor's own mean.
struct Place {
    /// In front of the backbone's tensors: `state_dict.module.encoder.`.
    backbone: String,
    /// In front of everything that belongs to the network: `state_dict.module.`.
    module: String,
}

/// Attributes under which modules keep their backbone.
const ROLES: [&str; 8] = [
    "backbone",
    "encoder",
    "encoder_q",
    "base_encoder",
    "online_encoder",
    "student",
    "trunk",
    "resnet",
];
/// Parts of the names of networks that only follow the trained one.
const FOLLOWERS: [&str; 6] = [
    "encoder_k",
    "momentum",
    "target",
    "teacher",
    "ema",
    "optimizer",
];

impl Place {
    fn find(tensors: &Tensors<'_>) -> Result<Self, Problem> {
        let mut prefixes: Vec<&str> = tensors
            .keys()
            .filter_map(|name| name.strip_suffix(LANDMARK))
            .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
            .collect();
        let follows = |prefix: &&str| FOLLOWERS.iter().any(|part| prefix.contains(part));
        if !prefixes.iter().all(follows) {
            prefixes.retain(|prefix| !follows(prefix));
        }
        let backbone = match prefixes.as_slice() {
            &[prefix] => prefix,
            [] => {
                let some: Vec<_> = tensors
                    .keys()
                    .take(3)
                    .map(|name| format!("`{}`", brief(name)))
                    .collect();
                return Err(Problem {
                    expected: format!("the tensors of a ResNet (`conv1.weight`, `{LANDMARK}`, …)"),
                    found: match tensors.len() {
                        0 => "no tensor".into(),
                        count => format!("{count} tensors ({}, …)", some.join(", ")),
                    },
                    hint: "give a checkpoint whose network is a ResNet with torchvision's names"
                        .into(),
                });
            }
            several => {
                return Err(Problem {
                    expected: "one network".into(),
                    found: format!("several, under `{}`", brief(&several.join("`, `"))),
                    hint: "save the state_dict of the one you want alone with torch.save".into(),
                });
            }
        };
        let outside = backbone.strip_suffix('.').unwrap_or(backbone);
        let (module, role) = outside
            .rsplit_once('.')
            .map_or(("", outside), |(a, b)| (a, b));
        let module = match (ROLES.contains(&role), module) {
            (false, _) => backbone.to_owned(),
            (true, "") => String::new(),
            (true, module) => format!("{module}."),
        };
        Ok(Self {
            backbone: backbone.to_owned(),
            module,
        })
    }

    /// The layout that the names beside the backbone's speak for.
    fn guess(&self, tensors: &Tensors<'_>) -> Layout {
        let starts = |prefix: &str, name: &str| {
            let start = format!("{prefix}{name}");
            tensors
                .range(start.as_str()..)
                .next()
                .is_some_and(|(name, _)| name.starts_with(&start))
        };
        let module = |name: &str| starts(&self.module, name);
        let encoder = |name: &str| starts(&self.backbone, name);
        let own_role = self.backbone.strip_prefix(&self.module);
        if module("projection_head.") {
            Layout::Swav
        } else if module("predictor.") && encoder("fc.0.") {
            Layout::Simsiam
        } else if module("projector.") {
            let others = module("prototypes.") || module("predictor.");
            if own_role == Some("backbone.") && !others {
                Layout::Vicreg
            } else {
                Layout::E2mc
            }
        } else if own_role == Some("encoder_q.") || module("encoder_k.") || module("queue") {
            Layout::Moco
        } else if encoder("fc.") {
            Layout::Torchvision
        } else {
            Layout::Backbone
        }
    }
}

/// Where a tensor belongs.
enum Placement {
    /// To the network, under this name of ours.
    Network(String),
    /// Nowhere, and that is known to be right: what it is.
    Ignored(&'static str),
    /// Nowhere that is known.
    Unexpected,
}

/// Places a tensor by its name within the module, and within the backbone if it is there.
fn placement(layout: Layout, within: &str, in_backbone: Option<&str>) -> Placement {
    // Batch norm's count of batches decides nothing.
    if within.ends_with("num_batches_tracked") {
        return Placement::Ignored("");
    }
    if let Some(name) = in_backbone.filter(|name| is_resnet(name)) {
        return Placement::Network(format!("{BACKBONE_PREFIX}{name}"));
    }
    let head = |ours: &str, rest: &str| Placement::Network(format!("{ours}.{rest}"));
    let in_head = |prefix: &str| within.strip_prefix(prefix);
    let fc = in_backbone.and_then(|name| name.strip_prefix("fc."));
    match layout {
        Layout::Backbone => Placement::Ignored("heads"),
        Layout::Vicreg => match in_head("projector.") {
            Some(rest) => head("projector", rest),
            None => Placement::Unexpected,
        },
        Layout::E2mc => {
            let heads = ["projector.", "prototypes.", "predictor."];
            match heads.iter().any(|head| within.starts_with(head)) {
                true => Placement::Network(within.to_owned()),
                false => Placement::Unexpected,
            }
        }
        Layout::Swav => match (in_head("projection_head."), in_head("prototypes.")) {
            // Without a hidden layer the head is a Linear, not a Sequential of one.
            (Some(rest @ ("weight" | "bias")), _) => head("projector.0", rest),
            (Some(rest), _) => head("projector", rest),
            (_, Some("weight")) => head("prototypes", "weight"),
            _ => Placement::Unexpected,
        },
        Layout::Simsiam => match (fc, in_head("predictor.")) {
            (Some(rest), _) => head("projector", rest),
            (_, Some(rest)) => head("predictor", rest),
            _ => Placement::Unexpected,
        },
        Layout::Moco => {
            let rest = ["encoder_k.", "momentum_encoder.", "queue"];
            match fc.is_some() || rest.iter().any(|part| within.starts_with(part)) {
                true => Placement::Ignored("MoCo's head, queue and second encoder"),
                false => Placement::Unexpected,
            }
        }
        Layout::Torchvision | Layout::Timm => match fc {
            Some("weight" | "bias") => Placement::Ignored("the classifier `fc`"),
            _ => Placement::Unexpected,
        },
    }
}

/// Whether a backbone's tensor is one of torchvision's ResNet before its classifier.
fn is_resnet(name: &str) -> bool {
    ["conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4."]
        .iter()
        .any(|part| name.starts_with(part))
}
