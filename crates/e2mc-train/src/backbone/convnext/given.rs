//! A ConvNeXt for others' libraries: what its folder says.

use e2mc_data::Preprocessing;
use serde_json::{Value, json};

use super::config::ConvnextConfig;
use crate::backbone::family::Companions;
use crate::backbone::processor;

impl ConvnextConfig {
    /// Whether a library has such a network.
    pub(super) fn is_in(&self, library: &str) -> bool {
        let usual = self.kernel == 7 && self.expansion == 4 && self.head_norm;
        let v1 = self.layer_scale && !self.response_norm;
        let v2 = self.response_norm && !self.layer_scale;
        match library {
            "timm" => self.head_norm && self.expansion == 4 && (v1 || self.response_norm),
            "convnext" => usual && (v1 || v2),
            "torchvision" => usual && v1 && self.patch == 4,
            "hf" => usual && (v1 || v2),
            "hf-dinov3" => usual && v1,
            _ => false,
        }
    }

    /// The files beside the weights in a library's folder.
    pub(super) fn beside(&self, library: &str, evaluation: &Preprocessing) -> Option<Companions> {
        match library {
            "timm" => Some(vec![("config.json", self.timm_config(evaluation))]),
            "hf" => Some(vec![
                ("config.json", self.hf_config()),
                (processor::PROCESSOR, processor::hugging_face(evaluation)),
            ]),
            _ => None,
        }
    }

    fn timm_config(&self, evaluation: &Preprocessing) -> Value {
        json!({
            // A network of the same class, all of whose sizes are given anew.
            "architecture": if self.response_norm { "convnextv2_tiny" } else { "convnext_tiny" },
            "num_classes": 0,
            "num_features": self.widths.last(),
            "global_pool": "avg",
            "model_args": {
                "in_chans": self.channels,
                "depths": self.depths,
                "dims": self.widths,
                "patch_size": self.patch,
                "kernel_sizes": self.kernel,
                "ls_init_value": self.layer_scale.then_some(ConvnextConfig::LAYER_SCALE),
                "use_grn": self.response_norm,
                "conv_mlp": false,
            },
            "pretrained_cfg": processor::timm(evaluation, "stem.0", "head.fc"),
        })
    }

    fn hf_config(&self) -> Value {
        let (model, class) = match self.response_norm {
            true => ("convnextv2", "ConvNextV2Model"),
            false => ("convnext", "ConvNextModel"),
        };
        json!({
            "model_type": model,
            "architectures": [class],
            "num_channels": self.channels,
            "patch_size": self.patch,
            "num_stages": self.depths.len(),
            "depths": self.depths,
            "hidden_sizes": self.widths,
            "hidden_act": "gelu",
            "layer_norm_eps": self.head_epsilon,
            "layer_scale_init_value": ConvnextConfig::LAYER_SCALE,
            "drop_path_rate": 0.0,
            "dtype": "float32",
        })
    }
}
