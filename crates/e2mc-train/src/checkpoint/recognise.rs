//! Finding the network in a file: where it is, whose family and names it has, which heads it wears.

use std::collections::{BTreeMap, BTreeSet};

use super::BACKBONE_PREFIX;
use super::dino;
use super::heads::{self, Heads};
use super::layout::Layout;
use crate::advice::Advice;
use crate::archive::{Problem, Unread, brief};
use crate::backbone::{BackboneConfig, Family, Found, Hints, Naming, families};
use crate::layer;

/// A file's tensors by name.
pub(super) type Tensors<'a> = BTreeMap<&'a str, &'a Unread>;

/// What a file was found to hold.
#[derive(Debug)]
pub(super) struct Recognised {
    pub(super) layout: Layout,
    /// The layout that the names speak for, whatever was asked for.
    pub(super) guessed: Layout,
    /// Whether solo-learn wrote it, whose names are like VICReg's authors'.
    pub(super) solo_learn: bool,
    pub(super) family: &'static dyn Family,
    pub(super) naming: &'static Naming,
    pub(super) backbone: BackboneConfig,
    pub(super) heads: Heads,
    /// The tensors of the network under our names.
    pub(super) network: BTreeMap<String, Unread>,
    /// The file's names of tensors that stand beside the network's and belong to nothing known,
    /// whole and without what wraps the network.
    pub(super) unexpected: Vec<(String, String)>,
    /// How many tensors of the backbone the file has, those included that are there twice.
    pub(super) of_backbone: usize,
    /// Which of several networks was taken, in words.
    pub(super) chosen: Option<String>,
    /// The layout in which the file is taken whole, where it has more than was taken.
    pub(super) whole: Option<Layout>,
    /// What else is in the file, by the first part of its name or by what it is.
    pub(super) ignored: Vec<String>,
}

/// Modules that wrap others without a name of their own: those of torch.compile,
/// DistributedDataParallel, FSDP and activation checkpointing.
const WRAPPERS: [&str; 4] = [
    "_orig_mod",
    "module",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
];

/// A name without the wrappers in it.
fn unwrapped(name: &str) -> String {
    let parts = name.split('.').filter(|part| !WRAPPERS.contains(part));
    parts.collect::<Vec<_>>().join(".")
}

/// Finds the network in a file; `wanted` overrides the guess at the layout, `network` says which of
/// several is meant, and `hints` are what is known of it beside the tensors.
pub(super) fn recognise(
    file: &BTreeMap<String, Unread>,
    wanted: Option<Layout>,
    network: Option<&str>,
    hints: &Hints,
) -> Result<Recognised, Problem> {
    let mut names: BTreeMap<String, &Unread> = BTreeMap::new();
    for (name, tensor) in file {
        let short = unwrapped(name);
        let taken = names.contains_key(&short);
        let key = if taken { name.clone() } else { short };
        if let Some(wrapped) = names.insert(key, tensor) {
            // A plain name is its own tensor's; the wrapped one keeps its whole name.
            names.insert(wrapped.name().to_owned(), wrapped);
        }
    }
    let tensors: &Tensors<'_> = &names
        .iter()
        .map(|(name, tensor)| (name.as_str(), *tensor))
        .collect();
    if wanted == Some(Layout::Dino) {
        return dino::recognise(tensors, network, hints);
    }
    let mut found = one(tensors, wanted, network, hints)?;
    found.whole = dino::is_whole(tensors).then_some(Layout::Dino);
    Ok(found)
}

