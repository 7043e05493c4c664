//! A vision transformer for others' libraries: whose network it is there, and what its folder says.

use std::collections::BTreeMap;

use e2mc_data::Preprocessing;
use serde_json::{Map, Value, json};
use tch::{Kind, Tensor};

use super::config::{Activation, Mlp, Pool, Positions, VitConfig};
use crate::Error;
use crate::backbone::processor;

/// The network that it is in a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// timm's `VisionTransformer`.
    Timm,
    /// timm's `Eva`, with rotary positions.
    TimmRope,
    Torchvision,
    HfVit,
    HfDinov2,
    HfDinov3,
}

/// Positions and tokens as a library keeps them.
const POSITIONS: &str = "pos_embed";
const CLASS: &str = "cls_token";
const REGISTERS: &str = "reg_token";

impl VitConfig {
    /// What it is in a library; `None` where the library has no such network.
    pub(super) fn given(&self, library: &str) -> Option<Given> {
        let rope = self.positions == Positions::Rope;
        let learned = self.positions == Positions::Learned;
        let plain = self.mlp == Mlp::Plain;
        let sparse = self.layer_scale || self.registers > 0 || !plain;
        // Parts that neither torchvision nor Hugging Face has.
        let odd = self.pre_norm || self.qk_norm || self.norm_after_pool || !self.patch_bias;
        let given = match library {
            "timm" | "timm-rope" if rope => Given::TimmRope,
            "timm" => Given::Timm,
            "torchvision" => Given::Torchvision,
            "hf" | "hf-dinov3" | "hf-dinov3-gated" if rope => Given::HfDinov3,
            "hf" | "hf-dinov2" | "hf-dinov2-gated" if sparse => Given::HfDinov2,
            "hf" | "hf-vit" => Given::HfVit,
            _ => return None,
        };
        let whole = self.class_token && !odd;
        let fits = match given {
            Given::Timm => learned && self.pool != Pool::ClassAndMean,
            Given::TimmRope => {
                let odd = self.pre_norm || self.qk_norm || !self.patch_bias || self.key_bias;
                self.class_token && self.layer_scale && !odd
            }
            Given::Torchvision => {
                let gelu = self.activation == Activation::Gelu;
                let class = self.pool == Pool::Class;
                learned && whole && !sparse && gelu && class && self.qkv_bias
            }
            Given::HfVit => learned && whole && !sparse,
            Given::HfDinov2 => learned && whole && self.mlp_ratio().is_some(),
            Given::HfDinov3 => whole && self.layer_scale,
        };
        fits.then_some(given)
    }

