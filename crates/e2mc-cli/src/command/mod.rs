//! The commands that need no network, one file each.

pub(crate) mod adapt;
pub(crate) mod augment;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod inspect;
pub(crate) mod knn;
pub(crate) mod probe;
pub(crate) mod recipes;
pub(crate) mod report;
pub(crate) mod results;
pub(crate) mod score;
pub(crate) mod svm;
pub(crate) mod throughput;
pub(crate) mod watch;

use std::path::PathBuf;

use e2mc_cli::failure::Failure;
use e2mc_cli::options::{EmbeddingsOptions, ProcessOptions};
use e2mc_eval::protocol::{self, MapFile};
use e2mc_record::{FileOrigin, MapOrigin};

/// The files that are evaluated, which the parser demands where no checkpoint is given.
fn files(options: &EmbeddingsOptions) -> anyhow::Result<FileOrigin> {
    options.files().ok_or_else(|| {
        Failure::usage(
            "there is neither a checkpoint with images nor a set of embedding files",
            "give --checkpoint and --data, or --train, --train-labels, --test and --test-labels",
        )
    })
}

/// Refuses several processes where there is no network whose work they could share.
fn alone(processes: ProcessOptions) -> anyhow::Result<()> {
    match processes.nproc {
        None | Some(1) => Ok(()),
        Some(wanted) => Err(Failure::usage(
            format!(
                "--nproc {wanted} cannot be given for files of embeddings, which one process \
                     evaluates"
            ),
            "omit --nproc, or give --checkpoint and --data",
        )),
    }
}

/// The map that embeddings are seen through, and what the result says of it.
fn map_of(path: Option<&PathBuf>) -> Result<(Option<MapFile>, Option<MapOrigin>), protocol::Error> {
    let map = path.map(|path| MapFile::open(path)).transpose()?;
    let origin = map.as_ref().map(|map| map.origin.clone());
    Ok((map, origin))
}
