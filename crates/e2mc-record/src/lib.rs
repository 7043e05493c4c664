//! The folder of a run, its events, and the results of evaluations.