    /// The name of the naming whose names it has there.
    pub(super) fn named(&self, given: Given) -> &'static str {
        let plain = self.mlp == Mlp::Plain;
        match given {
            Given::Timm => "timm",
            Given::TimmRope => "timm-rope",
            Given::Torchvision => "torchvision",
            Given::HfVit => "hf-vit",
            Given::HfDinov2 if plain => "hf-dinov2",
            Given::HfDinov2 => "hf-dinov2-gated",
            Given::HfDinov3 if plain => "hf-dinov3",
            Given::HfDinov3 => "hf-dinov3-gated",
        }
    }

    /// The ratio by which Hugging Face's DINOv2 comes to the hidden width, if there is one.
    fn mlp_ratio(&self) -> Option<Value> {
        let width = self.width;
        let of = |ratio: f64| match self.mlp {
            Mlp::Plain => (width as f64 * ratio) as usize,
            Mlp::Swiglu => ((width as f64 * ratio) as usize * 2 / 3).div_ceil(8) * 8,
        };
        let whole = (1..=16).find(|&ratio| of(f64::from(ratio)) == self.hidden);
        if let Some(ratio) = whole {
            return Some(json!(ratio));
        }
        let numbers = match self.mlp {
            Mlp::Plain => self.hidden as f64,
            Mlp::Swiglu => self.hidden as f64 * 1.5,
        };
        let ratio = (numbers + 0.5) / width as f64;
        (of(ratio) == self.hidden).then(|| json!(ratio))
    }

    /// Moves what the library adds to other tokens, or to none, into the tokens themselves: the
    /// same sums.
    pub(super) fn refitted(
        &self,
        given: Given,
        tensors: &mut BTreeMap<String, Tensor>,
    ) -> Result<(), Error> {
        let class = usize::from(self.class_token);
        let placed = match given {
            // All tokens before the patches, or none.
            Given::Timm if self.placed == self.prefix() => self.placed,
            Given::Timm => 0,
            Given::Torchvision | Given::HfVit | Given::HfDinov2 => class,
            Given::TimmRope | Given::HfDinov3 => 0,
        };
        if let Some(positions) = tensors.get(POSITIONS).map(Tensor::shallow_clone) {
            let rows = positions.size()[1];
            let own = self.placed.min(rows as usize);
            for (token, first, count) in [(CLASS, 0, class), (REGISTERS, class, self.registers)] {
                // The library has none of these rows.
                if first + count > own || first + count <= placed || count == 0 {
                    continue;
                }
                let row = positions.f_narrow(1, first as i64, count as i64)?;
                if let Some(tensor) = tensors.get_mut(token) {
                    *tensor = tensor.f_add(&row)?;
                }
            }
            let patches = positions.f_narrow(1, own as i64, rows - own as i64)?;
            let before = match own >= placed {
                true => positions.f_narrow(1, 0, placed as i64)?,
                false => {
                    let shape = [1, placed as i64, self.width as i64];
                    Tensor::f_zeros(shape, (Kind::Float, positions.device()))?
                }
            };
            let all = Tensor::f_cat(&[before, patches], 1)?;
            tensors.insert(POSITIONS.into(), all);
        }
        if !self.layer_scale && self.is_scaled_in(given) {
            for block in 0..self.depth {
                for scale in ["ls1", "ls2"] {
                    let ones = Tensor::f_ones([self.width as i64], tch::kind::FLOAT_CPU)?;
                    tensors.insert(format!("blocks.{block}.{scale}.gamma"), ones);
                }
            }
        }
        Ok(())
    }

    /// Whether the library's network scales its residual branches, whatever it is asked for: by 1
    /// where this one does not.
    fn is_scaled_in(&self, given: Given) -> bool {
        match given {
            Given::HfDinov2 => true,
            // The one gated network is DINOv2's.
            Given::Timm => self.mlp == Mlp::Swiglu,
            Given::TimmRope | Given::Torchvision | Given::HfVit | Given::HfDinov3 => false,
        }
    }

    /// The files beside the weights in a library's folder.
    pub(super) fn beside(
        &self,
        given: Given,
        evaluation: &Preprocessing,
    ) -> Option<Vec<(&'static str, Value)>> {
        let config = match given {
            Given::Torchvision => return None,
            Given::Timm | Given::TimmRope => {
                return Some(vec![("config.json", self.timm_config(given, evaluation))]);
            }
            Given::HfVit => self.hf_config("vit", "ViTModel"),
            Given::HfDinov2 if self.registers > 0 => {
                self.hf_config("dinov2_with_registers", "Dinov2WithRegistersModel")
            }
            Given::HfDinov2 => self.hf_config("dinov2", "Dinov2Model"),
            Given::HfDinov3 => self.hf_config("dinov3_vit", "DINOv3ViTModel"),
        };
        let processor = processor::hugging_face(evaluation);
        Some(vec![
            ("config.json", config),
            (processor::PROCESSOR, processor),
        ])
    }

    fn hf_config(&self, model: &str, class: &str) -> Value {
        json!({
            "model_type": model,
            "architectures": [class],
            "hidden_size": self.width,
            "num_hidden_layers": self.depth,
            "num_attention_heads": self.heads,
            "intermediate_size": self.hidden,
            "mlp_ratio": self.mlp_ratio(),
            "use_swiglu_ffn": self.mlp == Mlp::Swiglu,
            "use_gated_mlp": self.mlp == Mlp::Swiglu,
            "hidden_act": match self.mlp {
                Mlp::Plain => self.activation.name(),
                Mlp::Swiglu => "silu",
            },
            "layer_norm_eps": self.epsilon,
            "image_size": self.image_size,
            "patch_size": self.patch,
            "num_channels": self.channels,
            "num_register_tokens": self.registers,
            "qkv_bias": self.qkv_bias,
            "query_bias": self.qkv_bias,
            "key_bias": self.qkv_bias && self.key_bias,
            "value_bias": self.qkv_bias,
            "proj_bias": true,
            "mlp_bias": true,
            "rope_theta": self.rope_base,
            "layerscale_value": 1.0,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "attention_dropout": 0.0,
            "drop_path_rate": 0.0,
            "dtype": "float32",
        })
    }

    fn timm_config(&self, given: Given, evaluation: &Preprocessing) -> Value {
        let gated = self.mlp == Mlp::Swiglu;
        // A network of the same class, all of whose sizes are given anew.
        let architecture = match (given, gated) {
            (Given::TimmRope, _) => "vit_small_patch16_dinov3",
            (_, false) => "vit_small_patch16_224",
            (_, true) => "vit_giant_patch14_dinov2",
        };
        let pool = match self.pool {
            Pool::Mean => "avg",
            Pool::Class | Pool::ClassAndMean => "token",
        };
        let rows = match given {
            Given::TimmRope => self.hidden,
            _ => self.first_hidden(),
        };
        let mut arguments = json!({
            "img_size": self.image_size,
            "patch_size": self.patch,
            "in_chans": self.channels,
            "embed_dim": self.width,
            "depth": self.depth,
            "num_heads": self.heads,
            "global_pool": pool,
            // timm cuts off the product with the width.
            "mlp_ratio": (rows as f64 + 0.25) / self.width as f64,
        });
        let more = match given {
            Given::TimmRope => json!({
                "num_reg_tokens": self.registers,
                "swiglu_mlp": gated,
                "rope_temperature": self.rope_base,
                "qkv_bias": self.qkv_bias,
            }),
            _ => json!({
                "class_token": self.class_token,
                "reg_tokens": self.registers,
                "no_embed_class": self.placed != self.prefix() || self.placed == 0,
                "qkv_bias": self.qkv_bias,
                "qk_norm": self.qk_norm,
                "pre_norm": self.pre_norm,
                "init_values": (self.layer_scale || self.is_scaled_in(given)).then_some(1e-5),
                "fc_norm": self.norm_after_pool,
            }),
        };
        extend(&mut arguments, more);
        if !gated && self.activation != Activation::Gelu {
            let name = match self.activation {
                Activation::GeluTanh => "gelu_tanh",
                other => other.name(),
            };
            extend(&mut arguments, json!({"act_layer": name}));
        }
        json!({
            "architecture": architecture,
            "num_classes": 0,
            "num_features": self.width,
            "global_pool": pool,
            "model_args": arguments,
            "pretrained_cfg": processor::timm(evaluation, "patch_embed.proj", "head"),
        })
    }
}

fn extend(object: &mut Value, more: Value) {
    let empty = Map::new();
    if let Some(object) = object.as_object_mut() {
        let more = more.as_object().unwrap_or(&empty);
        object.extend(more.clone());
    }
}
