//! Features and labels from files of embeddings of any model.

use e2mc_record::FileOrigin;

use super::{Error, Labelled, MapFile, all_rows, rows_through};
use crate::{EmbeddingFile, Rows, Targets, read_targets};

/// Four files of embeddings and labels, opened. Rows are read when they are asked for.
#[derive(Debug)]
pub struct EmbeddingFiles {
    /// Training embeddings as they are; see [`EmbeddingFiles::train_rows`].
    pub train: EmbeddingFile,
    /// Their labels.
    pub train_targets: Targets,
    /// Test embeddings as they are; see [`EmbeddingFiles::test_rows`].
    pub test: EmbeddingFile,
    /// Their labels.
    pub test_targets: Targets,
    /// Where the targets of both are.
    label_files: [String; 2],
    /// What the embeddings are seen through.
    map: Option<MapFile>,
}

impl EmbeddingFiles {
    /// Opens the files and reads the labels. Embeddings are seen through `map` if there is one.
    ///
    /// # Errors
    /// A file that cannot be read or is something else; not one label a row; embeddings of another
    /// width than the map takes.
    pub fn open(origin: &FileOrigin, map: Option<MapFile>) -> Result<Self, Error> {
        let open = |embeddings: &String, labels: &String| -> Result<_, Error> {
            let (file, targets) = (EmbeddingFile::open(embeddings)?, read_targets(labels)?);
            if file.rows() != targets.rows() {
                return Err(Error::RowsAndLabels {
                    embeddings: embeddings.clone(),
                    rows: file.rows(),
                    labels: labels.clone(),
                    found: targets.rows(),
                });
            }
            Ok((file, targets))
        };
        let (train, train_targets) = open(&origin.train, &origin.train_labels)?;
        let (test, test_targets) = open(&origin.test, &origin.test_labels)?;
        for file in [&train, &test] {
            rows_through(file, map.as_ref())?;
        }
        Ok(Self {
            label_files: [origin.train_labels.clone(), origin.test_labels.clone()],
            train,
            train_targets,
            test,
            test_targets,
            map,
        })
    }

    /// Training embeddings, through the map if there is one.
    ///
    /// # Errors
    /// None after [`EmbeddingFiles::open`].
    pub fn train_rows(&self) -> Result<Box<dyn Rows + '_>, Error> {
        rows_through(&self.train, self.map.as_ref())
    }

    /// Test embeddings, through the map if there is one.
    ///
    /// # Errors
    /// None after [`EmbeddingFiles::open`].
    pub fn test_rows(&self) -> Result<Box<dyn Rows + '_>, Error> {
        rows_through(&self.test, self.map.as_ref())
    }

    /// The class numbers of both sets, and how many classes they speak of.
    ///
    /// # Errors
    /// [`Error::SeveralLabels`] where labels are columns of 0 and 1.
    pub fn classes(&self) -> Result<(&[usize], &[usize], usize), Error> {
        let (Targets::Classes(train), Targets::Classes(test)) =
            (&self.train_targets, &self.test_targets)
        else {
            return Err(Error::SeveralLabels {
                kinds: self.kinds(),
            });
        };
        let largest = train.iter().chain(test).max().copied().unwrap_or(0);
        // No label that was read is so large that there would be too many.
        Ok((train, test, largest + 1))
    }

    /// What labels each file holds, in words.
    pub fn kinds(&self) -> String {
        let [train, test] = &self.label_files;
        format!(
            "{train} holds {}, {test} holds {}",
            kind(&self.train_targets),
            kind(&self.test_targets)
        )
    }

    /// Features and classes in memory.
    ///
    /// # Errors
    /// As [`EmbeddingFiles::classes`], and where rows cannot be read.
    pub fn labelled(&self) -> Result<Labelled, Error> {
        let (train, test, classes) = self.classes()?;
        Ok(Labelled {
            train: all_rows(&*self.train_rows()?)?,
            train_labels: train.to_vec(),
            test: all_rows(&*self.test_rows()?)?,
            test_labels: test.to_vec(),
            classes,
        })
    }
}

/// What targets are, in words.
pub(super) fn kind(targets: &Targets) -> String {
    match targets {
        Targets::Classes(_) => "class numbers".to_owned(),
        Targets::Multi(labels) => format!("{} column(s) of 0/1", labels.labels()),
    }
}
