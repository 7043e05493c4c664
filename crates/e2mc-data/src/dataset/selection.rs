//! A subset of a data set.

use std::sync::Arc;

use crate::decode::Wanted;
use crate::{Dataset, Error, Image};

/// A data set restricted to some of its images: a hold-out, a label subset, the first few.
///
/// Classes and names stay those of the whole.
#[derive(Clone)]
pub struct Selection {
    dataset: Arc<dyn Dataset>,
    indices: Vec<usize>,
}

impl Selection {
    /// The images at `indices`, in that order.
    ///
    /// # Errors
    /// `indices` is empty or holds an index that the data set does not have.
    pub fn new(dataset: Arc<dyn Dataset>, indices: Vec<usize>) -> Result<Self, Error> {
        let images = dataset.len();
        if indices.is_empty() {
            let what = "none".to_owned();
            return Err(Error::Subset {
                what,
                images,
                expected: "at least one image",
            });
        }
        if let Some(index) = indices.iter().find(|&&index| index >= images) {
            let what = format!("image {index}");
            return Err(Error::Subset {
                what,
                images,
                expected: "an index below their number",
            });
        }
        Ok(Self { dataset, indices })
    }

    /// The indices into the whole data set.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

impl Dataset for Selection {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), Error> {
        self.dataset.read(self.indices[index], image)
    }

    fn read_region(
        &self,
        index: usize,
        wanted: Wanted<'_>,
        image: &mut Image,
    ) -> Result<(), Error> {
        self.dataset.read_region(self.indices[index], wanted, image)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.dataset.label(self.indices[index])
    }

    fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    fn name(&self, index: usize) -> String {
        self.dataset.name(self.indices[index])
    }

    fn native_size(&self) -> Option<(usize, usize)> {
        self.dataset.native_size()
    }

    /// As many images as the whole data set allows, so that a small part of it does not refuse what
    /// the whole accepts.
    fn bad_allowed(&self) -> usize {
        self.dataset.bad_allowed()
    }

    fn note_bad(&self, index: usize, reason: &str) {
        self.dataset.note_bad(self.indices[index], reason);
    }

    fn warnings(&self) -> &[String] {
        self.dataset.warnings()
    }
}
