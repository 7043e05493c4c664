//! The recipe of a checkpoint that does not say how it was made.

use std::sync::Arc;

use e2mc_data::{Augmentation, Preprocessing};

use super::heads::Heads;
use super::layout::Layout;
use crate::backbone::{BackboneConfig, Naming};
use crate::criterion::CriterionConfig;
use crate::method::{
    DinoConfig, MethodConfig, MethodSettings, SimsiamConfig, SwavConfig, VicregConfig,
};
use crate::optim::{
    AdamwConfig, LarcConfig, LarsConfig, OptimizerConfig, ScheduleConfig, SgdConfig,
};
use crate::recipe::{Recipe, TrainingConfig};

/// What tells how images are prepared for a network.
pub(super) struct Convention {
    /// The layout in which the file is read, and the one that its names speak for.
    pub(super) layouts: [Layout; 2],
    /// Whether solo-learn wrote it.
    pub(super) solo_learn: bool,
    /// Naming scheme of its backbone's tensors.
    pub(super) naming: &'static Naming,
    /// What a file beside the weights says, and which.
    pub(super) preprocessing: Option<(Preprocessing, &'static str)>,
}

impl Convention {
    /// How images are prepared, and who says so.
    pub(super) fn preprocessing(self, backbone: &BackboneConfig) -> (Preprocessing, String) {
        if let Some((found, file)) = self.preprocessing {
            return (found, file.to_owned());
        }
        // The authors of these methods trained ResNets; what else has such names is a library's.
        let resnet = backbone.family().name() == "resnet";
        let own = |layout: &Layout| {
            use Layout::{Simsiam, Swav, Vicreg};
            resnet && !self.solo_learn && matches!(layout, Vicreg | Swav | Simsiam)
        };
        let (mut usual, source) = match self.layouts.iter().find(|layout| own(layout)) {
            Some(layout) => (
                Preprocessing::authors(),
                format!("assumed, as {layout}'s authors do"),
            ),
            None => (Preprocessing::imagenet(), "assumed, as is usual".to_owned()),
        };
        // torchvision's own evaluation is bilinear, whatever the network.
        if !self.naming.names.contains(&"torchvision") {
            usual.filter = backbone.filter();
        }
        if let Some(side) = backbone.image_side() {
            usual.resize = Some(side);
            usual.crop = side;
        }
        if backbone.channels() == 1 {
            usual = usual.grey();
        }
        (usual, source)
    }
}

/// The network as found, the optimiser of the layout's authors, and for the rest what is usual for
/// such a network: a recipe that `continue` is given replaces it.
pub(super) fn conventional(
    layout: Layout,
    backbone: BackboneConfig,
    heads: Heads,
    evaluation: Preprocessing,
) -> Recipe {
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
        Heads::Dino {
            projector,
            prototypes,
        } => (
            MethodConfig::from(Arc::new(DinoConfig {
                projector,
                prototypes,
                ..DinoConfig::default()
            }) as Arc<dyn MethodSettings>),
            OptimizerConfig::Adamw(AdamwConfig::default()),
            Augmentation::dino(),
        ),
        Heads::None => (
            MethodConfig::None,
            OptimizerConfig::Lars(LarsConfig::default()),
            Augmentation::vicreg(),
        ),
    };
    augmentation.channels = evaluation.channels;
    augmentation.mean = evaluation.mean.clone();
    augmentation.std = evaluation.std.clone();
    Recipe {
        name: format!("found-{layout}"),
        description: "The network of a checkpoint, with the usual values for everything \
                      else"
            .into(),
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
