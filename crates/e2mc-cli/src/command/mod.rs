//! The commands that need no network, one file each.

pub(crate) mod augment;
pub(crate) mod compare;
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
