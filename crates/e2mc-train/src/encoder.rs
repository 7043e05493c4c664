//! A batch's views on their way through the backbone: all at once, or part by part where memory is
//! short.
//!
//! The criterion needs all embeddings of a batch together, so summing the losses of small batches
//! is not the same as one large batch. The sum of gradients is: with `F` the features of all
//! parts, `dL/dw = sum over the parts of dF_part/dw . dL/dF_part`. So all features are computed
//! first, without a graph; the loss gives its gradient at each of them; and each part goes through
//! once more, with that gradient. Value and gradient are those of the whole batch, up to rounding
//! and to batch norm, which sees one part at a time. The price is a second forward pass.
//!
//! Where the backbone's blocks are computed again for the gradient (`training.checkpoint_blocks`),
//! the same is done with a part's blocks one by one, and a batch in one part goes through twice,
//! too.

use std::fmt;
use std::ops::Range;

use e2mc_data::View;
use tch::{Device, Kind, Tensor};

use crate::Error;
use crate::backbone::{Backbone, Kept};
use crate::images::images;
use crate::layer::{Mode, Precision, Statistics};
use crate::world::World;

/// A batch's views with the backbone that they go through, and how. A method takes the features
/// from it; the training loop then takes the loss's gradient back through it.
pub struct Encoder<'a> {
    /// The backbone that is trained.
    pub(crate) backbone: &'a Backbone,
    /// Each `(n, c, h, w)`, all of the same images.
    pub(crate) views: &'a [View],
    /// Whether neighbouring views of one resolution go through together.
    pub(crate) joins_views: bool,
    /// Parts of equal size; they divide `n`.
    pub(crate) parts: usize,
    /// Whether blocks are computed again for the gradient.
    pub(crate) recomputes: bool,
    /// Whether the backbone is a fixed function: no gradient reaches its weights, and its running
    /// statistics stay unchanged.
    pub(crate) frozen: bool,
    /// Whether batch norm goes by its running statistics and keeps them.
    pub(crate) keeps_statistics: bool,
    pub(crate) precision: Precision,
    /// Where the backbone is.
    pub(crate) device: Device,
    pub(crate) world: &'a World,
    /// The features of each view, once somebody has asked.
    pub(crate) features: Vec<Tensor>,
    /// What the blocks of each group of views are computed again from, of a batch in one part.
    pub(crate) kept: Vec<Kept>,
}

