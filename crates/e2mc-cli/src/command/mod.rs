//! The commands, one file each.

pub(crate) mod compare;
pub(crate) mod continue_;
pub(crate) mod demo;
pub(crate) mod embed;
pub(crate) mod finetune;
pub(crate) mod knn;
pub(crate) mod pretrain;
pub(crate) mod probe;
pub(crate) mod results;
pub(crate) mod score;
pub(crate) mod svm;
