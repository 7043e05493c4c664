//! The recipe of a checkpoint that does not say how it was made.

use e2mc_data::{Augmentation, Preprocessing};

use super::heads::Heads;
use super::layout::Layout;
use crate::backbone::BackboneConfig;
use crate::criterion::CriterionConfig;
use crate::method::{MethodConfig, SimsiamConfig, SwavConfig, VicregConfig};
use crate::optim::{LarcConfig, LarsConfig, OptimizerConfig, ScheduleConfig, SgdConfig};
use crate::recipe::{Recipe, TrainingConfig};

/// The network as found, the optimiser of the layout's authors, and for the rest what is usual for
/// such a network: a recipe that `continue` is given replaces it.
pub(super) fn conventional(layout: Layout, backbone: BackboneConfig, heads: Heads) -> Recipe {
    let (method, optimizer, mut augmentation) = match heads {
        Heads::Vicreg { projector } => (
            MethodConfig::Vicreg(VicregConfig {
                projector,
                ..VicregConfig::default()
            }),
            OptimizerConfig::Lars(LarsConfig::default()),
            Augmentation::vicreg(),
        ),
        Heads::Swav {
            projector,
            prototypes,
        } => {
            let usual = SwavConfig::default();
            (
                MethodConfig::Swav(SwavConfig {
                    projector,
                    prototypes: prototypes.unwrap_or(usual.prototypes),
                    ..usual
                }),
                OptimizerConfig::Larc(LarcConfig::default()),
                Augmentation::swav(),
            )
        }
        Heads::Simsiam {
            projector,
            predictor,
        } => {
            let usual = SimsiamConfig::default();
            (
                MethodConfig::Simsiam(SimsiamConfig {
                    projector,
                    predictor: predictor.unwrap_or(usual.predictor),
                    ..usual
                }),
                OptimizerConfig::Sgd(SgdConfig::default()),
                Augmentation::simsiam(),
            )
        }
        Heads::None => (
            MethodConfig::None,
            OptimizerConfig::Lars(LarsConfig::default()),
            Augmentation::vicreg(),
        ),
    };
    let mut evaluation = Preprocessing::imagenet();
    if let Some(side) = backbone.image_side() {
        evaluation.resize = Some(side);
        evaluation.crop = side;
    }
    if backbone.channels() == 1 {
        // The grey of ImageNet's means and deviations.
        evaluation.channels = 1;
        evaluation.mean = vec![0.449];
        evaluation.std = vec![0.226];
    }
    augmentation.channels = evaluation.channels;
    augmentation.mean = evaluation.mean.clone();
    augmentation.std = evaluation.std.clone();
    Recipe {
        name: format!("found-{layout}"),
        description: "Network as found in a checkpoint, everything else as is usual for it".into(),
        backbone,
        method,
        criterion: CriterionConfig::None,
        training: TrainingConfig {
            epochs: 1,
            batch: 256,
            learning_rate: 0.003,
            ..TrainingConfig::default()
        },
        optimizer,
        schedule: ScheduleConfig::Constant { warmup: 0.0 },
        augmentation,
        evaluation,
    }
}
