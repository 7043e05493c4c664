//! Which vision transformer a file's tensors make up, and what is assumed of it.

use super::config::{Activation, Mlp, Pool, Positions, Resize, VitConfig};
use super::names::{MASK, PATCHES};
use crate::advice::Advice;
use crate::archive::{Problem, brief};
use crate::backbone::found::Found;

/// Which networks a user can bring.
const NETWORKS: &str = "e2mc supports vision transformers with square patches of one size, class \
     token or none, registers, LayerScale, SwiGLU and learned or rotary positions; save the \
     embeddings of any other network as .npy to evaluate and adapt them";

fn other(expected: impl Into<String>, found: impl Into<String>) -> Problem {
    Problem {
        expected: expected.into(),
        found: found.into(),
        advice: Advice::words(NETWORKS),
    }
}

/// A size in a shape; those of a file fit into 63 bits.
fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The shape of a tensor that there must be.
fn needed<'f>(found: &'f Found<'_>, name: &str) -> Result<&'f [i64], Problem> {
    found.size(name).ok_or_else(|| {
        let name = found.in_file(name);
        other(format!("`{name}`"), "none")
    })
}

/// Reads off the network.
pub(super) fn infer(found: &Found<'_>) -> Result<VitConfig, Problem> {
    // Its tensors are a plain one's; it only computes in another order.
    if let Some(name) = found.hints().architecture.as_deref()
        && name.contains("_rpn_")
    {
        let expected = "layer norms in front of what they normalise";
        return Err(other(expected, format!("`{}`", brief(name))));
    }
    let misfit = |name: &str, expected: String| {
        let shape = found.size(name).unwrap_or_default();
        let name = found.in_file(name);
        other(
            format!("`{name}` of shape {expected}"),
            format!("{shape:?}"),
        )
    };
    let &[width, channels, patch, across] = needed(found, PATCHES)? else {
        return Err(misfit(PATCHES, "[width, channels, patch, patch]".into()));
    };
    if patch != across {
        return Err(misfit(
            PATCHES,
            format!("[{width}, {channels}, {patch}, {patch}]"),
        ));
    }
    let depth = found.count(|block| format!("blocks.{block}.norm1.weight"));
    if depth == 0 {
        let first = found.in_file("blocks.0.norm1.weight");
        return Err(other(format!("blocks from `{first}` on"), "none"));
    }
    let qkv = "blocks.0.attn.qkv.weight";
    if needed(found, qkv)? != [width.saturating_mul(3), width] {
        return Err(misfit(
            qkv,
            format!("[{}, {width}]", width.saturating_mul(3)),
        ));
    }
    let (first, second) = ("blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc2.weight");
    let &[_, hidden] = needed(found, second)? else {
        return Err(misfit(second, "[width, hidden]".into()));
    };
    let mlp = match *needed(found, first)? {
        [rows, _] if rows == hidden => Mlp::Plain,
        [rows, _] if Some(rows) == hidden.checked_mul(2) => Mlp::Swiglu,
        _ => return Err(misfit(first, format!("[{hidden}, {width}]"))),
    };
    let class_token = found.has("cls_token");
    let registers = match found.size("reg_token") {
        Some(&[1, count, _]) => size(count),
        Some(_) => return Err(misfit("reg_token", format!("[1, registers, {width}]"))),
        None => 0,
    };
    let mut config = VitConfig {
        patch: size(patch),
        channels: size(channels),
        width: size(width),
        depth,
        hidden: size(hidden),
        mlp,
        class_token,
        registers,
        norm_after_pool: found.has("fc_norm.weight"),
        pre_norm: found.has("norm_pre.weight"),
        qk_norm: found.has("blocks.0.attn.q_norm.weight"),
        qkv_bias: found.has("blocks.0.attn.qkv.bias"),
        patch_bias: found.has("patch_embed.proj.bias"),
        layer_scale: found.has("blocks.0.ls1.gamma"),
        ..VitConfig::default()
    };
    place(&mut config, found)?;
    // DINOv3's authors and timm keep 0 there.
    let rope = config.positions == Positions::Rope && found.is_named_by("timm");
    config.key_bias = !rope && !found.is_completed("blocks.0.attn.qkv.bias");
    if config.norm_after_pool || !class_token {
        config.pool = Pool::Mean;
    }
    take(&mut config, found)?;
    found.check_size(&config, config.weights(), NETWORKS)?;
    Ok(config)
}

/// How tokens know their places.
fn place(config: &mut VitConfig, found: &Found<'_>) -> Result<(), Problem> {
    let Some(shape) = found.size("pos_embed") else {
        // Rotary positions are in no tensor. DINOv3's are known; other networks have others.
        let of_dinov3 = config.layer_scale && config.class_token && config.registers > 0;
        if !of_dinov3 || config.norm_after_pool {
            let name = found.in_file("pos_embed");
            let expected = format!(
                "positions in `{name}`, or the LayerScale, class token and registers of DINOv3"
            );
            return Err(other(expected, "neither"));
        }
        let side = found.hints().image_size.unwrap_or(224);
        config.positions = Positions::Rope;
        config.placed = 0;
        config.image_size = (side / config.patch.max(1)).max(1) * config.patch;
        return Ok(());
    };
    let of_eva = ["weight", "bias"].map(|tensor| format!("blocks.0.attn.qkv.{tensor}"));
    if found.is_named_by("timm") && of_eva.iter().any(|name| found.is_joined(name)) {
        let expected = "queries, keys and values in one, or no learned positions";
        let eva = "both, as in EVA-02, which also rotates queries";
        return Err(other(expected, eva));
    }
    let rows = match *shape {
        [1, rows, width] if size(width) == config.width => size(rows),
        _ => 0,
    };
    let class = usize::from(config.class_token);
    let side = |count: usize| -> Option<usize> {
        let root = (count as f64).sqrt().round() as usize;
        (root > 0 && root.checked_mul(root) == Some(count)).then_some(root)
    };
    let (placed, grid) = [class, 0, config.prefix()]
        .into_iter()
        .find_map(|placed| Some((placed, side(rows.checked_sub(placed)?)?)))
        .ok_or_else(|| {
            let name = found.in_file("pos_embed");
            other(
                format!("`{name}` of shape [1, grid x grid, {}]", config.width),
                format!("{shape:?}"),
            )
        })?;
    config.positions = Positions::Learned;
    config.resize = resize(config, found);
    config.placed = placed;
    config.image_size = grid.saturating_mul(config.patch);
    Ok(())
}

