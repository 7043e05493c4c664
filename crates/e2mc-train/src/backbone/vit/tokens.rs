//! Features that are put together of several tokens: `class:4`, `class:1+mean`.
//!
//! DINO's linear evaluation takes the class tokens of the last 4 blocks, each behind the last layer
//! norm; DINOv2's takes those of the last 1 or 4 blocks and, behind them, the mean of the last
//! block's patches.

/// Which tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gathering {
    /// How many of the last blocks give their class token, the earliest first.
    pub(super) blocks: usize,
    /// Whether the mean of the last block's patches comes behind them.
    pub(super) mean: bool,
}

impl Gathering {
    /// What the name of an output says; `None` where it is the name of a layer.
    pub(super) fn named(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("class:")?;
        let (blocks, mean) = match rest.strip_suffix("+mean") {
            Some(blocks) => (blocks, true),
            None => (rest, false),
        };
        let blocks = blocks.parse().ok().filter(|&blocks| blocks > 0)?;
        Some(Self { blocks, mean })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_how_many_blocks_and_whether_the_mean() {
        let gathering = |blocks, mean| Some(Gathering { blocks, mean });
        assert_eq!(Gathering::named("class:4"), gathering(4, false));
        assert_eq!(Gathering::named("class:1+mean"), gathering(1, true));
        for layer in ["blocks.3", "class:", "class:0", "class:x", "class:4+max"] {
            assert_eq!(Gathering::named(layer), None, "{layer}");
        }
    }
}
