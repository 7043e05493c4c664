//! Parts by name: which shards are for training and which for the test, and which folders beside a
//! folder `train` may be parts too.

use std::path::{Path, PathBuf};

use super::Split;

/// Whether a folder's name is that of a part: `test`, `test1`, `val2017`, `Validation`, `test_images`.
pub(super) fn is_part(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_lowercase();
    let word = name.split(|letter: char| !letter.is_alphabetic()).next();
    let word = word.unwrap_or_default();
    all_words().any(|part| part == word) || ["unlabeled", "unlabelled"].contains(&word)
}

/// The words in shards' names that mean a part, those before others first: ImageNet's `test` has no
/// labels, and `trainval` holds `train`.
fn words(split: Split) -> [&'static [&'static str]; 2] {
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

fn all_words() -> impl Iterator<Item = &'static str> {
    let of_both = [Split::Train, Split::Test].into_iter().flat_map(words);
    of_both.flatten().copied()
}

/// The last word of a shard's name that means a part. Words are runs of letters: `train000` holds
/// one, `latest` does not.
fn part_word(shard: &Path) -> Option<&'static str> {
    let name = shard.file_stem()?.to_string_lossy().to_lowercase();
    name.rsplit(|letter: char| !letter.is_alphabetic())
        .find_map(|word| all_words().find(|&part| part == word))
}

/// The shards of a part, by their names.
pub(super) fn shards_of(shards: &[PathBuf], split: Split) -> Vec<PathBuf> {
    let with = |words: &[&str]| -> Vec<PathBuf> {
        let has = |shard: &&PathBuf| part_word(shard).is_some_and(|word| words.contains(&word));
        shards.iter().filter(has).cloned().collect()
    };
    let found = words(split).map(with);
    found
        .into_iter()
        .find(|shards| !shards.is_empty())
        .unwrap_or_default()
}

/// The shards whose names mean no part.
pub(super) fn shards_of_none(shards: &[PathBuf]) -> impl Iterator<Item = &PathBuf> {
    shards.iter().filter(|shard| part_word(shard).is_none())
}

/// Whether shards that are no two parts might have been meant as such: some names mean a part and
/// others do not, or none does and both parts are in them.
pub(super) fn are_unclear(shards: &[PathBuf]) -> bool {
    let told = shards.iter().filter(|shard| part_word(shard).is_some());
    let holds = |texts: &[&str]| {
        shards.iter().any(|shard| {
            let name = shard.file_name().unwrap_or_default().to_string_lossy();
            let name = name.to_lowercase();
            texts.iter().any(|text| name.contains(text))
        })
    };
    match told.count() {
        0 => holds(&["train"]) && holds(&["val", "test"]),
        told => told < shards.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_words_and_the_last_counts() {
        for (name, word) in [
            ("latest-train-000.tar", Some("train")),
            ("imagenet1k-train-{0..9}.tar", Some("train")),
            ("train000.tar", Some("train")),
            ("TRAIN_07.tar", Some("train")),
            ("cars-test-train-1.tar", Some("train")),
            ("x.val.3.tar", Some("val")),
            ("validation_0.tar", Some("validation")),
            ("cars-eval-3.tar", Some("eval")),
            ("valset_1.tar", Some("valset")),
            ("contest-12.tar", None),
            ("interval.tar", None),
            ("retrained-1.tar", None),
            ("trainval-1.tar", Some("trainval")),
        ] {
            assert_eq!(part_word(Path::new(name)), word, "{name}");
        }
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
    fn names_that_almost_tell_parts_are_noticed() {
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
    fn folders_of_parts_may_have_numbers_and_more_words() {
        for part in [
            "test",
            "test1",
            "val2017",
            "Validation",
            "test_images",
            "train2",
        ] {
            assert!(is_part(Path::new(part)), "{part}");
        }
        for class in ["tram", "tester", "valley", "figures", "1"] {
            assert!(!is_part(Path::new(class)), "{class}");
        }
    }
}
