//! Embeddings seen through a map from a file.

use std::path::Path;

use e2mc::Matrix;
use e2mc_record::MapOrigin;

use super::{Error, Labelled};
use crate::adapt::Map;
use crate::{EmbeddingFile, Rows};

/// A map from a file, with what a result says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct MapFile {
    /// The map.
    pub map: Map,
    /// Where it is from.
    pub origin: MapOrigin,
}

impl MapFile {
    /// Reads the map in the file `path`.
    ///
    /// # Errors
    /// As [`Map::load`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let map = Map::load(path)?;
        let origin = MapOrigin::of(path)?;
        Ok(Self { map, origin })
    }

    /// Features `(n, d)` as they are seen through the map.
    ///
    /// # Errors
    /// Features of another width, a value that is not finite.
    pub fn matrix(&self, features: &Matrix) -> Result<Matrix, Error> {
        Ok(self.map.apply(features.view())?)
    }

    /// Both sets as they are seen through the map.
    ///
    /// # Errors
    /// As [`MapFile::matrix`].
    pub fn labelled(&self, data: Labelled) -> Result<Labelled, Error> {
        Ok(Labelled {
            train: self.matrix(&data.train)?,
            test: self.matrix(&data.test)?,
            ..data
        })
    }
}

/// The rows of `file`, through a map if there is one; they are read when they are asked for.
///
/// # Errors
/// Rows of another width than the map takes.
pub fn rows_through<'a>(
    file: &'a EmbeddingFile,
    map: Option<&'a MapFile>,
) -> Result<Box<dyn Rows + 'a>, Error> {
    Ok(match map {
        Some(map) => Box::new(map.map.over(file)?),
        None => Box::new(file),
    })
}