impl fmt::Debug for Encoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("backbone", self.backbone)
            .field("views", &self.views.len())
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl Encoder<'_> {
    /// How many views there are.
    pub fn views(&self) -> usize {
        self.views.len()
    }

    /// The backbone that is trained.
    pub fn backbone(&self) -> &Backbone {
        self.backbone
    }

    /// The features of each view, `(n, features)`, through the backbone that is trained; the
    /// loss's gradient at them goes back into it. The views go through once, whoever asks again.
    ///
    /// # Errors
    /// Where the views do not fit the backbone.
    pub fn features(&mut self) -> Result<Vec<Tensor>, Error> {
        if self.features.is_empty() {
            self.features = match self.recomputes && self.parts == 1 && !self.frozen {
                true => self.encode_kept()?,
                false => self.encode()?,
            };
        }
        Ok(self.features.iter().map(Tensor::shallow_clone).collect())
    }

    /// The features of some of the views, `(n, features)`, through another backbone, for instance a
    /// teacher's: together and part by part as the views go through the one that is trained, and
    /// without a gradient. Where that one keeps its running statistics, so does the other.
    ///
    /// # Errors
    /// Where the views do not fit that backbone.
    pub fn features_of(
        &self,
        backbone: &Backbone,
        views: Range<usize>,
        statistics: Statistics,
    ) -> Result<Vec<Tensor>, Error> {
        let _guard = tch::no_grad_guard();
        let mut features = Vec::with_capacity(views.len());
        for group in self.groups_of(views) {
            let statistics = self.statistics(statistics);
            let parts = (0..self.parts)
                .map(|part| self.part(backbone, group.clone(), part, statistics))
                .collect::<Result<Vec<_>, Error>>()?;
            for view in 0..group.len() {
                let rows: Vec<_> = parts.iter().map(|part| &part[view]).collect();
                features.push(Tensor::f_cat(&rows, 0)?);
            }
        }
        Ok(features)
    }

    /// The features of each view. With several parts they start a graph of their own, which
    /// [`Encoder::backward`] joins to the backbone.
    fn encode(&self) -> Result<Vec<Tensor>, Error> {
        let _guard = self.frozen.then(tch::no_grad_guard);
        let mut features = Vec::with_capacity(self.views.len());
        if self.parts == 1 {
            for group in self.groups() {
                features.extend(self.own_part(group, 0, Statistics::Batch)?);
            }
            return Ok(features);
        }
        let _guard = tch::no_grad_guard();
        for group in self.groups() {
            let parts = (0..self.parts)
                .map(|part| self.own_part(group.clone(), part, Statistics::Unrecorded))
                .collect::<Result<Vec<_>, _>>()?;
            for view in 0..group.len() {
                let rows: Vec<_> = parts.iter().map(|part| &part[view]).collect();
                features.push(Tensor::f_cat(&rows, 0)?.f_set_requires_grad(true)?);
            }
        }
        Ok(features)
    }

    /// The features of each view of a batch in one part, as the start of a graph of their own, with
    /// what the blocks are computed again from.
    fn encode_kept(&mut self) -> Result<Vec<Tensor>, Error> {
        let mut features = Vec::with_capacity(self.views.len());
        let mut all = Vec::new();
        for group in self.groups() {
            let views = group.len() as i64;
            let (pooled, kept) = self.kept_part(group, 0)?;
            all.push(kept);
            for view in pooled.f_chunk(views, 0)? {
                features.push(view.f_alias_copy()?.f_set_requires_grad(true)?);
            }
        }
        self.kept = all;
        Ok(features)
    }

    /// One part of a group through the backbone that is trained, link by link.
    fn kept_part(&self, group: Range<usize>, part: usize) -> Result<(Tensor, Kept), Error> {
        let images = self.images(group, part)?;
        let mode = self.mode(self.statistics(Statistics::Batch));
        let found = self.backbone.forward_kept(&images, mode)?;
        found.ok_or_else(|| {
            let expected = "false, because the blocks of this backbone cannot be computed one by \
                one";
            Error::config("training.checkpoint_blocks", expected, true)
        })
    }

    /// Whether the loss's own backward pass goes through everything that is trained, and
    /// [`Encoder::backward`] has nothing to do.
    pub(crate) fn is_one_graph(&self) -> bool {
        let joined = self.parts == 1 && !self.recomputes;
        joined || self.frozen || self.features.is_empty()
    }

    /// Takes the loss's gradient at the features into the backbone, after the loss's own backward
    /// pass has left it there. That pass has already done all with a single part, unless blocks are
    /// computed again.
    ///
    /// # Errors
    /// Where libtorch runs out of memory.
    pub(crate) fn backward(&mut self) -> Result<(), Error> {
        if self.is_one_graph() {
            return Ok(());
        }
        let mut kept = std::mem::take(&mut self.kept).into_iter();
        for group in self.groups() {
            for part in 0..self.parts {
                let gradient = self.gradient(group.clone(), part)?;
                let mode = self.mode(self.statistics(Statistics::Batch));
                if self.recomputes {
                    let kept = match kept.next() {
                        Some(kept) => kept,
                        None => self.kept_part(group.clone(), part)?.1,
                    };
                    self.backbone.backward_kept(kept, &gradient, mode)?;
                } else {
                    let images = self.images(group.clone(), part)?;
                    let pooled = self.backbone.forward(&images, mode)?;
                    pooled.f_mul(&gradient)?.f_sum(Kind::Float)?.f_backward()?;
                }
            }
        }
        Ok(())
    }

    /// The loss's gradient at the features of one part of a group, one view below the other.
    fn gradient(&self, group: Range<usize>, part: usize) -> Result<Tensor, Error> {
        let rows = self.rows(&self.views[group.start], part);
        let views = self.features[group].iter().map(|features| {
            let gradient = features.f_grad()?;
            gradient.f_narrow(0, rows.start as i64, rows.len() as i64)
        });
        Ok(Tensor::f_cat(&views.collect::<Result<Vec<_>, _>>()?, 0)?)
    }

    /// Which views go through together.
    fn groups(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.groups_of(0..self.views.len())
    }

    /// Which of some views go through together.
    fn groups_of(&self, views: Range<usize>) -> impl Iterator<Item = Range<usize>> + '_ {
        let same = |a: &View, b: &View| self.joins_views && a.shape[2..] == b.shape[2..];
        let mut start = views.start;
        self.views[views].chunk_by(same).map(move |group| {
            start += group.len();
            start - group.len()..start
        })
    }

    /// The images of a part.
    fn rows(&self, view: &View, part: usize) -> Range<usize> {
        let images = view.shape[0] / self.parts;
        part * images..(part + 1) * images
    }

    /// The features of one part of a group through the backbone that is trained.
    fn own_part(
        &self,
        group: Range<usize>,
        part: usize,
        statistics: Statistics,
    ) -> Result<Vec<Tensor>, Error> {
        self.part(self.backbone, group, part, self.statistics(statistics))
    }

    /// What batch norm goes by, where nothing says that running statistics are kept.
    fn statistics(&self, wanted: Statistics) -> Statistics {
        match self.keeps_statistics || self.frozen {
            true => Statistics::Running,
            false => wanted,
        }
    }

    /// The features of one part of a group, one tensor a view.
    fn part(
        &self,
        backbone: &Backbone,
        group: Range<usize>,
        part: usize,
        statistics: Statistics,
    ) -> Result<Vec<Tensor>, Error> {
        let views = group.len() as i64;
        let images = self.images(group, part)?;
        let features = backbone.forward(&images, self.mode(statistics))?;
        Ok(features.f_chunk(views, 0)?)
    }

    /// How a network sees the images.
    fn mode(&self, statistics: Statistics) -> Mode<'_> {
        Mode {
            statistics,
            precision: self.precision,
            world: self.world,
        }
    }

    /// The images of one part of a group `(n, c, h, w)`, one view below the other.
    fn images(&self, group: Range<usize>, part: usize) -> Result<Tensor, Error> {
        let views = &self.views[group];
        let images = views
            .iter()
            .map(|view| Ok(images(view, self.rows(view, part))?.f_to_device(self.device)?))
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(match images.as_slice() {
            [alone] => alone.shallow_clone(),
            several => Tensor::f_cat(several, 0)?,
        })
    }
}
