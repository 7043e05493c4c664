//! The headings that `--help` has over options; options without one stand under "Options".

pub(super) const CHECKPOINT: &str = "Checkpoint options";
pub(super) const IMAGES: &str = "Data set options";
pub(super) const PREPARATION: &str = "Preprocessing options";
pub(super) const FILES: &str = "Embeddings from files";
pub(super) const TRAINING: &str = "Training options";
pub(super) const GUARD: &str = "Guard options";
pub(super) const RUN: &str = "Run options";
pub(super) const PROBES: &str = "Probe options";
pub(super) const SGD: &str = "SGD probe options";
pub(super) const ADAPT: &str = "Map options";
pub(super) const MACHINE: &str = "Machine options";
pub(super) const PAGE: &str = "Page options";
pub(super) const RESULT: &str = "Output options";
