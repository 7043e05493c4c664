//! The commands, one file each.

pub(crate) mod continue_;
pub(crate) mod convert;
pub(crate) mod demo;
pub(crate) mod inspect;
pub(crate) mod pretrain;
pub(crate) mod probe;
pub(crate) mod recipes;
pub(crate) mod report;
pub(crate) mod score;
pub(crate) mod sweep;
pub(crate) mod watch;
