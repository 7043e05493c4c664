//! Opening a data set for a command: progress while a large one is listed, the list kept in the user's
//! cache folder, and bad images named.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use e2mc_data::{Dataset, OpenOptions, Split, open_with};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use crate::output;

/// The fraction of the images that may be bad, unless told otherwise.
const MAX_BAD_IMAGES: f64 = 0.001;
/// Seconds between two plain lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Bad images that are named; there may be a thousand of a million.
const NAMED: usize = 20;

/// How many images of a data set may be bad; an option of every command that reads images.
#[derive(Args, Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct BadImages {
    /// Fraction of the images that may be unreadable; others of their class take their places
    #[arg(long, value_name = "FRACTION", default_value_t = MAX_BAD_IMAGES)]
    pub(crate) max_bad_images: f64,
}

impl Default for BadImages {
    fn default() -> Self {
        let max_bad_images = MAX_BAD_IMAGES;
        Self { max_bad_images }
    }
}

/// Opens a split, of which some may turn out to be unreadable.
pub(crate) fn open(path: &Path, split: Split, bad: BadImages) -> Result<Arc<dyn Dataset>> {
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
        max_bad: bad.max_bad_images,
        on_bad: Some(Arc::new(move |reason: &str| {
            match count.fetch_add(1, Ordering::Relaxed) {
                before if before < NAMED => {
                    output::warning(&format!("another image takes the place of one: {reason}"));
                }
                NAMED => output::warning("more such images are not named"),
                _ => {}
            }
        })),
        ..OpenOptions::default()
    };
    let dataset = open_with(path, split, &options);
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    Ok(dataset?)
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
