//! Settings laid over settings: whole recipes, and single changes at a dotted key.

use toml::{Table, Value};

use crate::Error;

/// A change to a recipe: a dotted key and its value.
pub type Change = (String, Value);

/// Splits `key=value`; a value that is not TOML is taken as a string.
///
/// # Errors
/// Where there is no `=`, or nothing before it.
pub fn parse_change(text: &str) -> Result<Change, Error> {
    match text.split_once('=').filter(|(key, _)| !key.is_empty()) {
        Some((key, value)) => Ok((key.trim().to_owned(), parse_value(value))),
        None => Err(Error::Change {
            found: text.to_owned(),
        }),
    }
}

/// A value as TOML writes it; what is not TOML is a string.
pub fn parse_value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok();
    let value = parsed.and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| text.to_owned().into())
}

/// Lays `top` over `table`, key by key. Where both name a variant (`name = "lars"` over
/// `name = "sgd"`) and it differs, or `top` names a family that `table` does not, the whole table
/// is replaced: its keys are the variant's own.
pub fn overlay(table: &mut Table, top: Table) {
    for (key, value) in top {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => {
                let replaces = match (below.get("name"), above.get("name")) {
                    (Some(below), Some(above)) => below != above,
                    // A family's keys are its own, too; without the key it is a ResNet's.
                    _ => above.contains_key("family") && below.get("family") != above.get("family"),
                };
                if replaces {
                    *below = above;
                } else {
                    overlay(below, above);
                }
            }
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// Sets the value at a dotted key; unknown keys are found when the table becomes a recipe. As in
/// [`overlay`], another variant's name takes the other keys of its table away.
///
/// # Errors
/// Where the key leads through a setting that is no table.
pub fn set(table: &mut Table, key: &str, value: Value) -> Result<(), Error> {
    let (folder, last) = key
        .rsplit_once('.')
        .map_or((None, key), |(a, b)| (Some(a), b));
    let mut place = table;
    let mut parts = folder.into_iter().flat_map(|folder| folder.split('.'));
    while let Some(part) = parts.next() {
        let mut entry = place
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()));
        if let Value::Array(list) = entry {
            // An element of a list is named by its number: `augmentation.views.0.size`.
            let (length, number) = (list.len(), parts.next());
            let number = number.and_then(|number| number.parse::<usize>().ok());
            let element = number.and_then(|number| list.get_mut(number));
            entry = element.ok_or_else(|| Error::NoElement {
                key: key.to_owned(),
                list: part.to_owned(),
                length,
            })?;
        }
        place = match entry {
            Value::Table(table) => table,
            _ => {
                return Err(Error::NoKeys {
                    key: key.to_owned(),
                    part: part.to_owned(),
                });
            }
        };
    }
    if folder.is_some() && last == "name" && place.get(last).is_some_and(|name| *name != value) {
        place.clear();
    }
    // `1` for a setting that holds 1.5 means 1.0.
    let value = match (place.get(last), value) {
        (Some(Value::Float(_)), Value::Integer(whole)) => Value::Float(whole as f64),
        (_, value) => value,
    };
    place.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_variant_replaces_the_whole_table() {
        let mut table: Table = "[o]\nname = 'lars'\neta = 0.001".parse().unwrap();
        overlay(
            &mut table,
            "[o]\nname = 'sgd'\nmomentum = 0.9".parse().unwrap(),
        );
        assert_eq!(table, "[o]\nname = 'sgd'\nmomentum = 0.9".parse().unwrap());
    }

    #[test]
    fn a_change_keeps_the_type_of_the_setting() {
        let mut table: Table = "[criterion]\nbeta = 1.5".parse().unwrap();
        let (key, value) = parse_change("criterion.beta=7").unwrap();
        set(&mut table, &key, value).unwrap();
        assert_eq!(table["criterion"]["beta"], Value::Float(7.0));
        assert_eq!(parse_value("many"), Value::String("many".to_owned()));
        for wrong in ["nonsense", "=3"] {
            let error = parse_change(wrong).unwrap_err().to_string();
            assert_eq!(error, format!("expected KEY=VALUE, found `{wrong}`"));
        }
    }

    #[test]
    fn an_element_of_a_list_is_named_by_its_number() {
        let mut table: Table = "[[a.views]]\nsize = 1\n[[a.views]]\nsize = 2"
            .parse()
            .unwrap();
        set(&mut table, "a.views.1.size", 96.into()).unwrap();
        assert_eq!(table["a"]["views"][1]["size"].as_integer(), Some(96));
        assert_eq!(table["a"]["views"][0]["size"].as_integer(), Some(1));
        for wrong in ["a.views.2.size", "a.views.first.size", "a.views.size"] {
            let error = set(&mut table, wrong, 3.into()).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("{wrong}: `views` is a list of 2, numbered from 0")
            );
        }
    }

    #[test]
    fn a_key_below_a_number_is_refused() {
        let mut table: Table = "[training]\nepochs = 3".parse().unwrap();
        let error = set(&mut table, "training.epochs.x", 1.into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "training.epochs.x: `epochs` has no keys of its own"
        );
    }
}
