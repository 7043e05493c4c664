//! The commands that need a network, one file each.

pub(crate) mod adapt;
pub(crate) mod convert;
pub(crate) mod demo;
pub(crate) mod embed;
pub(crate) mod finetune;
pub(crate) mod improve;
pub(crate) mod inspect;
pub(crate) mod knn;
pub(crate) mod probe;
pub(crate) mod svm;
pub(crate) mod sweep;
pub(crate) mod train;
