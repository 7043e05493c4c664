//! Opens a data set, by default the sample, and makes a batch of augmented views: `views [DIR]`.

use e2mc_data::{Augmentation, Loader, LoaderConfig, Pipeline, Split};

fn main() -> Result<(), e2mc_data::Error> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "sample".into());
    let dataset = e2mc_data::open(folder.as_ref(), Split::Train)?;
    println!("{folder}: {} images", dataset.len());
    let config = LoaderConfig {
        batch: 64,
        ..Default::default()
    };
    let pipeline = Pipeline::Augment(Augmentation::small_grey());
    let loader = Loader::new(dataset, pipeline, config)?;
    for batch in loader.epoch(0, 0).take(1) {
        for view in &batch?.views {
            println!("a view of each image: {:?}", view.shape);
        }
    }
    Ok(())
}
