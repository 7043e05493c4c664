//! What the fuzzers do with a file. Whatever its bytes, it is read or refused.

// The reader of checkpoints is taken as it is from the crate that trains, and not all of it is
// used.
#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/e2mc-train/src/advice.rs"]
mod advice;
#[allow(dead_code, unreachable_pub, unused_imports)]
#[path = "../../crates/e2mc-train/src/archive/mod.rs"]
mod archive;
#[cfg(feature = "embeddings")]
pub mod embeddings;
pub mod jpeg;
pub mod pytorch;
pub mod targets;

use pytorch::Error;