/// Finds one network, and places everything else beside it.
pub(super) fn one(
    tensors: &Tensors<'_>,
    wanted: Option<Layout>,
    network: Option<&str>,
    hints: &Hints,
) -> Result<Recognised, Problem> {
    let place = Place::find(tensors, network)?;
    let found = Found::new(tensors, place.backbone, place.naming, hints)?;
    let backbone: BackboneConfig = place.family.infer(&found)?.into();
    let guessed = place.guess(tensors);
    let layout = wanted.unwrap_or(guessed);
    let (own, twice) = found.into_tensors();
    let of_backbone = own.len() + twice.len();
    let mut network: BTreeMap<String, Unread> = own
        .into_iter()
        .map(|(name, tensor)| (format!("{BACKBONE_PREFIX}{name}"), tensor))
        .collect();
    let within = |name: &str| {
        let within = name.strip_prefix(place.module.as_str());
        within.unwrap_or(name).to_owned()
    };
    let mut unexpected: Vec<(String, String)> = twice
        .into_iter()
        .map(|name| (tensors[name].name().to_owned(), within(name)))
        .collect();
    let mut ignored = Vec::new();
    let mut known = BTreeSet::new();
    let mut ignore = |part: &str| {
        if !part.is_empty() && known.insert(part.to_owned()) {
            ignored.push(part.to_owned());
        }
    };
    for (&name, &tensor) in tensors {
        let Some(within) = name.strip_prefix(place.module.as_str()) else {
            // What is not computed with is named below, with its type.
            if tensor.kind().is_some() {
                ignore(outside(name, &place.module));
            }
            continue;
        };
        let in_backbone = name.strip_prefix(place.backbone);
        match placement(layout, place.naming, within, in_backbone) {
            Placement::Backbone => {}
            Placement::Head(ours) => {
                if let Some(twice) = network.insert(ours, tensor.clone()) {
                    unexpected.push((twice.name().to_owned(), within.to_owned()));
                }
            }
            Placement::Ignored(what) => ignore(&what),
            Placement::Unexpected => {
                unexpected.push((tensor.name().to_owned(), within.to_owned()));
            }
        }
    }
    if let Some(tensor) = network.values().find(|tensor| tensor.kind().is_none()) {
        return Err(Problem::kind(tensor.name(), &tensor.kind_name()));
    }
    let mut heads = heads::infer(layout, &network, backbone.features())?;
    let solo_learn = tensors.contains_key(format!("{}classifier.weight", place.module).as_str());
    if solo_learn && !heads::is_expander(&heads, &network) {
        heads = Heads::None;
    }
    if heads == Heads::None {
        let student = network.contains_key("prototypes.weight_v");
        let all = network.len();
        network.retain(|name, _| name.starts_with(BACKBONE_PREFIX));
        if network.len() < all {
            ignored.push(match student {
                true => "the head of a student of DINO without its teacher".into(),
                false => "heads without a projector".into(),
            });
        }
    }
    ignored.extend(unusable(tensors));
    Ok(Recognised {
        chosen: place.chosen,
        whole: None,
        layout,
        guessed,
        solo_learn,
        family: place.family,
        naming: place.naming,
        backbone,
        heads,
        network,
        unexpected,
        ignored,
        of_backbone,
    })
}

/// What the names in front of a tensor's own mean.
struct Place<'a> {
    /// Family of the network, and naming scheme of its tensors.
    family: &'static dyn Family,
    naming: &'static Naming,
    /// In front of the backbone's tensors: `state_dict.module.encoder.`.
    backbone: &'a str,
    /// In front of everything that belongs to the network: `state_dict.module.`.
    module: String,
    /// Which of several networks it is, in words.
    chosen: Option<String>,
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
/// Words in the names of networks that only follow the trained one.
const FOLLOWERS: [&str; 5] = ["momentum", "target", "teacher", "ema", "optimizer"];
/// MoCo's second encoder, whose name is no word.
const KEY_ENCODER: &str = "encoder_k";

/// The words of a name: `model_ema.backbone` has three, and `semantic` has one.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

pub(super) fn has_word(name: &str, wanted: &str) -> bool {
    words(name).any(|word| word.eq_ignore_ascii_case(wanted))
}

/// Whether a network at that place only follows another.
fn follows(prefix: &str) -> bool {
    let is_key = prefix.split('.').any(|part| part == KEY_ENCODER);
    is_key || FOLLOWERS.iter().any(|word| has_word(prefix, word))
}

/// Whether a place is called so: by whole parts of the way to it, or by a word of one.
fn is_called(prefix: &str, wanted: &str) -> bool {
    let wanted = unwrapped(wanted.trim_matches('.'));
    format!(".{prefix}").contains(&format!(".{wanted}.")) || has_word(prefix, &wanted)
}

