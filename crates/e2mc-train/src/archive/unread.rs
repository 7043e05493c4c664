//! A tensor of a file whose numbers are not read yet.
//!
//! Opening a checkpoint costs its table of contents; each tensor's bytes are read when they are
//! wanted and handed to libtorch one tensor at a time, so that a file is never in memory beside
//! the network that it becomes.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tch::{Kind, Tensor};

use crate::Error;
use crate::advice::Advice;

/// What reads a tensor's bytes: row-major, in this machine's byte order.
type Source = dyn Fn() -> io::Result<Vec<u8>> + Send + Sync;

/// A tensor of a file: its name, kind and shape, and the way to its numbers.
#[derive(Clone)]
pub struct Unread {
    path: Arc<Path>,
    name: Arc<str>,
    kind: Kind,
    shape: Vec<i64>,
    source: Arc<Source>,
}

impl Unread {
    pub(crate) fn new(
        path: &Arc<Path>,
        name: &str,
        kind: Kind,
        shape: Vec<i64>,
        source: impl Fn() -> io::Result<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            path: path.clone(),
            name: name.into(),
            kind,
            shape,
            source: Arc::new(source),
        }
    }

    /// The name in the file, wrappers and prefixes included.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of its numbers, as stored.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The shape, outermost dimension first; empty for a scalar.
    pub fn size(&self) -> &[i64] {
        &self.shape
    }

    /// Numbers in it. The archive has checked that this fits.
    pub fn numel(&self) -> u64 {
        self.shape.iter().map(|&size| size as u64).product()
    }

    /// Reads the numbers. What is stored in half precision is used in single.
    ///
    /// # Errors
    /// Where the file cannot be read, or is damaged there.
    pub fn read(&self) -> Result<Tensor, Error> {
        let tensor = self.read_as_stored()?;
        Ok(match self.kind {
            Kind::Half | Kind::BFloat16 => tensor.f_to_kind(Kind::Float)?,
            _ => tensor,
        })
    }

    fn read_as_stored(&self) -> Result<Tensor, Error> {
        let damaged = |expected: String, found: String| Error::Checkpoint {
            path: self.path.to_path_buf(),
            expected,
            found,
            advice: Advice::words("copy or download the file again"),
        };
        let bytes = (self.source)().map_err(|error| {
            damaged(format!("the numbers of `{}`", self.name), error.to_string())
        })?;
        // libtorch takes a pointer: nothing after this line checks the length.
        let wanted = self.numel() * self.kind.elt_size_in_bytes() as u64;
        if bytes.len() as u64 != wanted {
            return Err(damaged(
                format!("{wanted} bytes in `{}`", self.name),
                format!("{} bytes", bytes.len()),
            ));
        }
        Ok(Tensor::f_from_data_size(&bytes, &self.shape, self.kind)?)
    }
}

impl fmt::Debug for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unread")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// Reads tensors by name.
///
/// # Errors
/// As [`Unread::read`].
pub(crate) fn read_all(tensors: &[(String, Unread)]) -> Result<Vec<(String, Tensor)>, Error> {
    tensors
        .iter()
        .map(|(name, tensor)| Ok((name.clone(), tensor.read()?)))
        .collect()
}
