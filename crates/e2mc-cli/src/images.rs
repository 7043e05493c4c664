//! Opening a data set: progress while a large one is listed, its list kept in the user's cache
//! folder, bad images named.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use e2mc_cli::options::ImageOptions;
use e2mc_cli::output::{self, Status};
use e2mc_data::dataset::{BadNews, cache_folder, first_bad};
use e2mc_data::{Dataset, OpenOptions, Split, open_with};

/// Opens a split, of which some images may turn out to be unreadable.
pub(crate) fn open(path: &Path, split: Split, options: ImageOptions) -> Result<Arc<dyn Dataset>> {
    let status = Status::default();
    let progress =
        |found: usize| status.show(&format!("listing {}: {found} images", path.display()));
    let cache = cache_folder();
    let default = OpenOptions::default().max_bad;
    let options = OpenOptions {
        progress: Some(&progress),
        cache: cache.as_deref(),
        max_bad: options.max_bad_images.unwrap_or(default),
        test_fraction: options.val_fraction.map(|part| (part, options.val_seed)),
        on_bad: Some(first_bad(|news| match news {
            BadNews::One(reason) => {
                output::warning(&format!("a bad image is replaced by another: {reason}"));
            }
            BadNews::More => output::warning("further bad images are not named"),
        })),
        ..OpenOptions::default()
    };
    let dataset = open_with(path, split, &options);
    status.clear();
    let dataset = dataset?;
    for warning in dataset.warnings() {
        output::warning(warning);
    }
    Ok(dataset)
}
