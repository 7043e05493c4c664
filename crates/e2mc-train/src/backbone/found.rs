//! A network's tensors in a file, before any is read.

use std::collections::BTreeMap;

use tch::Kind;

use super::naming::Naming;
use crate::archive::{Unread, brief};

/// The tensors that a file holds of one network, under the family's own names.
#[derive(Debug)]
pub struct Found<'a> {
    prefix: &'a str,
    naming: &'static Naming,
    tensors: BTreeMap<String, &'a Unread>,
}

impl<'a> Found<'a> {
    /// Of a file's tensors those whose names start with `prefix` and that the network has.
    pub(crate) fn new(
        file: &BTreeMap<&'a str, &'a Unread>,
        prefix: &'a str,
        naming: &'static Naming,
    ) -> Self {
        let ours = |name: &str| (naming.ours)(name.strip_prefix(prefix)?);
        let tensors = file
            .iter()
            .filter_map(|(name, tensor)| Some((ours(name)?, *tensor)))
            .collect();
        Self {
            prefix,
            naming,
            tensors,
        }
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The shape of the tensor of that name.
    pub fn size(&self, name: &str) -> Option<&[i64]> {
        self.tensors.get(name).map(|tensor| tensor.size())
    }

    /// What the file calls the tensor of that name, or would; for messages.
    pub fn in_file(&self, name: &str) -> String {
        brief(&format!("{}{}", self.prefix, (self.naming.theirs)(name)))
    }

    /// Numbers in all floating-point tensors: what a file holds, whatever it claims.
    pub fn numbers(&self) -> u64 {
        self.tensors
            .values()
            .filter(|tensor| tensor.kind().is_some_and(is_float))
            .map(|tensor| tensor.numel())
            .sum()
    }
}

/// Whether a kind can hold a network's weights.
pub(crate) fn is_float(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double
    )
}
