//! Layouts of checkpoints: where public ones keep the backbone and the heads, and their names.
//!
//! | layout | backbone | heads |
//! |---|---|---|
//! | `vicreg` | `backbone.` | `projector.N.` |
//! | `swav` | without prefix | `projection_head.N.`, `prototypes.` |
//! | `simsiam` | `encoder.` | in place of the classifier (`encoder.fc.N.`), `predictor.N.` |
//! | `moco` | `encoder_q.` | none that a method here has |
//! | `dino` | `student.backbone.`, `teacher.backbone.` | `head.mlp.N.` and `head.last_layer.` of both, `dino_loss.center` |
//! | `torchvision`, `timm` | without prefix | the classifier (`fc.`), left out |
//! | `e2mc` | `backbone.` or without prefix | `projector.N.`, `prototypes.`, `predictor.N.` |
//! | `backbone` | any of these | left out, whatever they are |
//!
//! Around them come any wrappers: dictionaries (`state_dict`, `model`, `net`) and modules
//! (`module.`). They are not looked up but found ([`recognise`](super::recognise)): the backbone is
//! where the landmark of a family's naming is. The names of heads are those of the authors' public
//! code; those of backbones are their families' own business.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The dictionary that our own `.pth` files keep the network in.
pub(super) const STATE_DICT: &str = "state_dict";

/// Naming schemes of a checkpoint's tensors.
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
    /// DINO's full checkpoints, taken whole: student, teacher, their heads and the centre.
    Dino,
    /// torchvision's ResNet with its classifier.
    Torchvision,
    /// timm's ResNet, whose names are torchvision's.
    Timm,
    /// The backbone of any of these, whatever else is in the file.
    Backbone,
}

impl Layout {
    /// Every layout.
    pub const ALL: [Self; 9] = [
        Self::E2mc,
        Self::Vicreg,
        Self::Swav,
        Self::Simsiam,
        Self::Moco,
        Self::Dino,
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
            Self::Dino => "dino",
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
                Error::argument("layout", format!("one of {names}"), format!("`{name}`"))
            })
    }
}
