//! What the crate promises, from outside, in one program: each test program is linked with libtorch
//! anew, which takes longer than most tests.
//!
//! `accumulate`: a batch in parts. `backbone`, `encoders`: networks against those of public
//! libraries. `checkpoint`, `field`: reading others' checkpoints. `controls`: what changes no weight
//! by gradients. `dino`, `methods`, `objective`: methods against slow twins and the authors' numbers.
//! `folded`: a map as a layer. `optim`: optimisers and schedules. `saving`, `training`: the loop.

#[path = "../common/mod.rs"]
mod common;

mod accumulate;
mod backbone;
mod checkpoint;
mod controls;
mod dino;
mod encoders;
mod field;
mod folded;
mod methods;
mod objective;
mod optim;
mod saving;
mod training;
