//! The paper's linear probes (appendix B.2). Rates are for a batch of 256.

use super::{LinearConfig, LinearOptimizer, Schedule};

/// Published settings of an SGD probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinearPreset {
    /// VICReg's: rate 0.02, weight decay 1e-4 below all labels, 1e-6 with all.
    Vicreg,
    /// SwAV's: rate 0.3, weight decay 1e-6.
    Swav,
    /// SimSiam's: LARC without weight decay; 2.0 with batch 256 (1 % of the labels), 0.2 and 0.1
    /// with batch 2048 (10 % and 100 %).
    Simsiam,
    /// iNat18's: batch norm over channels of 4 places (a feature map pooled to 2 x 2), rate 0.01,
    /// weight decay 1e-4, times 0.1 at epochs 24, 48, 72 and 84.
    Inat18,
    /// DINO's (public code, `eval_linear.py`): rate 0.001 for 256 images, so 0.004 at its batch of 1024; no
    /// weight decay. Its features are the class tokens of the last 4 blocks (ViT-S), or the class token and
    /// the mean of the patches (ViT-B).
    Dino,
    /// DINOv2's (public code, `eval/linear.py`): ten epochs, batch 1024, no weight decay. Its authors try 13
    /// rates from 1e-5 to 0.1 for 256 images, and report the best on the images that they judge by; here it is
    /// the one in the middle, 0.001 (0.004 at the batch of 1024). Its features are the class token and the mean
    /// of the patches.
    Dinov2,
}

impl LinearPreset {
    /// The preset of a training method, by its name in a recipe; `None` for a method without one.
    pub fn of_method(name: &str) -> Option<Self> {
        match name {
            "vicreg" => Some(Self::Vicreg),
            "swav" => Some(Self::Swav),
            "simsiam" => Some(Self::Simsiam),
            "dino" => Some(Self::Dino),
            _ => None,
        }
    }

    /// The settings for a part of the labels, in (0, 1]; between the parts that the paper has,
    /// those of the smaller one that is at least as large.
    pub fn config(self, fraction: f64) -> LinearConfig {
        let base = LinearConfig::default();
        match self {
            Self::Vicreg if fraction < 1.0 => LinearConfig {
                weight_decay: 1e-4,
                ..base
            },
            Self::Vicreg => base,
            Self::Swav => LinearConfig {
                learning_rate: 0.3,
                ..base
            },
            Self::Simsiam => {
                let (learning_rate, batch) = match fraction {
                    f if f <= 0.01 => (2.0, 256),
                    f if f < 1.0 => (0.2, 2048),
                    _ => (0.1, 2048),
                };
                LinearConfig {
                    learning_rate,
                    batch,
                    weight_decay: 0.0,
                    optimizer: LinearOptimizer::Larc { trust: 0.001 },
                    ..base
                }
            }
            Self::Inat18 => LinearConfig {
                learning_rate: 0.01,
                weight_decay: 1e-4,
                schedule: Schedule::Step {
                    milestones: vec![24, 48, 72, 84],
                    factor: 0.1,
                },
                batch_norm: Some(4),
                ..base
            },
            Self::Dino | Self::Dinov2 => LinearConfig {
                epochs: if self == Self::Dino { 100 } else { 10 },
                batch: 1024,
                learning_rate: 0.001,
                weight_decay: 0.0,
                ..base
            },
        }
    }
}

impl LinearConfig {
    /// VICReg's with all labels: 100 epochs, batch 256, learning rate 0.02, momentum 0.9, weight
    /// decay 1e-6, cosine.
    pub fn vicreg() -> Self {
        Self {
            epochs: 100,
            batch: 256,
            learning_rate: 0.02,
            momentum: 0.9,
            weight_decay: 1e-6,
            schedule: Schedule::Cosine,
            optimizer: LinearOptimizer::Sgd,
            batch_norm: None,
        }
    }
}

impl Default for LinearConfig {
    /// [`LinearConfig::vicreg`].
    fn default() -> Self {
        Self::vicreg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_the_papers() {
        let of = |preset: LinearPreset, fraction| {
            let c = preset.config(fraction);
            assert_eq!((c.epochs, c.momentum), (100, 0.9));
            (c.learning_rate, c.batch, c.weight_decay)
        };
        assert_eq!(of(LinearPreset::Vicreg, 0.01), (0.02, 256, 1e-4));
        assert_eq!(of(LinearPreset::Vicreg, 1.0), (0.02, 256, 1e-6));
        assert_eq!(of(LinearPreset::Swav, 0.1), (0.3, 256, 1e-6));
        assert_eq!(of(LinearPreset::Simsiam, 0.01), (2.0, 256, 0.0));
        assert_eq!(of(LinearPreset::Simsiam, 0.1), (0.2, 2048, 0.0));
        assert_eq!(of(LinearPreset::Simsiam, 1.0), (0.1, 2048, 0.0));
        assert_eq!(of(LinearPreset::Inat18, 1.0), (0.01, 256, 1e-4));
        assert_eq!(of(LinearPreset::Dino, 0.1), (0.001, 1024, 0.0));
        let dinov2 = LinearPreset::Dinov2.config(1.0);
        assert_eq!((dinov2.epochs, dinov2.batch), (10, 1024));
        assert_eq!((dinov2.learning_rate, dinov2.weight_decay), (0.001, 0.0));
        let rates: Vec<f64> = [23, 24, 84]
            .map(|e| LinearPreset::Inat18.config(1.0).rate(e))
            .into();
        assert!((rates[0] - 1e-2).abs() < 1e-12 && (rates[2] - 1e-6).abs() < 1e-12);
    }
}
