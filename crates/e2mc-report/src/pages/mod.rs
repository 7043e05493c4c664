//! Pages: typed data in, a [`Report`](crate::Report) out.
//!
//! - [`run`]: training runs, finished or not, with every result found below their folders;
//! - [`embedding`]: what one embedding looks like, or several of the same images;
//! - [`sweep`]: runs over a grid of settings;
//! - [`images`]: what models do with single images, as sections of the others;
//! - [`comparison`]: models against one that all are compared with;
//! - [`improve`]: a better model or the old one, with what was tried;
//! - [`demo`]: one base, continued with and without the entropy criterion.

pub mod comparison;
pub mod demo;
pub mod embedding;
pub mod images;
pub mod improve;
mod rows;
pub mod run;
pub mod sweep;
#[cfg(test)]
mod tests;

use crate::page::{Block, Section};

/// What the base is called where it is one of several.
pub const BASE: &str = "base";

/// A section without paragraphs.
fn section(heading: &str, blocks: Vec<Block>) -> Section {
    Section {
        heading: heading.to_owned(),
        prose: Vec::new(),
        blocks,
    }
}

/// A command, word for word.
fn command(text: &str) -> Block {
    Block::Code {
        caption: "Command".to_owned(),
        text: text.to_owned(),
    }
}
