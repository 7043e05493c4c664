//! Images a second of the whole pipeline, from files to batches of views, as `e2mc throughput` has
//! them.
//!
//! `cargo bench -p e2mc-data --bench pipeline -- DIR [THREADS [SECONDS [RECIPE...]]]` prints one
//! JSON object a recipe.

use std::path::Path;
use std::time::Duration;

use e2mc_data::throughput::measure;
use e2mc_data::{Augmentation, Pipeline, Split, open};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words = std::env::args().skip(1);
    let words: Vec<String> = words.filter(|word| !word.starts_with("--")).collect();
    let Some(folder) = words.first() else {
        println!("pipeline: left out, no folder of images was given");
        return Ok(());
    };
    let threads: usize = words.get(1).map_or(Ok(1), |word| word.parse())?;
    let seconds: f64 = words.get(2).map_or(Ok(3.0), |word| word.parse())?;
    let dataset = open(Path::new(folder), Split::Train)?;
    let named: Vec<&str> = words.iter().skip(3).map(String::as_str).collect();
    let all = vec!["vicreg", "swav", "probe"];
    for name in if named.is_empty() { all } else { named } {
        let recipe = Augmentation::named(name).ok_or("no such recipe")?;
        let pipeline = Pipeline::Augment(recipe);
        let found = measure(
            &dataset,
            &pipeline,
            threads,
            Duration::from_secs_f64(seconds),
        )?;
        println!(
            "{{\"case\": \"{name}\", \"threads\": {threads}, \"images\": {}, \"images_per_s\": {:.1}, \"decode_ms\": {:.3}, \"augment_ms\": {:.3}}}",
            found.images, found.images_per_s, found.decode_ms, found.augment_ms
        );
    }
    Ok(())
}
