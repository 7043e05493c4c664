//! Writes the log of a run into a temporary folder and reads it back.

use e2mc_record::{Event, EventWriter, RunLog, Step, Terms};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("metrics.jsonl");
    let mut writer = EventWriter::create(&path)?;
    for step in 1..=3 {
        writer.write(&Event::Step(Step {
            step,
            epoch: 1,
            learning_rate: 0.02,
            loss: 3.0 / step as f64,
            images_per_s: 700.0,
            waiting: 0.1,
            exchanging: None,
            terms: Terms::from_iter([("entropy", -0.5 / step as f64)]),
        }))?;
    }
    let log = RunLog::parse(&std::fs::read_to_string(&path)?, &path)?;
    println!("step, entropy: {:?}", log.term_by_step("entropy"));
    Ok(())
}
