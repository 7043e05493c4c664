//! Words in names that mean a split.
//!
//! Names are taken apart into words, in any case: `Training`, `seg_train`, `TEST_SET`, `val2017`,
//! `TrainImages`. A word counts only as a whole: `latest` and `retrained` hold none.

use std::path::{Path, PathBuf};

use super::folder::file_name;
use super::options::Split;

/// Words in folders' names that say nothing of what is in them.
const EMPTY_WORDS: [&str; 20] = [
    "set", "sets", "data", "dataset", "split", "folder", "image", "images", "img", "imgs",
    "picture", "pictures", "photo", "photos", "jpg", "jpeg", "png", "raw", "samples", "files",
];
/// Words of folders that lie beside images and hold no class.
const SIDE_WORDS: [&str; 10] = [
    "mask",
    "masks",
    "label",
    "labels",
    "annotation",
    "annotations",
    "segmentation",
    "unlabeled",
    "unlabelled",
    "extra",
];

/// Words in the names of files that label images.
const LABEL_WORDS: [&str; 5] = ["label", "labels", "annotation", "annotations", "list"];

/// The words of a name, in lower case: runs of letters, and what begins with a capital among small
/// letters.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (place, &letter) in letters.iter().enumerate() {
        let before = place.checked_sub(1).map(|before| letters[before]);
        let small = |letter: Option<&char>| letter.is_some_and(|letter| letter.is_lowercase());
        // `trainSet`, and `JPEGImages` before its last capital.
        let begins = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase() || before.is_uppercase() && small(letters.get(place + 1))
            });
        if begins || !letter.is_alphabetic() {
            words.push(String::new());
        }
        if letter.is_alphabetic() {
            let last = words.last_mut().expect("there is one at least");
            last.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    // What is for both is for training.
    while let Some(place) = words.windows(2).position(|pair| pair == ["train", "val"]) {
        words.splice(place..place + 2, ["trainval".to_owned()]);
    }
    words
}

/// The words that mean a split, those before others first: ImageNet's `test` has no labels, and
/// `trainval` holds `train`.
fn words_of(split: Split) -> [&'static [&'static str]; 2] {
    match split {
        Split::Train => [&["train", "training", "trainset"], &["trainval"]],
        Split::Test => [
            &[
                "val",
                "valid",
                "validation",
                "valset",
                "eval",
                "evaluation",
                "dev",
            ],
            &["test", "testing", "testset"],
        ],
    }
}

/// The split that a word means, and its rank among the split's words: 0 is taken first.
fn meaning(word: &str) -> Option<(Split, usize)> {
    [Split::Train, Split::Test].into_iter().find_map(|split| {
        let ranks = words_of(split);
        let rank = ranks.iter().position(|words| words.contains(&word))?;
        Some((split, rank))
    })
}

/// A name that means a split.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) path: PathBuf,
    pub(super) split: Split,
    pub(super) rank: usize,
    /// It is `train`, `val` or `test` and nothing else.
    pub(super) exact: bool,
    /// Its other words that say something.
    pub(super) rest: Vec<String>,
}

impl Named {
    /// By the last of its words that means a split.
    fn of(path: &Path, name: &str) -> Option<Self> {
        let mut words = words(name);
        let place = words.iter().rposition(|word| meaning(word).is_some())?;
        let (split, rank) = meaning(&words[place])?;
        words.remove(place);
        words.retain(|word| !EMPTY_WORDS.contains(&word.as_str()));
        Some(Self {
            path: path.to_owned(),
            split,
            rank,
            exact: ["train", "val", "test"].contains(&name),
            rest: words,
        })
    }

    pub(super) fn of_folder(folder: &Path) -> Option<Self> {
        Self::of(folder, &file_name(folder))
    }

    fn of_shard(shard: &Path) -> Option<Self> {
        Self::of(shard, &shard.file_stem()?.to_string_lossy())
    }
}

/// Whether a folder's name is that of a split or of something else that is no class: `test`,
/// `val2017`, `Validation`, `test_images`, `unlabeled`.
pub(super) fn is_split(folder: &Path) -> bool {
    Named::of_folder(folder).is_some_and(|named| named.rest.is_empty()) || is_beside(folder)
}

/// Whether a folder's name says that it is no class: `images`, `masks`, `JPEGImages`.
pub(super) fn is_beside(folder: &Path) -> bool {
    let words = words(&file_name(folder));
    let beside =
        |word: &String| EMPTY_WORDS.contains(&word.as_str()) || SIDE_WORDS.contains(&word.as_str());
    !words.is_empty() && words.iter().all(beside)
}

/// Whether a file's name, without its extension, is a word that means the split, and its rank.
pub(super) fn rank_of_list(stem: &str, split: Split) -> Option<usize> {
    let (of, rank) = meaning(&stem.to_lowercase())?;
    (of == split).then_some(rank)
}

