//! Opening a data set for a command: progress while a large one is listed, the list kept in the user's
//! cache folder, and bad images named.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2mc_data::{Dataset, Error, OpenOptions, Split, open_with, subset};
use indicatif::ProgressBar;

pub(crate) use e2mc_cli::options::ImageOptions;

use crate::failure::Failure;
use crate::output;

/// Seconds between two plain lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Bad images that are named; there may be a thousand of a million.
const NAMED: usize = 20;

/// Opens a part, of which some images may turn out to be unreadable.
pub(crate) fn open(path: &Path, split: Split, taken: ImageOptions) -> Result<Arc<dyn Dataset>> {
    let bar = std::io::stderr()
        .is_terminal()
        .then(ProgressBar::new_spinner);
    let last = Mutex::new(Instant::now());
    let progress = |found: usize| {
        let text = || format!("listing {}: {found} images", path.display());
        if let Some(bar) = &bar {
            bar.tick();
            bar.set_message(text());
            return;
        }
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            output::note(&text());
        }
    };
    let count = AtomicUsize::new(0);
    let cache = cache_folder();
    let options = OpenOptions {
        progress: Some(&progress),
        cache: cache.as_deref(),
        max_bad: taken.max_bad_images(),
        test_fraction: taken
            .val_fraction
            .map(|fraction| (fraction, taken.val_seed)),
        on_bad: Some(Arc::new(move |reason: &str| {
            match count.fetch_add(1, Ordering::Relaxed) {
                before if before < NAMED => {
                    output::warning(&format!("another image takes the place of one: {reason}"));
                }
                NAMED => output::warning("more such images are not named"),
                _ => {}
            }
        })),
    };
    let dataset = open_with(path, split, &options);
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let dataset = dataset?;
    for warning in dataset.warnings() {
        output::warning(warning);
    }
    Ok(dataset)
}

/// The images of the train part that a text file names, one a line, by file name with or without
/// folders, as ImageNet's 1% and 10% files do.
pub(crate) fn named(list: &Path, train: &dyn Dataset, test: &dyn Dataset) -> Result<Vec<usize>> {
    let place = list.display().to_string();
    let text = std::fs::read_to_string(list).with_context(|| format!("cannot read {place}"))?;
    subset::named(train, &text, &place).map_err(|error| match &error {
        Error::Names {
            first, found: 0, ..
        } if subset::named(test, first, &place).is_ok() => Failure::new(
            format!("{place}: {first:?} is a test image"),
            "nothing must be learnt from the images that it is judged on",
        ),
        Error::Names {
            first, found: 0, ..
        } => Failure::new(
            format!("{place}: no training image is called {first:?}"),
            "give file names as they are in the training folder",
        ),
        Error::Names { first, .. } => Failure::new(
            format!("{place}: {first:?} names several training images"),
            "give the name with its folder",
        ),
        _ => error.into(),
    })
}

/// Where lists of files are kept between runs: `e2mc/index` in the user's cache folder.
fn cache_folder() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Some(cache?.join("e2mc").join("index"))
}
