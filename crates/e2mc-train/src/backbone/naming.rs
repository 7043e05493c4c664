//! What files call a family's tensors.

/// One public way to name a family's tensors.
#[derive(Debug)]
pub struct Naming {
    /// Those who name so: `torchvision`, `timm`.
    pub names: &'static [&'static str],
    /// The tensor by which such a file, and the place of the network in it, is recognised.
    pub landmark: &'static str,
    /// The module behind the network that classifies: `fc`. Methods put their heads in its place.
    pub classifier: &'static str,
    /// The family's own name of a tensor; `None` where the network has none of that name.
    pub ours: fn(&str) -> Option<String>,
    /// The public name of the family's own.
    pub theirs: fn(&str) -> String,
    /// The tensors that such files hold in pieces.
    pub pieces: &'static [Pieces],
    /// The shape in such files of a tensor of the family's own name and shape. Dimensions of size 1
    /// may come or go, nothing else.
    pub shape: fn(&str, &[i64]) -> Vec<i64>,
    /// What a tensor among the network's is that the network does without, in words; `None` where
    /// it is nothing that is known, which is then an error.
    pub beside: fn(&str) -> Option<&'static str>,
}

impl Naming {
    /// A network's own names, of tensors that are whole and alone; a naming says what differs.
    pub const PLAIN: Self = Self {
        names: &[],
        landmark: "",
        classifier: "fc",
        ours: |name| Some(name.to_owned()),
        theirs: str::to_owned,
        pieces: &[],
        shape: |_, size| size.to_vec(),
        beside: |_| None,
    };

    /// The whole that a tensor is a piece of, and which one, by the family's own names.
    pub(crate) fn whole_of(&self, name: &str) -> Option<(String, &'static Pieces, usize)> {
        let (module, last) = name.rsplit_once('.')?;
        self.pieces.iter().find_map(|pieces| {
            let place = pieces.parts.iter().position(|part| ends_with(module, part));
            let place = place?;
            let before = module.strip_suffix(pieces.parts[place])?;
            Some((format!("{before}{}.{last}", pieces.whole), pieces, place))
        })
    }

    /// The pieces that a tensor may be held in, by the family's own names, in the order of their
    /// rows.
    pub(crate) fn pieces_of(&self, name: &str) -> Option<(&'static Pieces, Vec<String>)> {
        let (module, last) = name.rsplit_once('.')?;
        let pieces = self.pieces.iter().find(|p| ends_with(module, p.whole))?;
        let before = module.strip_suffix(pieces.whole)?;
        let part = |part: &&str| format!("{before}{part}.{last}");
        Some((pieces, pieces.parts.iter().map(part).collect()))
    }
}

/// Whether the path of a module ends with whole parts of a path.
fn ends_with(module: &str, end: &str) -> bool {
    module
        .strip_suffix(end)
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// A module whose weight and bias are the rows of several modules', one below the other.
#[derive(Debug)]
pub struct Pieces {
    /// The end of the module's path: `attn.qkv`.
    pub whole: &'static str,
    /// The ends of the others' paths: `attn.q`, `attn.k`, `attn.v`. They have equally many rows.
    pub parts: &'static [&'static str],
    /// The part whose bias may be absent: it is then 0, and where it is 0 it is not written.
    pub unbiased: Option<usize>,
    /// The tensors that are written so, and not only read: `weight`, `bias`.
    pub written: &'static [&'static str],
}

#[cfg(test)]
mod tests {
    use super::*;

    static SPLIT: Naming = Naming {
        pieces: &[Pieces {
            whole: "attn.qkv",
            parts: &["attn.q", "attn.k", "attn.v"],
            unbiased: Some(1),
            written: &["weight", "bias"],
        }],
        ..Naming::PLAIN
    };

    #[test]
    fn a_whole_and_its_pieces_know_each_other() {
        let whole = "blocks.3.attn.qkv.weight";
        let (_, pieces) = SPLIT.pieces_of(whole).unwrap();
        assert_eq!(pieces[2], "blocks.3.attn.v.weight");
        for (place, piece) in pieces.iter().enumerate() {
            let (name, _, at) = SPLIT.whole_of(piece).unwrap();
            assert_eq!((name.as_str(), at), (whole, place));
        }
        assert!(SPLIT.whole_of(whole).is_none());
        assert!(SPLIT.pieces_of("blocks.3.xattn.qkv.weight").is_none());
        assert!(SPLIT.whole_of("blocks.3.attn.q_norm.weight").is_none());
    }
}
