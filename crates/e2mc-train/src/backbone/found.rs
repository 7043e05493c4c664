//! A network's tensors in a file, before any is read.

use std::collections::{BTreeMap, BTreeSet};

use tch::Kind;

use super::family::NetworkConfig;
use super::hints::Hints;
use super::naming::Naming;
use crate::advice::Advice;
use crate::archive::{Problem, Unread, brief};
use crate::layer::counts_batches;

/// The tensors that a file holds of one network, under the family's own names.
#[derive(Debug)]
pub struct Found<'a> {
    prefix: &'a str,
    naming: &'static Naming,
    hints: &'a Hints,
    tensors: BTreeMap<String, Unread>,
    /// Own names of tensors that the file has in pieces, and whether one was missing, and is 0.
    joined: BTreeMap<String, bool>,
    /// The file's names of tensors that are one more of the same own name.
    twice: Vec<&'a str>,
    /// What lies among the network's tensors and the network does without, in words.
    beside: BTreeSet<&'static str>,
}

impl<'a> Found<'a> {
    /// The tensors of a file that start with `prefix` and that the network has. Modules stored in
    /// pieces are joined.
    ///
    /// # Errors
    /// Where a piece is missing, or pieces do not go together.
    pub(crate) fn new(
        file: &BTreeMap<&'a str, &'a Unread>,
        prefix: &'a str,
        naming: &'static Naming,
        hints: &'a Hints,
    ) -> Result<Self, Problem> {
        let mut found = Self {
            prefix,
            naming,
            hints,
            tensors: BTreeMap::new(),
            joined: BTreeMap::new(),
            twice: Vec::new(),
            beside: BTreeSet::new(),
        };
        let mut pieces: BTreeMap<String, Vec<Option<&Unread>>> = BTreeMap::new();
        let file = file.iter().filter(|(name, _)| !counts_batches(name));
        for (&name, &tensor) in file {
            let Some(within) = name.strip_prefix(prefix) else {
                continue;
            };
            found.beside.extend((naming.beside)(within));
            let Some(ours) = (naming.ours)(within) else {
                continue;
            };
            // The network is told from shapes.
            if tensor.is_shapeless() {
                return Err(Problem::kind(name, &tensor.kind_name()));
            }
            match naming.whole_of(&ours) {
                Some((whole, split, place)) => {
                    let parts = pieces.entry(whole).or_default();
                    parts.resize(split.parts.len(), None);
                    parts[place] = Some(tensor);
                }
                None => {
                    if found.tensors.insert(ours, tensor.clone()).is_some() {
                        found.twice.push(name);
                    }
                }
            }
        }
        for (whole, parts) in pieces {
            let joined = found.join(&whole, &parts)?;
            let completed = parts.iter().any(Option::is_none);
            found.joined.insert(whole.clone(), completed);
            found.tensors.insert(whole, joined);
        }
        Ok(found)
    }

    /// The tensor that pieces make up, one below the other.
    fn join(&self, whole: &str, parts: &[Option<&Unread>]) -> Result<Unread, Problem> {
        let split = self.naming.pieces_of(whole);
        let unbiased = split.as_ref().and_then(|(pieces, _)| pieces.unbiased);
        let some = parts.iter().flatten().next().copied();
        let present: Option<Vec<Unread>> = (0..)
            .zip(parts)
            .map(|(place, part)| match part {
                Some(part) => Some((*part).clone()),
                None if unbiased == Some(place) && whole.ends_with(".bias") => {
                    some.map(Unread::zeros_like)
                }
                None => None,
            })
            .collect();
        let joined = present.and_then(|parts| Unread::stacked(&parts));
        joined.ok_or_else(|| {
            let names = split.iter().flat_map(|(_, names)| names);
            let list: Vec<String> = names.map(|name| self.in_file(name)).collect();
            Problem {
                expected: format!("`{}` of one shape and one type", list.join("`, `")),
                found: match some {
                    Some(part) => format!("`{}` of shape {:?}", brief(part.name()), part.size()),
                    None => "none".into(),
                },
                advice: Advice::words(
                    "if this is another network than its names say, save its embeddings as .npy \
                     to evaluate and adapt them; otherwise copy or download the file again",
                ),
            }
        })
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The shape of the tensor of that name.
    pub fn size(&self, name: &str) -> Option<&[i64]> {
        self.tensors.get(name).map(Unread::size)
    }

    /// Whether the file has the tensor of that name in pieces.
    pub fn is_joined(&self, name: &str) -> bool {
        self.joined.contains_key(name)
    }

    /// Whether one of the pieces was missing, and is 0.
    pub fn is_completed(&self, name: &str) -> bool {
        self.joined.get(name) == Some(&true)
    }

    /// What the file calls the tensor of that name, or would; for messages.
    pub fn in_file(&self, name: &str) -> String {
        brief(&format!("{}{}", self.prefix, (self.naming.theirs)(name)))
    }

    /// What is said of the network beside its tensors.
    pub fn hints(&self) -> &Hints {
        self.hints
    }

    /// Whether the file's names are those of `who`: `torchvision`.
    pub fn is_named_by(&self, who: &str) -> bool {
        self.naming.names.contains(&who)
    }

    /// Whether the network lies within `part` of the file's: `teacher`.
    pub fn is_within(&self, part: &str) -> bool {
        self.prefix.split('.').any(|found| found == part)
    }

    /// Whether something of [`Naming::beside`] lies among the network's tensors.
    pub fn has_beside(&self, what: &str) -> bool {
        self.beside.contains(what)
    }

    /// How many blocks there are: `tensor` says the name in the block of a number, from 0 on.
    pub fn count(&self, tensor: impl Fn(usize) -> String) -> usize {
        (0..).take_while(|&block| self.has(&tensor(block))).count()
    }

    /// Numbers in all floating-point tensors: what a file holds, whatever it claims.
    pub fn numbers(&self) -> u64 {
        self.tensors
            .values()
            .filter(|tensor| tensor.kind().is_some_and(is_float))
            .map(Unread::numel)
            .sum()
    }

    /// Checks that a network read off the tensors is in use, and that they can be `weights`
    /// numbers: a name costs a hostile file nothing, the network that it stands for costs memory.
    ///
    /// # Errors
    /// Where it is not, with what `networks` says of those that a user can bring.
    pub fn check_size(
        &self,
        config: &dyn NetworkConfig,
        weights: u64,
        networks: &'static str,
    ) -> Result<(), Problem> {
        let other = |expected: String, found: String| Problem {
            expected,
            found,
            advice: Advice::words(networks),
        };
        let in_use = || "a network of a size in use".to_owned();
        config
            .check()
            .map_err(|error| other(in_use(), error.to_string()))?;
        let held = self.numbers();
        if weights > held.saturating_mul(2) {
            let expected = format!("the {weights} weights of {config}");
            return Err(other(expected, format!("{held} numbers")));
        }
        Ok(())
    }

    /// The tensors themselves, and the file's names of those that are there once more.
    pub(crate) fn into_tensors(self) -> (BTreeMap<String, Unread>, Vec<&'a str>) {
        (self.tensors, self.twice)
    }
}

/// Whether a kind can hold a network's weights.
pub(crate) fn is_float(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double
    )
}
