//! Why the processes of a run on one machine did not come to its end.

/// Processes of one machine that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// A process could not be started.
    #[error("cannot start process {rank} of {size}: {source}")]
    Start {
        /// Which.
        rank: usize,
        /// How many there were to be.
        size: usize,
        /// What the system said.
        source: std::io::Error,
    },
    /// The way the processes meet could not be prepared.
    #[error("cannot listen on this machine: {0}")]
    Listen(std::io::Error),
    /// A process ended before its time, and could not say why.
    #[error("process {rank} of {size} {how}")]
    Ended {
        /// Which.
        rank: usize,
        /// How many there were.
        size: usize,
        /// How it ended, in words.
        how: String,
    },
}
