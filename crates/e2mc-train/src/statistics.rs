//! Controls for continued training that change no weight by gradients: batch norm's statistics
//! estimated anew, and weights between two models.

use std::sync::Arc;

use e2mc_base::affinity;
use e2mc_data::{Dataset, Loader, LoaderConfig, Pipeline, Preprocessing};
use tch::Tensor;

use crate::Error;
use crate::images::images;
use crate::layer::{BatchNorm, Mode, Statistics, is_statistic};
use crate::model::Model;

impl Model {
    /// Sets the backbone's running statistics to the mean of those of up to `batches` batches of
    /// `batch` images, prepared as for evaluation and drawn with `seed`. Returns whether it has
    /// any: a backbone without batch norm stays as it is.
    ///
    /// # Errors
    /// Where there are fewer images than a batch, an image cannot be read or does not fit the
    /// network.
    pub fn estimate_statistics(
        &self,
        dataset: Arc<dyn Dataset>,
        evaluation: &Preprocessing,
        (batches, batch): (usize, usize),
        threads: usize,
        seed: u64,
    ) -> Result<bool, Error> {
        let running: Vec<&Tensor> = (self.backbone.tensors().iter())
            .filter(|(name, _)| is_statistic(name))
            .map(|(_, tensor)| tensor)
            .collect();
        if running.is_empty() {
            return Ok(false);
        }
        let config = LoaderConfig {
            batch,
            seed,
            threads,
            prefetch: 2,
            shuffle: true,
            drop_last: true,
            parts: 1,
            rank: 0,
            world: 1,
        };
        let loader = Loader::new(dataset, Pipeline::Preprocess(evaluation.clone()), config)?;
        let _guard = tch::no_grad_guard();
        let copies = || -> Result<Vec<Tensor>, Error> {
            let copies = running.iter();
            copies.map(|tensor| Ok(tensor.f_detach_copy()?)).collect()
        };
        let mut before = copies()?;
        let mut sums: Vec<Tensor> = Vec::new();
        let mut count = 0;
        let _settled = affinity::settle();
        for batch in loader.epoch(0, 0).take(batches.max(1)) {
            let batch = batch?;
            let view = &batch.views[0];
            let images = images(view, 0..view.shape[0])?.f_to_device(self.device())?;
            let mode = Mode::solo(Statistics::Batch, self.precision());
            let _ = self.backbone.forward(&images, mode)?;
            loader.recycle(batch);
            // One batch moves `r` to `(1 - m) r + m b`: its own `b` is taken back out.
            let after = copies()?;
            for (place, (after, before)) in after.iter().zip(&before).enumerate() {
                let kept = before.f_mul_scalar(1.0 - BatchNorm::MOMENTUM)?;
                let own = after.f_sub(&kept)?.f_div_scalar(BatchNorm::MOMENTUM)?;
                match sums.get_mut(place) {
                    Some(sum) => *sum = sum.f_add(&own)?,
                    None => sums.push(own),
                }
            }
            before = after;
            count += 1;
        }
        for (tensor, sum) in running.into_iter().zip(sums) {
            tensor
                .shallow_clone()
                .f_copy_(&sum.f_div_scalar(f64::from(count))?)?;
        }
        Ok(true)
    }

    /// Moves the backbone's weights and statistics towards those of `other`: `share` 0 leaves
    /// them, 1 copies the other's.
    ///
    /// # Errors
    /// Where the other backbone has other tensors.
    pub fn move_towards(&self, other: &Self, share: f64) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        let others = other.backbone.tensors();
        for (name, tensor) in self.backbone.tensors() {
            let source = others
                .get(name)
                .ok_or_else(|| Error::config("backbone", format!("the tensor `{name}`"), "none"))?;
            let _ = tensor.shallow_clone().f_lerp_(source, share)?;
        }
        Ok(())
    }
}
