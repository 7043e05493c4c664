//! What files call a vision transformer's tensors.
//!
//! Our names are timm's, which DINO, DINOv2, MAE, MoCo v3 and iBOT share but for a few; DINOv3's
//! and the shards of FSDP are read under the same table. torchvision and Hugging Face have their
//! own.

use crate::backbone::naming::{Naming, Pieces};
use crate::backbone::table::Table;

/// The embedding of patches: a tensor whose name tells where a vision transformer is.
pub(super) const PATCHES: &str = "patch_embed.proj.weight";

/// What [`Naming::beside`] says of the token that stands for patches that are hidden.
pub(super) const MASK: &str = "the mask's token";

/// What is a network's, by the starts of timm's names.
const OWN: &[&str] = &[
    "cls_token",
    "reg_token",
    "pos_embed",
    "patch_embed.",
    "blocks.",
    "norm.",
    "norm_pre.",
    "fc_norm.",
    "attn_pool.",
    "rel_pos_bias.",
    "rope.",
];

/// timm's names, and DINOv2's, DINOv3's and those of timm's networks with rotary positions.
static TIMM: Table = Table {
    outside: &[
        ("reg_token", "register_tokens"),
        ("reg_token", "storage_tokens"),
    ],
    block: "blocks.",
    inside: &[],
    also: &[
        ("attn.q", "attn.q_proj"),
        ("attn.k", "attn.k_proj"),
        ("attn.v", "attn.v_proj"),
        ("attn.q.bias", "attn.q_bias"),
        ("attn.k.bias", "attn.k_bias"),
        ("attn.v.bias", "attn.v_bias"),
        ("ls1.gamma", "gamma_1"),
        ("ls2.gamma", "gamma_2"),
        ("mlp.fc1", "mlp.w12"),
        ("mlp.gate", "mlp.w1"),
        ("mlp.up", "mlp.w2"),
        ("mlp.fc2", "mlp.w3"),
        ("mlp.gate", "mlp.fc1_g"),
        ("mlp.up", "mlp.fc1_x"),
    ],
    claims: OWN,
};

/// timm's names of networks with rotary positions (its class `Eva`).
static EVA: Table = Table {
    outside: &[],
    block: "blocks.",
    inside: &[
        ("ls1.gamma", "gamma_1"),
        ("ls2.gamma", "gamma_2"),
        ("attn.q.bias", "attn.q_bias"),
        ("attn.k.bias", "attn.k_bias"),
        ("attn.v.bias", "attn.v_bias"),
    ],
    also: &[],
    claims: OWN,
};

static TORCHVISION: Table = Table {
    outside: &[
        ("patch_embed.proj", "conv_proj"),
        ("cls_token", "class_token"),
        ("pos_embed", "encoder.pos_embedding"),
        ("norm", "encoder.ln"),
    ],
    block: "encoder.layers.encoder_layer_",
    inside: &[
        ("norm1", "ln_1"),
        ("norm2", "ln_2"),
        ("attn.qkv.weight", "self_attention.in_proj_weight"),
        ("attn.qkv.bias", "self_attention.in_proj_bias"),
        ("attn.proj", "self_attention.out_proj"),
        ("mlp.fc1", "mlp.0"),
        ("mlp.fc2", "mlp.3"),
    ],
    // Before version 0.13.
    also: &[("mlp.fc1", "mlp.linear_1"), ("mlp.fc2", "mlp.linear_2")],
    claims: &["encoder.", "conv_proj.", "class_token"],
};