/// Whether a file's name, without its extension, says that it labels the images of a split, and its
/// rank: `val`, `val_labels`, and where it lies among the images, `labels` too.
pub(super) fn rank_of_labels(stem: &str, split: Split, within: bool) -> Option<usize> {
    let words = words(stem);
    let (told, rest): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| meaning(word).is_some());
    let of_labels = |word: &&String| LABEL_WORDS.contains(&word.as_str());
    if !rest.iter().all(of_labels) {
        return None;
    }
    match told[..] {
        [] if within && !rest.is_empty() => Some(4),
        [word] => {
            let rank = meaning(word).filter(|(of, _)| *of == split)?.1;
            Some(rank + if rest.is_empty() { 0 } else { 2 })
        }
        _ => None,
    }
}

/// The split that the name of an IDX file means, in lower case: `t10k` is MNIST's test.
pub(super) fn split_of_idx(name: &str) -> Option<Split> {
    let named = Named::of(Path::new(name), name).map(|named| named.split);
    named.or(name.contains("t10k").then_some(Split::Test))
}

/// The shards of a split, by their names.
pub(super) fn shards_of(shards: &[PathBuf], split: Split) -> Vec<PathBuf> {
    let with = |rank: usize| -> Vec<PathBuf> {
        let has = |shard: &&PathBuf| {
            let named = Named::of_shard(shard);
            named.is_some_and(|named| named.split == split && named.rank == rank)
        };
        shards.iter().filter(has).cloned().collect()
    };
    let first = with(0);
    if first.is_empty() { with(1) } else { first }
}

/// The shards whose names mean no split.
pub(super) fn shards_of_none(shards: &[PathBuf]) -> impl Iterator<Item = &PathBuf> {
    let none = |shard: &&PathBuf| Named::of_shard(shard).is_none();
    shards.iter().filter(none)
}

/// Whether shards that are no two splits might have been meant as such: some names mean a split and
/// others do not, or none does and both splits are in them.
pub(super) fn are_unclear(shards: &[PathBuf]) -> bool {
    let told = shards.len() - shards_of_none(shards).count();
    let holds = |texts: &[&str]| {
        shards.iter().any(|shard| {
            let name = file_name(shard).to_lowercase();
            texts.iter().any(|text| name.contains(text))
        })
    };
    match told {
        0 => holds(&["train"]) && holds(&["val", "test"]),
        told => told < shards.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_and_the_last_counts() {
        for (name, word) in [
            ("latest-train-000.tar", Some("train")),
            ("imagenet1k-train-{0..9}.tar", Some("train")),
            ("train000.tar", Some("train")),
            ("TRAIN_07.tar", Some("train")),
            ("TrainImages.tar", Some("train")),
            ("cars-test-train-1.tar", Some("train")),
            ("x.val.3.tar", Some("val")),
            ("validation_0.tar", Some("validation")),
            ("cars-eval-3.tar", Some("eval")),
            ("valset_1.tar", Some("valset")),
            ("contest-12.tar", None),
            ("interval.tar", None),
            ("retrained-1.tar", None),
            ("trainval-1.tar", Some("trainval")),
            ("train_val-1.tar", Some("trainval")),
        ] {
            let expected = word.and_then(meaning);
            let found = Named::of_shard(Path::new(name)).map(|named| (named.split, named.rank));
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(
            words("JPEGImages2trainSet"),
            ["jpeg", "images", "train", "set"]
        );
    }

    #[test]
    fn val_is_taken_before_test_and_train_before_trainval() {
        let shards = [
            "a-test-0.tar",
            "a-train-0.tar",
            "a-trainval-0.tar",
            "a-val-0.tar",
            "b.tar",
        ];
        let shards = shards.map(PathBuf::from);
        let of = |split| shards_of(&shards, split);
        assert_eq!(of(Split::Train), [PathBuf::from("a-train-0.tar")]);
        assert_eq!(of(Split::Test), [PathBuf::from("a-val-0.tar")]);
        assert_eq!(shards_of(&shards[..1], Split::Test), shards[..1]);
        assert_eq!(shards_of(&shards[2..3], Split::Train), shards[2..3]);
        assert!(shards_of_none(&shards).eq([&shards[4]]));
    }

    #[test]
    fn names_that_almost_tell_splits_are_noticed() {
        let unclear = |names: &[&str]| {
            let shards: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
            are_unclear(&shards)
        };
        assert!(unclear(&["train-0.tar", "more-0.tar"]));
        assert!(unclear(&["mytrain0.tar", "mytest0.tar"]));
        assert!(!unclear(&["train-0.tar", "train-1.tar"]));
        assert!(!unclear(&["cars-0.tar", "contest-1.tar"]));
    }

    #[test]
    fn folders_of_splits_may_have_numbers_and_empty_words() {
        for split in [
            "test",
            "test1",
            "val2017",
            "Validation",
            "test_images",
            "train2",
            "TrainingSet",
            "images",
            "unlabeled",
        ] {
            assert!(is_split(Path::new(split)), "{split}");
        }
        for class in ["tram", "tester", "valley", "figures", "1", "train station"] {
            assert!(!is_split(Path::new(class)), "{class}");
        }
    }
}
