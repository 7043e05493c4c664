//! SwAV's queue: embeddings of earlier batches that help to compute codes where a batch is small
//! (Caron et al. 2020, section 3.1).

use tch::{Device, Kind, TchError, Tensor};

use crate::Error;

const ROWS: &str = "queue";
const FILLED: &str = "queue_filled";

/// For each crop that gets codes, the newest embeddings of that crop, those of all processes; not
/// used until it is full.
#[derive(Debug)]
pub struct Queue {
    /// `(crops, length, d)`, the newest first.
    rows: Tensor,
    /// How many rows of each crop have been filled.
    filled: i64,
}

impl Queue {
    /// An empty queue of `length` rows of `dims` numbers for each of `crops` crops.
    ///
    /// # Errors
    /// Where libtorch runs out of memory.
    pub fn new(crops: usize, length: usize, dims: i64, device: Device) -> Result<Self, TchError> {
        let shape = [crops as i64, length as i64, dims];
        Ok(Self {
            rows: Tensor::f_zeros(shape, (Kind::Float, device))?,
            filled: 0,
        })
    }

    /// The rows `(length, d)` of a crop, once the queue is full.
    pub(super) fn rows(&self, crop: usize) -> Option<Tensor> {
        (self.filled >= self.rows.size()[1]).then(|| self.rows.get(crop as i64))
    }

    /// Puts a batch's embeddings in front, `(crops, n, d)`; the oldest fall out.
    ///
    /// # Errors
    /// Where libtorch runs out of memory.
    pub(super) fn push(&mut self, embeddings: &Tensor) -> Result<(), TchError> {
        let _guard = tch::no_grad_guard();
        let (length, new) = (self.rows.size()[1], embeddings.size()[1]);
        let old = self.rows.f_narrow(1, 0, length - new)?;
        self.rows = Tensor::f_cat(&[embeddings, &old], 1)?;
        self.filled = length.min(self.filled + new);
        Ok(())
    }

    /// What a checkpoint must hold.
    pub(super) fn state(&self) -> Vec<(String, Tensor)> {
        vec![
            (ROWS.to_owned(), self.rows.shallow_clone()),
            (FILLED.to_owned(), Tensor::from(self.filled)),
        ]
    }

    /// Takes back what [`Queue::state`] gave; nothing from a state without a queue.
    ///
    /// # Errors
    /// Where a tensor is missing, unexpected or of another shape than `(crops, length, d)`.
    pub(super) fn from_state(
        state: Vec<(String, Tensor)>,
        shape: [i64; 3],
        device: Device,
    ) -> Result<Option<Self>, Error> {
        if state.is_empty() {
            return Ok(None);
        }
        let (mut rows, mut filled) = (None, None);
        let mut unexpected = Vec::new();
        for (name, tensor) in state {
            match name.as_str() {
                ROWS if tensor.size() == shape => rows = Some(tensor),
                FILLED if tensor.kind() == Kind::Int64 && tensor.numel() == 1 => {
                    filled = Some(tensor.f_int64_value(&[])?);
                }
                _ => unexpected.push(format!("`{name}` {:?}", tensor.size())),
            }
        }
        match (rows, filled) {
            (Some(rows), Some(filled)) if unexpected.is_empty() && filled >= 0 => Ok(Some(Self {
                rows: rows.f_to_kind(Kind::Float)?.f_to_device(device)?,
                filled,
            })),
            (rows, filled) => {
                let known = [(ROWS, rows.is_some()), (FILLED, filled.is_some())];
                let known = known.into_iter().filter(|(_, there)| *there);
                let names = known.map(|(name, _)| format!("`{name}`"));
                let found: Vec<_> = names.chain(unexpected).collect();
                Err(Error::config(
                    "method.queue",
                    format!("a checkpoint with `{ROWS}` {shape:?} and `{FILLED}`"),
                    found.join(", "),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(value: f64) -> Tensor {
        Tensor::full([1, 2, 3], value, (Kind::Float, Device::Cpu))
    }

    #[test]
    fn it_is_used_when_full_and_forgets_the_oldest() {
        let mut queue = Queue::new(1, 4, 3, Device::Cpu).unwrap();
        queue.push(&batch(1.0)).unwrap();
        assert!(queue.rows(0).is_none(), "half full");
        queue.push(&batch(2.0)).unwrap();
        queue.push(&batch(3.0)).unwrap();
        let rows = queue.rows(0).unwrap();
        let first: Vec<f32> = rows.select(1, 0).try_into().unwrap();
        assert_eq!(first, [3.0, 3.0, 2.0, 2.0]);
    }

    #[test]
    fn a_state_of_another_shape_is_refused_by_name() {
        let queue = Queue::new(1, 4, 3, Device::Cpu).unwrap();
        let take = |state, shape| Queue::from_state(state, shape, Device::Cpu);
        assert!(take(queue.state(), [1, 4, 3]).unwrap().is_some());
        assert!(take(Vec::new(), [1, 4, 3]).unwrap().is_none());
        let error = take(queue.state(), [1, 6, 3]).unwrap_err().to_string();
        assert_eq!(
            error,
            "setting `method.queue`: expected a checkpoint with `queue` [1, 6, 3] and \
             `queue_filled`, found `queue_filled`, `queue` [1, 4, 3]"
        );
    }
}
