//! What files call a ConvNeXt's tensors. Our names are timm's.

use crate::backbone::naming::Naming;
use crate::backbone::table::replaced;

/// Stages of all public networks; a number that is no stage's is no name of one.
const STAGES: usize = 4;
/// The depthwise filter of the first block: a tensor whose name tells where a ConvNeXt is.
pub(super) const FIRST: &str = "stages.0.blocks.0.conv_dw.weight";

/// A public naming: what it calls the parts of the network. A part is named by what comes before a
/// stage's number, the number of the first stage, how much it grows, and what comes behind.
struct Style {
    stem: [&'static str; 2],
    downsample: (&'static str, usize, usize, &'static str),
    block: (&'static str, usize, usize, &'static str),
    /// Parts of a block, ours first.
    inside: &'static [(&'static str, &'static str)],
    norm: &'static str,
}

impl Style {
    fn part((before, first, step, behind): (&str, usize, usize, &str), stage: usize) -> String {
        format!("{before}{}{behind}", first + step * stage)
    }

    fn ours(&self, name: &str) -> Option<String> {
        let after = |part: &str| name.strip_prefix(part)?.strip_prefix('.');
        for (number, part) in self.stem.iter().enumerate() {
            if let Some(rest) = after(part) {
                return Some(format!("stem.{number}.{rest}"));
            }
        }
        if let Some(rest) = after(self.norm) {
            return Some(format!("head.norm.{rest}"));
        }
        for stage in 0..STAGES {
            let downsample = after(&Self::part(self.downsample, stage)).filter(|_| stage > 0);
            if let Some(rest) = downsample {
                return Some(format!("stages.{stage}.downsample.{rest}"));
            }
            let Some((block, rest)) =
                after(&Self::part(self.block, stage)).and_then(|rest| rest.split_once('.'))
            else {
                continue;
            };
            if block.parse::<usize>().is_ok() {
                let pairs = self.inside.iter().map(|&(own, theirs)| (theirs, own));
                let own = replaced(rest, pairs).unwrap_or_else(|| rest.to_owned());
                return Some(format!("stages.{stage}.blocks.{block}.{own}"));
            }
        }
        None
    }

    fn theirs(&self, name: &str) -> String {
        self.known(name).unwrap_or_else(|| name.to_owned())
    }

