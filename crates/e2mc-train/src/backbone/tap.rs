//! Looking at what comes out of one layer inside a network.

use tch::Tensor;

use crate::Error;

/// The name under which a network with other tokens beside those of patches shows the latter, as
/// they become its features.
pub(super) const PATCHES: &str = "patches";

/// Keeps a copy of the output of the layer of one name, if any.
#[derive(Debug)]
pub struct Tap<'a> {
    wanted: Option<&'a str>,
    found: Option<Tensor>,
    /// The layers that came by, for a message.
    seen: Vec<String>,
}

impl<'a> Tap<'a> {
    /// Looks at nothing.
    pub(super) fn none() -> Self {
        Self {
            wanted: None,
            found: None,
            seen: Vec::new(),
        }
    }

    pub(super) fn on(name: &'a str) -> Self {
        Self {
            wanted: Some(name),
            ..Self::none()
        }
    }

    /// The name that is looked for, if any: a network may know more of it than its layers.
    pub fn wanted(&self) -> Option<&str> {
        self.wanted
    }

    /// Shows the output of a layer by its name. Later layers may work in its place, so it is copied
    /// where it is wanted.
    ///
    /// # Errors
    /// Where libtorch runs out of memory.
    pub fn see(&mut self, name: &str, output: &Tensor) -> Result<(), Error> {
        match self.wanted {
            None => {}
            Some(wanted) if wanted == name => self.found = Some(output.f_alias_copy()?),
            Some(_) => self.seen.push(name.to_owned()),
        }
        Ok(())
    }

    /// The output that was wanted, if it came by.
    pub(super) fn taken(self) -> Option<Tensor> {
        self.found
    }

    /// The output that was wanted.
    pub(super) fn found(self) -> Result<Tensor, Error> {
        self.found.ok_or_else(|| {
            // Blocks and stages; their inner layers would fill the screen.
            let outer: Vec<String> = self
                .seen
                .into_iter()
                .filter(|name| name.matches('.').count() < 2)
                .collect();
            Error::argument(
                "output",
                format!(
                    "backbone, projector, predictor, prototypes, map6x6 or a layer such as {}",
                    outer.join(", ")
                ),
                self.wanted.unwrap_or_default(),
            )
        })
    }
}