/// Hugging Face's names outside the blocks of ViT and DINOv2.
const HF_OUTSIDE: &[(&str, &str)] = &[
    ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
    ("cls_token", "embeddings.cls_token"),
    ("reg_token", "embeddings.register_tokens"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("norm", "layernorm"),
];
const HF_CLAIMS: &[&str] = &["embeddings.", "encoder.", "layernorm."];

static HF_VIT: Table = Table {
    outside: HF_OUTSIDE,
    block: "encoder.layer.",
    inside: &[
        ("norm1", "layernorm_before"),
        ("norm2", "layernorm_after"),
        ("attn.q", "attention.attention.query"),
        ("attn.k", "attention.attention.key"),
        ("attn.v", "attention.attention.value"),
        ("attn.proj", "attention.output.dense"),
        ("mlp.fc1", "intermediate.dense"),
        ("mlp.fc2", "output.dense"),
    ],
    also: &[],
    claims: HF_CLAIMS,
};

/// A ViT as transformers 5 has it in memory; its files have the older names.
static HF_VIT_5: Table = Table {
    outside: HF_OUTSIDE,
    block: "layers.",
    inside: &[
        ("norm1", "layernorm_before"),
        ("norm2", "layernorm_after"),
        ("attn.q", "attention.q_proj"),
        ("attn.k", "attention.k_proj"),
        ("attn.v", "attention.v_proj"),
        ("attn.proj", "attention.o_proj"),
    ],
    also: &[],
    claims: &["embeddings.", "layernorm."],
};

/// Modules of a block of Hugging Face's DINOv2, without the linear layers.
macro_rules! hf_dinov2 {
    ($first:literal, $second:literal) => {
        Table {
            outside: HF_OUTSIDE,
            block: "encoder.layer.",
            inside: &[
                ("attn.q", "attention.attention.query"),
                ("attn.k", "attention.attention.key"),
                ("attn.v", "attention.attention.value"),
                ("attn.proj", "attention.output.dense"),
                ("ls1.gamma", "layer_scale1.lambda1"),
                ("ls2.gamma", "layer_scale2.lambda1"),
                ("mlp.fc1", $first),
                ("mlp.fc2", $second),
            ],
            also: &[],
            claims: HF_CLAIMS,
        }
    };
}

static HF_DINOV2: Table = hf_dinov2!("mlp.fc1", "mlp.fc2");
static HF_DINOV2_GATED: Table = hf_dinov2!("mlp.weights_in", "mlp.weights_out");

/// Hugging Face's names of DINOv3; `$up` is what our first linear layer or its second half is
/// there.
macro_rules! hf_dinov3 {
    ($own:literal) => {
        Table {
            outside: &[
                ("patch_embed.proj", "embeddings.patch_embeddings"),
                ("cls_token", "embeddings.cls_token"),
                ("reg_token", "embeddings.register_tokens"),
                ("norm", "norm"),
            ],
            block: "layer.",
            inside: &[
                ("attn.q", "attention.q_proj"),
                ("attn.k", "attention.k_proj"),
                ("attn.v", "attention.v_proj"),
                ("attn.proj", "attention.o_proj"),
                ("ls1.gamma", "layer_scale1.lambda1"),
                ("ls2.gamma", "layer_scale2.lambda1"),
                ("mlp.gate", "mlp.gate_proj"),
                ($own, "mlp.up_proj"),
                ("mlp.fc2", "mlp.down_proj"),
            ],
            also: &[],
            claims: &["embeddings.", "norm."],
        }
    };
}

static HF_DINOV3: Table = hf_dinov3!("mlp.fc1");
static HF_DINOV3_GATED: Table = hf_dinov3!("mlp.up");

/// Queries, keys and values apart.
const QKV: Pieces = Pieces {
    whole: "attn.qkv",
    parts: &["attn.q", "attn.k", "attn.v"],
    unbiased: None,
    written: &["weight", "bias"],
};
/// The same of DINOv3, whose keys have no bias.
const QKV_OF_DINOV3: Pieces = Pieces {
    unbiased: Some(1),
    ..QKV
};
/// The halves of a gated layer apart.
const GATED: Pieces = Pieces {
    whole: "mlp.fc1",
    parts: &["mlp.gate", "mlp.up"],
    unbiased: None,
    written: &["weight", "bias"],
};
/// The same where files are written with both in one.
const READ_GATED: Pieces = Pieces {
    written: &[],
    ..GATED
};

/// A block's number with the chunk that it is in, as DINOv2's FSDP wraps them: `blocks.1.7.` is
/// block 7.
fn unchunked(name: &str) -> Option<String> {
    let rest = name.strip_prefix("blocks.")?;
    let (chunk, rest) = rest.split_once('.')?;
    let (block, _) = rest.split_once('.')?;
    let number = |text: &str| text.parse::<usize>().is_ok();
    (number(chunk) && number(block)).then(|| format!("blocks.{rest}"))
}

fn timm(name: &str) -> Option<String> {
    if beside_timm(name).is_some() {
        return None;
    }
    let whole = unchunked(name);
    // Whatever token there is more: a network without it is another.
    let token = !name.contains('.') && (name.ends_with("_token") || name.ends_with("_tokens"));
    let own = TIMM.ours(whole.as_deref().unwrap_or(name));
    own.or_else(|| token.then(|| name.to_owned()))
}

fn beside_timm(name: &str) -> Option<&'static str> {
    match name {
        "mask_token" | "masked_embed" => Some(MASK),
        "rope_embed.periods" => Some("the periods of positions"),
        _ if name.ends_with(".attn.qkv.bias_mask") => Some("the mask of biases"),
        _ if name.starts_with("decoder_") => Some("the decoder"),
        _ => None,
    }
}

