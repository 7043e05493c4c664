//! Which numbers of a run TensorBoard shows, and under which names.

use e2mc_record::{Epoch, Event, RunFolder};
use e2mc_report::tensorboard::EventFile;
use serde_json::{Value, json};

use crate::error::Error;

/// Removes the files of a start that was killed before its first checkpoint: a new one begins.
pub(super) fn clear(folder: &RunFolder) -> Result<(), Error> {
    if !folder.metrics().exists() {
        return Ok(());
    }
    let entries = std::fs::read_dir(folder.root());
    for entry in entries.map_err(|source| Error::read(folder.root(), source))? {
        let path = entry
            .map_err(|source| Error::read(folder.root(), source))?
            .path();
        if EventFile::is_ours(&path) {
            std::fs::remove_file(&path).map_err(|source| Error::io("remove", &path, source))?;
        }
    }
    Ok(())
}

/// Adds the numbers of a step or an epoch to TensorBoard's file.
pub(super) fn write(file: &mut EventFile, event: &Event) -> Result<(), Error> {
    let (step, values) = match event {
        Event::Step(step) => (step.step, scalars(&[("step", json!(step))])),
        Event::Epoch(epoch) => (epoch.step, of_epoch(epoch)),
        _ => return Ok(()),
    };
    let named = values.iter().map(|(name, value)| (name.as_str(), *value));
    Ok(file.write(step, named)?)
}

/// Signs of collapse are a group of their own: the embedding's entropy is not the term of the loss
/// that has its name.
fn of_epoch(epoch: &Epoch) -> Vec<(String, f64)> {
    scalars(&[("epoch", json!(epoch)), ("collapse", json!(epoch.collapse))])
}

/// The numbers of groups, and their terms, as `GROUP/NAME`.
fn scalars(groups: &[(&str, Value)]) -> Vec<(String, f64)> {
    let mut values = Vec::new();
    for (group, fields) in groups {
        for fields in [fields, &fields["terms"]] {
            let numbers = fields.as_object().into_iter().flatten();
            let numbers = numbers.filter(|(name, _)| *name != "step");
            let named = |(name, value): (&String, &Value)| {
                Some((format!("{group}/{name}"), value.as_f64()?))
            };
            values.extend(numbers.filter_map(named));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use e2mc_record::{Collapse, Terms};

    use super::*;

    #[test]
    fn terms_and_signs_of_collapse_have_names_of_their_own() {
        let epoch = Epoch {
            epoch: 2,
            step: 9,
            loss: Some(1.5),
            collapse: Some(Collapse {
                dims: 8,
                spread: 0.5,
                least_spread: 0.25,
                dead_dims: 0,
                entropy: -1.0,
                least_entropy: -2.0,
                entropy_shape: Some(-0.125),
                covariance_shape: None,
            }),
            terms: Terms::from_iter([("entropy", -0.5)]),
            ..Epoch::default()
        };
        let values = of_epoch(&epoch);
        for expected in [
            ("epoch/epoch", 2.0),
            ("epoch/loss", 1.5),
            ("epoch/entropy", -0.5),
            ("collapse/entropy", -1.0),
            ("collapse/entropy_shape", -0.125),
        ] {
            let found = values.iter().find(|(name, _)| name == expected.0);
            assert_eq!(
                found.map(|(_, value)| *value),
                Some(expected.1),
                "{expected:?}"
            );
        }
        assert!(values.iter().all(|(name, _)| name != "epoch/step"));
    }
}
