//! Training runs and evaluations of checkpoints as a library.
