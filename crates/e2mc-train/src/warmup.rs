//! New heads on a trained backbone: they learn alone first.
//!
//! A head that starts from random weights sends random gradients back, and a trained backbone would
//! unlearn under them. So for `training.head_warmup_steps` steps the backbone is a fixed function
//! ([`Encoder`](crate::encoder::Encoder)), and its optimiser's buffers and step count start only
//! after that.

use e2mc_base::counted;

use crate::Error;
use crate::recipe::TrainingConfig;

/// Steps for heads that start with a checkpoint's backbone, where the recipe does not say: ours,
/// not the paper's, whose checkpoints have their heads.
pub const DEFAULT_HEAD_WARMUP: u64 = 500;

impl TrainingConfig {
    /// Steps in which the heads train alone.
    pub(crate) fn head_warmup(&self) -> u64 {
        self.head_warmup_steps.unwrap_or(0)
    }

    /// Refuses a run of so many batches an epoch that would end before the backbone is trained.
    ///
    /// # Errors
    /// Where its heads would train alone to the end.
    pub fn check_head_warmup(&self, batches: u64) -> Result<(), Error> {
        let steps = self.epochs * batches;
        let warmup = self.head_warmup();
        if warmup > 0 && warmup >= steps {
            let expected = format!("fewer than the {} of the run", counted(steps, "step"));
            return Err(Error::config(
                "training.head_warmup_steps",
                expected,
                warmup,
            ));
        }
        Ok(())
    }
}