    fn known(&self, name: &str) -> Option<String> {
        if let Some(rest) = name.strip_prefix("stem.") {
            let (number, rest) = rest.split_once('.')?;
            let part = self.stem.get(number.parse::<usize>().ok()?)?;
            return Some(format!("{part}.{rest}"));
        }
        if let Some(rest) = name.strip_prefix("head.norm.") {
            return Some(format!("{}.{rest}", self.norm));
        }
        let (stage, rest) = name.strip_prefix("stages.")?.split_once('.')?;
        let stage = stage.parse::<usize>().ok()?;
        if let Some(rest) = rest.strip_prefix("downsample.") {
            return Some(format!("{}.{rest}", Self::part(self.downsample, stage)));
        }
        let (block, rest) = rest.strip_prefix("blocks.")?.split_once('.')?;
        let theirs = replaced(rest, self.inside.iter().copied())?;
        Some(format!(
            "{}.{block}.{theirs}",
            Self::part(self.block, stage)
        ))
    }
}

/// The authors'.
static AUTHORS: Style = Style {
    stem: ["downsample_layers.0.0", "downsample_layers.0.1"],
    downsample: ("downsample_layers.", 0, 1, ""),
    block: ("stages.", 0, 1, ""),
    inside: &[
        ("conv_dw", "dwconv"),
        ("norm", "norm"),
        ("mlp.fc1", "pwconv1"),
        ("mlp.grn.weight", "grn.gamma"),
        ("mlp.grn.bias", "grn.beta"),
        ("mlp.fc2", "pwconv2"),
        ("gamma", "gamma"),
    ],
    norm: "norm",
};

static TORCHVISION: Style = Style {
    stem: ["features.0.0", "features.0.1"],
    downsample: ("features.", 0, 2, ""),
    block: ("features.", 1, 2, ""),
    inside: &[
        ("conv_dw", "block.0"),
        ("norm", "block.2"),
        ("mlp.fc1", "block.3"),
        ("mlp.fc2", "block.5"),
        ("gamma", "layer_scale"),
    ],
    norm: "classifier.0",
};

static HUGGING_FACE: Style = Style {
    stem: ["embeddings.patch_embeddings", "embeddings.layernorm"],
    downsample: ("encoder.stages.", 0, 1, ".downsampling_layer"),
    block: ("encoder.stages.", 0, 1, ".layers"),
    inside: &[
        ("conv_dw", "dwconv"),
        ("norm", "layernorm"),
        ("mlp.fc1", "pwconv1"),
        ("mlp.grn", "grn"),
        ("mlp.fc2", "pwconv2"),
        ("gamma", "layer_scale_parameter"),
    ],
    norm: "layernorm",
};

/// Hugging Face's names of DINOv3's.
static DINOV3: Style = Style {
    stem: [
        "stages.0.downsample_layers.0",
        "stages.0.downsample_layers.1",
    ],
    downsample: ("stages.", 0, 1, ".downsample_layers"),
    block: ("stages.", 0, 1, ".layers"),
    inside: &[
        ("conv_dw", "depthwise_conv"),
        ("norm", "layer_norm"),
        ("mlp.fc1", "pointwise_conv1"),
        ("mlp.fc2", "pointwise_conv2"),
        ("gamma", "gamma"),
    ],
    norm: "layer_norm",
};

pub(super) static NAMINGS: [Naming; 5] = [
    Naming {
        names: &["timm"],
        landmark: FIRST,
        classifier: "head.fc",
        ours: |name| {
            let parts = ["stem.", "stages.", "head.norm.", "norm_pre."];
            let known = parts.iter().any(|part| name.starts_with(part));
            known.then(|| name.to_owned())
        },
        theirs: str::to_owned,
        ..Naming::PLAIN
    },
    Naming {
        names: &["convnext"],
        landmark: "stages.0.0.dwconv.weight",
        classifier: "head",
        ours: |name| AUTHORS.ours(name),
        theirs: |name| AUTHORS.theirs(name),
        shape: |name, size| match (name.contains(".mlp.grn."), size) {
            (true, &[width]) => vec![1, 1, 1, width],
            _ => size.to_vec(),
        },
        beside: |name| (name == "mask_token").then_some("the mask's token"),
        ..Naming::PLAIN
    },
    Naming {
        names: &["torchvision"],
        landmark: "features.1.0.block.0.weight",
        classifier: "classifier.2",
        ours: |name| TORCHVISION.ours(name),
        theirs: |name| TORCHVISION.theirs(name),
        shape: |name, size| match (name.ends_with(".gamma"), size) {
            (true, &[width]) => vec![width, 1, 1],
            _ => size.to_vec(),
        },
        ..Naming::PLAIN
    },
    Naming {
        names: &["hf"],
        landmark: "encoder.stages.0.layers.0.dwconv.weight",
        classifier: "classifier",
        ours: |name| HUGGING_FACE.ours(name),
        theirs: |name| HUGGING_FACE.theirs(name),
        shape: |name, size| match (name.contains(".mlp.grn."), size) {
            (true, &[width]) => vec![1, 1, 1, width],
            _ => size.to_vec(),
        },
        ..Naming::PLAIN
    },
    Naming {
        names: &["hf-dinov3"],
        landmark: "stages.0.layers.0.depthwise_conv.weight",
        classifier: "classifier",
        ours: |name| DINOV3.ours(name),
        theirs: |name| DINOV3.theirs(name),
        ..Naming::PLAIN
    },
];

/// The modules in the order in which PyTorch lists their parameters.
const ORDER: [&str; 13] = [
    "stem",
    "stages",
    "downsample",
    "blocks",
    "gamma",
    "conv_dw",
    "mlp",
    "fc1",
    "grn",
    "fc2",
    "head",
    "weight",
    "bias",
];

/// A key that sorts names as PyTorch lists the parameters.
pub(super) fn order(name: &str) -> Vec<usize> {
    // The norm of a block comes before its linear layers, and that of the head last.
    name.split('.')
        .map(|part| {
            let known = if part == "norm" { "conv_dw" } else { part };
            let place = ORDER.iter().position(|&name| name == known);
            let place = place.map(|place| 2 * place + usize::from(part == "norm"));
            place.or_else(|| part.parse().ok()).unwrap_or(usize::MAX)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        let of = |who: &str| NAMINGS.iter().find(|naming| naming.names.contains(&who));
        for (who, theirs, own) in [
            ("convnext", "downsample_layers.0.1.bias", "stem.1.bias"),
            (
                "convnext",
                "downsample_layers.2.1.weight",
                "stages.2.downsample.1.weight",
            ),
            (
                "convnext",
                "stages.2.8.grn.gamma",
                "stages.2.blocks.8.mlp.grn.weight",
            ),
            ("convnext", "norm.bias", "head.norm.bias"),
            ("torchvision", "features.0.0.weight", "stem.0.weight"),
            (
                "torchvision",
                "features.4.1.bias",
                "stages.2.downsample.1.bias",
            ),
            (
                "torchvision",
                "features.5.8.layer_scale",
                "stages.2.blocks.8.gamma",
            ),
            ("torchvision", "classifier.0.weight", "head.norm.weight"),
            (
                "hf",
                "encoder.stages.1.downsampling_layer.0.weight",
                "stages.1.downsample.0.weight",
            ),
            (
                "hf",
                "encoder.stages.3.layers.2.layer_scale_parameter",
                "stages.3.blocks.2.gamma",
            ),
            (
                "hf-dinov3",
                "stages.0.downsample_layers.0.weight",
                "stem.0.weight",
            ),
            (
                "hf-dinov3",
                "stages.1.layers.2.pointwise_conv2.bias",
                "stages.1.blocks.2.mlp.fc2.bias",
            ),
        ] {
            let naming = of(who).unwrap();
            assert_eq!((naming.ours)(theirs).as_deref(), Some(own), "{theirs}");
            assert_eq!((naming.theirs)(own), theirs);
        }
        for naming in &NAMINGS {
            assert_eq!((naming.ours)("queue"), None);
            let landmark = (naming.ours)(naming.landmark);
            assert_eq!(landmark.as_deref(), Some(FIRST));
        }
    }

    #[test]
    fn names_are_sorted_as_parameters_are_listed() {
        let sorted = [
            "stem.0.weight",
            "stem.1.bias",
            "stages.0.blocks.0.gamma",
            "stages.0.blocks.0.conv_dw.weight",
            "stages.0.blocks.0.norm.weight",
            "stages.0.blocks.0.mlp.fc1.weight",
            "stages.0.blocks.0.mlp.grn.weight",
            "stages.0.blocks.0.mlp.fc2.weight",
            "stages.1.downsample.0.weight",
            "stages.1.blocks.10.gamma",
            "head.norm.weight",
        ];
        assert!(sorted.is_sorted_by_key(|name| order(name)));
    }
}