/// The first part of a name that is not on the way to the network.
fn outside<'n>(name: &'n str, module: &str) -> &'n str {
    let mut way = module.split('.');
    let other = name.split('.').find(|&part| way.next() != Some(part));
    other.unwrap_or(name)
}

/// Tensors of numbers that are not computed with, in words for a list.
fn unusable(tensors: &Tensors<'_>) -> Option<String> {
    const SHOWN: usize = 3;
    let all: Vec<&&Unread> = tensors.values().filter(|t| t.kind().is_none()).collect();
    let shown = all.iter().take(SHOWN);
    let mut words: Vec<String> = shown
        .map(|tensor| format!("`{}` of type {}", brief(tensor.name()), tensor.kind_name()))
        .collect();
    if let Some(more @ 1..) = all.len().checked_sub(SHOWN) {
        words.push(format!("{more} more such tensors"));
    }
    (!words.is_empty()).then(|| words.join(", "))
}

impl<'a> Place<'a> {
    fn find(tensors: &Tensors<'a>, network: Option<&str>) -> Result<Self, Problem> {
        let families = families();
        let namings = families
            .iter()
            .flat_map(|&family| family.namings().iter().map(move |naming| (family, naming)));
        let mut places: Vec<(_, &'static Naming, &'a str)> = Vec::new();
        let mut taken = BTreeSet::new();
        for (family, naming) in namings {
            let prefixes = tensors
                .keys()
                .filter_map(|name| name.strip_suffix(naming.landmark))
                .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'));
            for prefix in prefixes {
                // A family's namings come in the order in which they are to be tried.
                if taken.insert(prefix) {
                    places.push((family, naming, prefix));
                }
            }
        }
        let all: Vec<&str> = places.iter().map(|place| place.2).collect();
        if let Some(network) = network {
            places.retain(|place| is_called(place.2, network));
            if places.is_empty() && !all.is_empty() {
                return Err(Problem {
                    expected: format!("a network called `{}`", brief(network)),
                    found: listed(&all),
                    advice: Advice::ChooseNetwork,
                });
            }
        } else if places.iter().any(|place| has_word(place.2, "student"))
            && places.iter().any(|place| has_word(place.2, "teacher"))
        {
            // What DINO's authors evaluate.
            places.retain(|place| has_word(place.2, "teacher"));
        } else if !places.iter().all(|place| follows(place.2)) {
            places.retain(|place| !follows(place.2));
        }
        let (family, naming, backbone) = match places.as_slice() {
            &[place] => place,
            [] => return Err(unknown(&families, tensors)),
            several => {
                let several: Vec<&str> = several.iter().map(|place| place.2).collect();
                return Err(Problem {
                    expected: "one network".into(),
                    found: format!("several, under {}", listed(&several)),
                    advice: Advice::ChooseNetwork,
                });
            }
        };
        let others: Vec<&str> = all.into_iter().filter(|&other| other != backbone).collect();
        let chosen = (!others.is_empty()).then(|| {
            format!(
                "the network {} is taken, not {}",
                listed(&[backbone]),
                listed(&others)
            )
        });
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
            family,
            naming,
            backbone,
            module,
            chosen,
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
        let classifier =
            |rest: &str| starts(self.backbone, &format!("{}.{rest}", self.naming.classifier));
        let own_role = self.backbone.strip_prefix(self.module.as_str());
        if module("projection_head.layers.") {
            // Lightly's heads, which have other layers than the authors'.
            Layout::Backbone
        } else if module("projection_head.") {
            Layout::Swav
        } else if own_role == Some("base_encoder.") && module("momentum_encoder.") {
            // MoCo v3, whose heads are in the places of SimSiam's.
            Layout::Moco
        } else if module("predictor.") && classifier("0.") {
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
        } else if classifier("") && self.naming.names.contains(&"torchvision") {
            Layout::Torchvision
        } else if classifier("") {
            Layout::Timm
        } else {
            Layout::Backbone
        }
    }
}

/// Where a tensor belongs.
enum Placement {
    /// To the backbone.
    Backbone,
    /// To the heads, under this name of ours.
    Head(String),
    /// Nowhere, and that is known to be right: what it is.
    Ignored(String),
    /// Nowhere that is known.
    Unexpected,
}

