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

use super::problem::Problem;
use crate::Error;
use crate::advice::Advice;

/// What reads a tensor's bytes: row-major, in this machine's byte order.
type Source = dyn Fn() -> io::Result<Vec<u8>> + Send + Sync;

/// A tensor of a file: its name, kind and shape, and the way to its numbers.
#[derive(Clone)]
pub struct Unread {
    path: Arc<Path>,
    name: Arc<str>,
    /// The kind of its numbers, or what torch calls those that this crate does not compute with.
    kind: Result<Kind, Arc<str>>,
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
            kind: Ok(kind),
            shape,
            source: Arc::new(source),
        }
    }

    /// A tensor of numbers that this crate does not compute with: it has a name and a place, and
    /// reading it is an error.
    pub(crate) fn unusable(path: &Arc<Path>, name: &str, what: &str, shape: Vec<i64>) -> Self {
        Self {
            path: path.clone(),
            name: name.into(),
            kind: Err(what.into()),
            shape,
            source: Arc::new(|| Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Tensors of one kind and shape, one below the other, under the first one's name; `None` where
    /// they do not go together.
    pub(crate) fn stacked(parts: &[Self]) -> Option<Self> {
        let first = parts.first()?;
        let kind = first.kind()?;
        let alike = |part: &Self| part.kind() == Some(kind) && part.shape == first.shape;
        let mut shape = first.shape.clone();
        let rows = shape.first_mut().filter(|_| parts.iter().all(alike))?;
        *rows = rows.checked_mul(parts.len() as i64)?;
        let sources: Vec<Arc<Source>> = parts.iter().map(|part| part.source.clone()).collect();
        let read = move || {
            let mut bytes = Vec::new();
            for source in &sources {
                bytes.append(&mut source()?);
            }
            Ok(bytes)
        };
        Some(Self::new(&first.path, &first.name, kind, shape, read))
    }

    /// A tensor of the same kind and shape that is 0.
    pub(crate) fn zeros_like(&self) -> Self {
        let bytes = (self.numel() * self.number_size()) as usize;
        Self {
            source: Arc::new(move || Ok(vec![0; bytes])),
            ..self.clone()
        }
    }

    /// The name in the file, wrappers and prefixes included.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of its numbers, as stored; `None` where this crate does not compute with such.
    pub fn kind(&self) -> Option<Kind> {
        self.kind.as_ref().ok().copied()
    }

    /// Whether neither its numbers nor its shape can be read.
    pub(crate) fn is_shapeless(&self) -> bool {
        self.kind.is_err() && self.shape.is_empty()
    }

    /// What its numbers are, in a word: `Float`, `float8_e4m3fn`, `sparse`.
    pub fn kind_name(&self) -> String {
        match &self.kind {
            Ok(kind) => format!("{kind:?}"),
            Err(what) => what.to_string(),
        }
    }

    /// Bytes of one of its numbers; 1 where that is not known.
    pub(super) fn number_size(&self) -> u64 {
        self.kind()
            .map_or(1, |kind| kind.elt_size_in_bytes() as u64)
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
    /// Where the file cannot be read, or is damaged there, or the numbers are of a kind that this
    /// crate does not compute with.
    pub fn read(&self) -> Result<Tensor, Error> {
        let tensor = self.read_as_stored()?;
        Ok(match self.kind {
            Ok(Kind::Half | Kind::BFloat16) => tensor.f_to_kind(Kind::Float)?,
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
        let kind = self
            .kind()
            .ok_or_else(|| Problem::kind(&self.name, &self.kind_name()).of(&self.path))?;
        let bytes = (self.source)().map_err(|error| {
            damaged(format!("the numbers of `{}`", self.name), error.to_string())
        })?;
        // libtorch takes a pointer: nothing after this line checks the length.
        let wanted = self.numel() * self.number_size();
        if bytes.len() as u64 != wanted {
            return Err(damaged(
                format!("{wanted} bytes in `{}`", self.name),
                format!("{} bytes", bytes.len()),
            ));
        }
        Ok(Tensor::f_from_data_size(&bytes, &self.shape, kind)?)
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
