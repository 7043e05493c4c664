//! How a data set is opened.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Is told what is wrong with a bad image, by name.
pub type OnBad = Arc<dyn Fn(&str) + Send + Sync>;

/// Bad images that are named; there may be a thousand of a million.
const NAMED: usize = 20;

/// What is told of bad images where only the first are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadNews<'a> {
    /// What is wrong with one, by name.
    One(&'a str),
    /// There are more, which are not named.
    More,
}

/// Tells of the first 20 bad images, and once that there are more.
pub fn first_bad(tell: impl Fn(BadNews<'_>) + Send + Sync + 'static) -> OnBad {
    let bad = AtomicUsize::new(0);
    Arc::new(
        move |reason: &str| match bad.fetch_add(1, Ordering::Relaxed) {
            before if before < NAMED => tell(BadNews::One(reason)),
            NAMED => tell(BadNews::More),
            _ => {}
        },
    )
}

/// What of a data set was set apart for a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// What a model may learn from.
    Train,
    /// What it is evaluated by.
    Test,
}

impl Split {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }

    /// What the names of its IDX files start with.
    pub(super) fn idx_prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Train => &["train"],
            Self::Test => &["t10k", "test"],
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Train => Self::Test,
            Self::Test => Self::Train,
        }
    }
}

/// How a data set is opened.
#[derive(Clone)]
pub struct OpenOptions<'a> {
    /// Is told how many images were found so far, now and then and from several threads.
    pub progress: Option<&'a (dyn Fn(usize) + Sync)>,
    /// A folder in which lists of files are kept from one run to the next. A list is made anew when
    /// a folder or shard has changed since. Should not be the data's own folder.
    pub cache: Option<&'a Path>,
    /// For data without a test split: the fraction in `(0, 1)` that is set apart as one, stratified
    /// where there are labels, and the seed of that choice.
    pub test_fraction: Option<(f64, u64)>,
    /// The fraction of the images, from 0 to 1, that may turn out to be unreadable. A loader puts
    /// others of the same class in their places; with 0 the first is an error.
    pub max_bad: f64,
    /// Is told of each of these, once, with what is wrong.
    pub on_bad: Option<OnBad>,
    /// Whether images beside class folders are images without a label; otherwise they are an error.
    pub unlabelled_beside: bool,
}

impl Default for OpenOptions<'_> {
    /// No report, no cache, no test split; one image in a thousand may be bad, none beside classes.
    fn default() -> Self {
        Self {
            progress: None,
            cache: None,
            test_fraction: None,
            max_bad: 0.001,
            on_bad: None,
            unlabelled_beside: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn the_first_twenty_bad_images_are_named_and_the_others_once() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = told.clone();
        let on_bad = first_bad(move |news| {
            let words = match news {
                BadNews::One(reason) => reason.to_owned(),
                BadNews::More => "more".to_owned(),
            };
            list.lock().unwrap().push(words);
        });
        for index in 0..50 {
            on_bad(&format!("{index}.jpg"));
        }
        let told = told.lock().unwrap();
        assert_eq!((told.len(), told[19].as_str()), (NAMED + 1, "19.jpg"));
        assert_eq!(told[NAMED], "more");
    }
}