/// How the library that gave the file its names resizes positions. Bare files of DINO cannot be told
/// from timm's.
fn resize(config: &VitConfig, found: &Found<'_>) -> Resize {
    let registers = config.registers > 0;
    if ["hf-vit", "hf-vit-5"]
        .iter()
        .any(|who| found.is_named_by(who))
    {
        return Resize::Plain;
    }
    let of_dinov2 = ["hf-dinov2", "hf-dinov2-gated"];
    if of_dinov2.iter().any(|who| found.is_named_by(who)) && !registers {
        return Resize::Plain;
    }
    // DINO's, iBOT's and DINOv2's whole checkpoints, and DINOv2's backbones, which keep their mask.
    let whole = found.is_within("student") || found.is_within("teacher");
    let dinov2 = config.layer_scale && found.has_beside(MASK);
    match found.is_named_by("timm") && !registers && (whole || dinov2) {
        true => Resize::Offset,
        false => Resize::Antialias,
    }
}

/// Attention heads of public networks whose heads are not 64 wide, by width, with learned positions
/// and without: ViT-H and So400m, the giants of OpenCLIP; DINOv3's 7B.
fn known_heads(config: &VitConfig) -> Option<usize> {
    match (config.positions, config.width) {
        (Positions::Learned, 1152 | 1280 | 1408 | 1664) => Some(16),
        (Positions::Rope, 4096) => Some(32),
        _ => None,
    }
}

/// Takes what no shape tells from what is said beside the tensors, or for granted, and says so.
fn take(config: &mut VitConfig, found: &Found<'_>) -> Result<(), Problem> {
    let hints = found.hints();
    let (mut said, mut granted): (Vec<String>, Vec<String>) = Default::default();
    let heads = |heads: usize| match heads {
        1 => "1 head".to_owned(),
        _ => format!("{heads} heads"),
    };
    let normed = match found.size("blocks.0.attn.q_norm.weight") {
        Some(&[head]) if head > 0 => Some(config.width / size(head)),
        _ => None,
    };
    config.heads = match (hints.heads, normed, known_heads(config)) {
        (Some(count), ..) => {
            said.push(heads(count));
            count
        }
        (None, Some(count), _) => count,
        (None, None, Some(count)) => {
            granted.push(format!(
                "{} (as public networks of this width)",
                heads(count)
            ));
            count
        }
        _ if config.width.is_multiple_of(VitConfig::HEAD) => {
            let count = config.width / VitConfig::HEAD;
            granted.push(format!("{} (width / {})", heads(count), VitConfig::HEAD));
            count
        }
        _ => {
            return Err(Problem {
                expected: format!("a width that is a multiple of {}", VitConfig::HEAD),
                found: format!(
                    "{}, so that the number of heads must be given",
                    config.width
                ),
                advice: Advice::ChangeArgument("heads"),
            });
        }
    };
    let rope = config.positions == Positions::Rope;
    let norms = |epsilon: f64| format!("layer norms of epsilon {epsilon:e}");
    config.epsilon = match hints.epsilon {
        Some(epsilon) => {
            said.push(norms(epsilon));
            epsilon
        }
        None => {
            // Hugging Face's default for a ViT, and the layer norm of DINOv3.
            let epsilon = if found.is_named_by("hf-vit") || found.is_named_by("hf-vit-5") {
                1e-12
            } else if rope {
                1e-5
            } else {
                VitConfig::EPSILON
            };
            granted.push(norms(epsilon));
            epsilon
        }
    };
    match &hints.activation {
        Some(name) => {
            config.activation = Activation::named(name).ok_or_else(|| {
                other(
                    "an activation that e2mc supports, such as gelu",
                    format!("`{name}`"),
                )
            })?;
            said.push(name.clone());
        }
        None if config.mlp == Mlp::Plain => granted.push("GELU".into()),
        None => {}
    }
    if rope {
        let positions = |base: f64| format!("rotary positions of base {base}");
        match hints.rope_base {
            Some(base) => {
                config.rope_base = base;
                said.push(positions(base));
            }
            None => granted.push(positions(config.rope_base)),
        }
    }
    match hints.pool.as_deref() {
        Some("token") => config.pool = Pool::Class,
        Some("avg") => {
            config.pool = Pool::Mean;
            said.push("the mean of the patches".into());
        }
        _ => {}
    }
    let mut words = Vec::new();
    if !said.is_empty() {
        let by = match &hints.source {
            Some(file) => format!("as {file} says"),
            None => "as asked for".into(),
        };
        words.push(format!("{by}: {}", said.join(", ")));
    }
    if !granted.is_empty() {
        let granted = granted.join(", ");
        words.push(format!("assumed, as no file says it: {granted}"));
    }
    config.assumed = (!words.is_empty()).then(|| words.join("; "));
    Ok(())
}