/// Places a tensor by its name within the module, and within the backbone if it is there.
fn placement(
    layout: Layout,
    naming: &Naming,
    within: &str,
    in_backbone: Option<&str>,
) -> Placement {
    if layer::counts_batches(within) {
        return Placement::Ignored(String::new());
    }
    if in_backbone.and_then(naming.ours).is_some() {
        return Placement::Backbone;
    }
    if let Some(what) = in_backbone.and_then(naming.beside) {
        return Placement::Ignored(what.to_owned());
    }
    if in_backbone.is_none() && matches!(within, "map.weight" | "map.bias") {
        return Placement::Ignored("`map`, a folded map whose note is lost".to_owned());
    }
    let head = |ours: &str, rest: &str| Placement::Head(format!("{ours}.{rest}"));
    let in_head = |prefix: &str| within.strip_prefix(prefix);
    let ignored = |what: &str| Placement::Ignored(what.to_owned());
    let classifier = in_backbone
        .and_then(|name| name.strip_prefix(naming.classifier))
        .and_then(|rest| rest.strip_prefix('.'));
    match layout {
        Layout::Backbone => ignored("heads"),
        // solo-learn trains a classifier and a following network beside each method.
        Layout::Vicreg | Layout::E2mc
            if matches!(within, "classifier.weight" | "classifier.bias")
                || within.starts_with("momentum_") =>
        {
            ignored("solo-learn's classifier and second network")
        }
        Layout::Vicreg => match in_head("projector.") {
            Some(rest) => head("projector", rest),
            None => Placement::Unexpected,
        },
        Layout::E2mc => {
            let heads = ["projector.", "prototypes.", "predictor."];
            match heads.iter().any(|head| within.starts_with(head)) {
                true => Placement::Head(within.to_owned()),
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
        Layout::Dino => match dino::head(within) {
            Some(ours) => Placement::Head(ours),
            None => Placement::Unexpected,
        },
        Layout::Simsiam => match (classifier, in_head("predictor.")) {
            (Some(rest), _) => head("projector", rest),
            (_, Some(rest)) => head("predictor", rest),
            _ => Placement::Unexpected,
        },
        Layout::Moco => {
            let rest = ["encoder_k.", "momentum_encoder.", "predictor.", "queue"];
            match classifier.is_some() || rest.iter().any(|part| within.starts_with(part)) {
                true => ignored("MoCo's head, queue and second encoder"),
                false => Placement::Unexpected,
            }
        }
        Layout::Torchvision | Layout::Timm => match classifier {
            Some("weight" | "bias") => ignored(&format!("the classifier `{}`", naming.classifier)),
            _ => Placement::Unexpected,
        },
    }
}

/// Places of networks for a message.
fn listed(prefixes: &[&str]) -> String {
    const SHOWN: usize = 6;
    let shown = prefixes.iter().take(SHOWN).map(|prefix| match *prefix {
        "" => "at the top".to_owned(),
        prefix => format!("`{}`", brief(prefix)),
    });
    let mut listed = shown.collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = prefixes.len().checked_sub(SHOWN) {
        listed.push_str(&format!(" and {more} more"));
    }
    brief(&listed)
}

/// A file without a network that is known.
fn unknown(families: &[&dyn Family], tensors: &Tensors<'_>) -> Problem {
    let some: Vec<_> = tensors
        .keys()
        .take(3)
        .map(|name| format!("`{}`", brief(name)))
        .collect();
    let each = |say: fn(&dyn Family) -> String| {
        let all: Vec<String> = families.iter().map(|&family| say(family)).collect();
        all.join(" or ")
    };
    Problem {
        expected: format!("the tensors of {}", each(|family| family.looks_like())),
        found: match tensors.len() {
            0 => "no tensor".into(),
            1 => format!("one tensor ({})", some.join("")),
            count => format!("{count} tensors ({}, …)", some.join(", ")),
        },
        advice: Advice::words(format!(
            "{}; save the embeddings of any other network as .npy to evaluate and adapt them",
            each(|family| family.advice().to_owned())
        )),
    }
}