fn beside_hf(name: &str) -> Option<&'static str> {
    match name {
        "embeddings.mask_token" => Some(MASK),
        _ if name.starts_with("pooler.") => Some("the pooler"),
        _ => None,
    }
}

/// What Hugging Face's tables say of a name that is no other's.
fn hf(table: &Table, name: &str) -> Option<String> {
    match beside_hf(name) {
        Some(_) => None,
        None => table.ours(name),
    }
}

/// A naming of Hugging Face's.
macro_rules! hugging_face {
    ($name:literal, $landmark:literal, $table:ident, $pieces:expr) => {
        Naming {
            names: &[$name],
            landmark: $landmark,
            classifier: "classifier",
            ours: |name| hf(&$table, name),
            theirs: |name| $table.theirs(name),
            pieces: $pieces,
            beside: beside_hf,
            ..Naming::PLAIN
        }
    };
}

pub(super) static NAMINGS: [Naming; 9] = [
    Naming {
        names: &["timm"],
        landmark: PATCHES,
        classifier: "head",
        ours: timm,
        theirs: str::to_owned,
        pieces: &[
            Pieces {
                written: &[],
                ..QKV_OF_DINOV3
            },
            READ_GATED,
        ],
        beside: beside_timm,
        ..Naming::PLAIN
    },
    // timm's networks with rotary positions are found and read under the first; this is for
    // writing.
    Naming {
        names: &["timm-rope"],
        landmark: PATCHES,
        classifier: "head",
        ours: |name| EVA.ours(name),
        theirs: |name| EVA.theirs(name),
        pieces: &[Pieces {
            written: &["bias"],
            ..QKV_OF_DINOV3
        }],
        ..Naming::PLAIN
    },
    Naming {
        names: &["torchvision"],
        landmark: "conv_proj.weight",
        classifier: "heads.head",
        ours: |name| TORCHVISION.ours(name),
        theirs: |name| TORCHVISION.theirs(name),
        ..Naming::PLAIN
    },
    hugging_face!(
        "hf-dinov3-gated",
        "layer.0.mlp.gate_proj.weight",
        HF_DINOV3_GATED,
        &[QKV_OF_DINOV3, GATED]
    ),
    hugging_face!(
        "hf-dinov3",
        "layer.0.attention.o_proj.weight",
        HF_DINOV3,
        &[QKV_OF_DINOV3]
    ),
    hugging_face!(
        "hf-vit",
        "encoder.layer.0.layernorm_before.weight",
        HF_VIT,
        &[QKV]
    ),
    hugging_face!(
        "hf-vit-5",
        "layers.0.layernorm_before.weight",
        HF_VIT_5,
        &[QKV]
    ),
    hugging_face!(
        "hf-dinov2-gated",
        "encoder.layer.0.mlp.weights_in.weight",
        HF_DINOV2_GATED,
        &[QKV]
    ),
    hugging_face!(
        "hf-dinov2",
        "embeddings.patch_embeddings.projection.weight",
        HF_DINOV2,
        &[QKV]
    ),
];

