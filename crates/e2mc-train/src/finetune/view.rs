//! The views that classifiers learn from.

use e2mc_data::{Augmentation, Preprocessing, ViewRecipe};

/// The view that classifiers are trained on (paper, Appendix B.2): a random crop of 8 % to 100 % of
/// the area and, with probability `flip`, its mirror image; normalised as for evaluation.
pub fn training_view(evaluation: &Preprocessing, flip: f32) -> Augmentation {
    Augmentation {
        channels: evaluation.channels,
        mean: evaluation.mean.clone(),
        std: evaluation.std.clone(),
        views: vec![ViewRecipe {
            flip,
            ..ViewRecipe::crop(evaluation.crop)
        }],
    }
}
