//! The student's head, the teacher and the centre, from step to step.

use tch::{Kind, Tensor, nn};

use super::config::DinoConfig;
use super::head::DinoHead;
use super::loss::loss;
use crate::Error;
use crate::backbone::Backbone;
use crate::encoder::Encoder;
use crate::layer::{Precision, Statistics};
use crate::method::contract::Method;
use crate::method::objective::{Objective, StepContext};

/// The name under which the last layer's parameters are found.
pub(super) const PROTOTYPES: &str = "prototypes";

/// The method with the student's head, the teacher and the centre.
#[derive(Debug)]
pub struct Dino {
    config: DinoConfig,
    head: DinoHead,
    teacher: Backbone,
    teacher_head: DinoHead,
    /// `(1, k)`.
    centre: Tensor,
    /// The mean of the teacher's scores in the step at hand, `(1, k)`, until it is done.
    mean: Option<Tensor>,
}

impl Dino {
    /// Makes the student's head under `path`, the teacher under `path / "teacher"` and the centre
    /// as `path / "center"`.
    ///
    /// # Errors
    /// Where a width is out of range.
    pub fn new(path: &nn::Path, backbone: &Backbone, config: &DinoConfig) -> Result<Self, Error> {
        let head = |path: &nn::Path| DinoHead::new(path, backbone.features(), config);
        let below = path / "teacher";
        let teacher = Backbone::new(&(&below / "backbone"), backbone.config())?;
        teacher.freeze();
        let teacher_head = head(&below)?;
        teacher_head.freeze();
        Ok(Self {
            head: head(path)?,
            teacher,
            teacher_head,
            centre: path.f_zeros_no_train("center", &[1, config.prototypes as i64])?,
            mean: None,
            config: config.clone(),
        })
    }
}

/// How many of the views are large. They are those of the largest resolution, and come first.
fn large(resolutions: &[usize]) -> Result<usize, Error> {
    let largest = resolutions.iter().max();
    let is_large = |resolution: &&usize| Some(*resolution) == largest;
    let first = resolutions.iter().take_while(is_large).count();
    if first == resolutions.iter().filter(is_large).count() {
        return Ok(first);
    }
    let expected = "the largest views first, because DINO's teacher sees only these";
    let found = format!("{resolutions:?} pixels");
    Err(Error::config("augmentation.views", expected, found))
}

impl Method for Dino {
    fn objective(
        &mut self,
        encoder: &mut Encoder<'_>,
        context: StepContext<'_>,
    ) -> Result<Objective, Error> {
        let precision = context.precision;
        let large = large(context.resolutions)?;
        let teacher = encoder.features_of(&self.teacher, 0..large, Statistics::Batch)?;
        let teacher = tch::no_grad(|| -> Result<Tensor, Error> {
            let features = Tensor::f_cat(&teacher, 0)?;
            let bottleneck = self.teacher_head.bottleneck(&features, precision)?;
            self.teacher_head.scores(&bottleneck, precision)
        })?;
        let features = encoder.features()?;
        let views = features.len() as i64;
        let bottleneck = self
            .head
            .bottleneck(&Tensor::f_cat(&features, 0)?, precision)?;
        let student = self.head.scores(&bottleneck, precision)?;
        let temperatures = self.config.temperatures(context.epoch);
        let value = loss(
            &student.f_chunk(views, 0)?,
            &teacher.f_chunk(large as i64, 0)?,
            &self.centre,
            temperatures,
        )?;
        let mean = teacher.f_mean_dim([0i64].as_slice(), true, Kind::Float)?;
        let world = context.world;
        let mean = world.sum(mean)?.f_div_scalar(world.size() as i64)?;
        self.mean = Some(mean);

        let mut embeddings = bottleneck.f_chunk(views, 0)?;
        let small_crop_embeddings = embeddings.split_off(large);
        let mut objective = Objective {
            loss: Tensor::f_zeros([], (Kind::Float, value.device()))?,
            terms: Vec::new(),
            embeddings,
            small_crop_embeddings,
        };
        objective.add("cross_entropy", 1.0, &context.world.share(&value)?);
        Ok(objective)
    }

    fn embed(&self, features: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        self.head.bottleneck(features, precision)
    }

    fn after_embedding(
        &self,
        layer: &str,
        features: &Tensor,
        precision: Precision,
    ) -> Result<Option<Tensor>, Error> {
        if layer != PROTOTYPES {
            return Ok(None);
        }
        let bottleneck = self.head.bottleneck(features, precision)?;
        Ok(Some(self.head.scores(&bottleneck, precision)?))
    }

    fn joins_views(&self) -> bool {
        true
    }

    fn begin(&mut self, backbone: &Backbone, missing: &[String]) -> Result<(), Error> {
        // A checkpoint that has a teacher keeps it.
        let lacks = |part: &str| missing.iter().any(|name| name.starts_with(part));
        if lacks("teacher.backbone.") {
            self.teacher.follow(backbone, 0.0)?;
        }
        if lacks("teacher.projector.") || lacks("teacher.prototypes.") {
            self.teacher_head.follow(&self.head, 0.0)?;
        }
        Ok(())
    }

    fn after_step(&mut self, backbone: &Backbone, step: u64, steps: u64) -> Result<(), Error> {
        let momentum = self.config.momentum_at(step - 1, steps);
        self.teacher.follow(backbone, momentum)?;
        self.teacher_head.follow(&self.head, momentum)?;
        if let Some(mean) = self.mean.take() {
            let _guard = tch::no_grad_guard();
            let rest = 1.0 - self.config.center_momentum;
            let _ = self.centre.f_lerp_(&mean, rest)?;
        }
        Ok(())
    }
}
