//! A naming as a table: modules outside the blocks, and modules in every block.

/// Which of a family's own modules a public naming calls what. Rows are pairs, the own name first;
/// a name stands for a tensor or for a module with all that is in it.
#[derive(Debug)]
pub(super) struct Table {
    /// Modules outside the blocks.
    pub(super) outside: &'static [(&'static str, &'static str)],
    /// What comes before a block's number: `encoder.layer.`.
    pub(super) block: &'static str,
    /// Modules in a block.
    pub(super) inside: &'static [(&'static str, &'static str)],
    /// More names of modules in a block, which are read and never written.
    pub(super) also: &'static [(&'static str, &'static str)],
    /// Starts of the names of what belongs to the network whether it is in the table or not: what
    /// is not known there is unexpected, and not skipped.
    pub(super) claims: &'static [&'static str],
}

/// What the family calls its own blocks.
const OWN_BLOCK: &str = "blocks.";

impl Table {
    /// The family's own name; `None` for what is not of the network.
    pub(super) fn ours(&self, name: &str) -> Option<String> {
        if let Some((number, rest)) = numbered(name, self.block) {
            let known = self.inside.iter().chain(self.also);
            let own = replaced(rest, known.map(|&(own, theirs)| (theirs, own)));
            return Some(format!(
                "{OWN_BLOCK}{number}.{}",
                own.as_deref().unwrap_or(rest)
            ));
        }
        let known = self.outside.iter().map(|&(own, theirs)| (theirs, own));
        let own = replaced(name, known);
        let claimed = || self.claims.iter().any(|start| name.starts_with(start));
        own.or_else(|| claimed().then(|| name.to_owned()))
    }

    /// The public name of the family's own.
    pub(super) fn theirs(&self, name: &str) -> String {
        let found = match numbered(name, OWN_BLOCK) {
            Some((number, rest)) => {
                let theirs = replaced(rest, self.inside.iter().copied());
                let theirs = theirs.as_deref().unwrap_or(rest);
                Some(format!("{}{number}.{theirs}", self.block))
            }
            None => replaced(name, self.outside.iter().copied()),
        };
        found.unwrap_or_else(|| name.to_owned())
    }
}

/// The number of a block, and what follows it.
fn numbered<'n>(name: &'n str, block: &str) -> Option<(&'n str, &'n str)> {
    let (number, rest) = name.strip_prefix(block)?.split_once('.')?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then_some((number, rest))
}

/// The name with its start replaced by the first pair whose first is all of it or a module in it.
pub(super) fn replaced<'t>(
    name: &str,
    mut pairs: impl Iterator<Item = (&'t str, &'t str)>,
) -> Option<String> {
    pairs.find_map(|(from, to)| {
        let rest = name.strip_prefix(from)?;
        (rest.is_empty() || rest.starts_with('.')).then(|| format!("{to}{rest}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: Table = Table {
        outside: &[("norm", "layernorm"), ("cls_token", "embeddings.cls_token")],
        block: "encoder.layer.",
        inside: &[("attn.q", "attention.query"), ("mlp.fc1", "dense")],
        also: &[("mlp.fc1", "linear_1")],
        claims: &["embeddings."],
    };

    #[test]
    fn names_go_there_and_back() {
        for (own, theirs) in [
            ("norm.weight", "layernorm.weight"),
            ("cls_token", "embeddings.cls_token"),
            (
                "blocks.11.attn.q.bias",
                "encoder.layer.11.attention.query.bias",
            ),
            ("blocks.0.mlp.fc1.weight", "encoder.layer.0.dense.weight"),
        ] {
            assert_eq!(TABLE.ours(theirs).as_deref(), Some(own));
            assert_eq!(TABLE.theirs(own), theirs);
        }
        let also = TABLE.ours("encoder.layer.0.linear_1.weight");
        assert_eq!(also.as_deref(), Some("blocks.0.mlp.fc1.weight"));
    }

    #[test]
    fn what_is_unknown_in_the_network_is_not_passed_over() {
        for (theirs, own) in [
            ("encoder.layer.0.gate.weight", Some("blocks.0.gate.weight")),
            ("embeddings.more_tokens", Some("embeddings.more_tokens")),
            ("pooler.dense.weight", None),
            ("layernorm_more.weight", None),
        ] {
            assert_eq!(TABLE.ours(theirs).as_deref(), own, "{theirs}");
        }
    }
}