/// The modules in the order in which timm makes them, in a network and in a block.
const ORDER: [&str; 24] = [
    "cls_token",
    "reg_token",
    "pos_embed",
    "patch_embed",
    "norm_pre",
    "blocks",
    "norm1",
    "attn",
    "qkv",
    "q_norm",
    "k_norm",
    "proj",
    "ls1",
    "norm2",
    "mlp",
    "fc1",
    "fc2",
    "ls2",
    "norm",
    "fc_norm",
    "gamma",
    "weight",
    "bias",
    "head",
];

/// A key that sorts names as PyTorch makes the modules.
pub(super) fn order(name: &str) -> Vec<usize> {
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

    /// What the naming called `who` makes of a file's name.
    fn ours(who: &str, name: &str) -> Option<String> {
        let naming = NAMINGS.iter().find(|naming| naming.names.contains(&who));
        (naming.unwrap().ours)(name)
    }

    #[test]
    fn names_of_many_hands_are_one() {
        for (who, theirs, own) in [
            ("timm", "register_tokens", "reg_token"),
            ("timm", "storage_tokens", "reg_token"),
            ("timm", "blocks.1.7.norm1.bias", "blocks.7.norm1.bias"),
            ("timm", "blocks.7.mlp.w12.weight", "blocks.7.mlp.fc1.weight"),
            ("timm", "blocks.7.mlp.w1.weight", "blocks.7.mlp.gate.weight"),
            ("timm", "blocks.7.gamma_1", "blocks.7.ls1.gamma"),
            ("timm", "blocks.7.attn.q_bias", "blocks.7.attn.q.bias"),
            ("torchvision", "class_token", "cls_token"),
            (
                "torchvision",
                "encoder.layers.encoder_layer_3.mlp.linear_2.bias",
                "blocks.3.mlp.fc2.bias",
            ),
            (
                "hf-dinov3",
                "layer.4.mlp.up_proj.weight",
                "blocks.4.mlp.fc1.weight",
            ),
            (
                "hf-dinov3-gated",
                "layer.4.mlp.up_proj.weight",
                "blocks.4.mlp.up.weight",
            ),
        ] {
            assert_eq!(ours(who, theirs).as_deref(), Some(own), "{theirs}");
        }
        for name in ["mask_token", "decoder_blocks.0.norm1.weight", "head.weight"] {
            assert_eq!(ours("timm", name), None, "{name}");
        }
        // Tokens of kinds that are not known are not skipped.
        assert!(ours("timm", "dist_token").is_some());
        assert!(ours("hf-vit", "embeddings.distillation_token").is_some());
    }

    #[test]
    fn what_is_written_is_read_back() {
        for naming in &NAMINGS {
            let mut names = vec![
                "patch_embed.proj.weight",
                "cls_token",
                "norm.bias",
                "blocks.3.norm1.weight",
                "blocks.3.attn.proj.bias",
                "blocks.3.mlp.fc2.weight",
            ];
            let written = naming.pieces.iter().map(|pieces| pieces.written);
            match written.flatten().any(|&tensor| tensor == "weight") {
                true => names.extend(["blocks.3.attn.q.weight", "blocks.3.attn.v.bias"]),
                false => names.extend(["blocks.3.attn.qkv.weight", "blocks.3.attn.qkv.bias"]),
            }
            for name in names {
                let back = (naming.ours)(&(naming.theirs)(name));
                assert_eq!(back.as_deref(), Some(name), "{:?}", naming.names);
            }
        }
    }

    #[test]
    fn names_are_sorted_as_modules_are_made() {
        let sorted = [
            "cls_token",
            "pos_embed",
            "patch_embed.proj.weight",
            "patch_embed.proj.bias",
            "blocks.0.norm1.weight",
            "blocks.0.attn.qkv.weight",
            "blocks.0.attn.proj.weight",
            "blocks.0.ls1.gamma",
            "blocks.0.norm2.weight",
            "blocks.0.mlp.fc1.weight",
            "blocks.2.norm1.weight",
            "blocks.10.norm1.weight",
            "norm.weight",
        ];
        assert!(sorted.is_sorted_by_key(|name| order(name)));
    }
}
