use e2mc_recipe::{find, names, parse_change};

use super::*;

/// A recipe to continue with leaves out what comes from the checkpoint.
fn base() -> Recipe {
    resolve(None, Some("vicreg-small-pretrain"), &[]).unwrap()
}

/// A checkpoint's recipe that one of this name may continue.
fn base_of(name: &str) -> Recipe {
    if matches!(name, "vit-vicreg-imagenet" | "dino-imagenet") {
        let family = parse_change("backbone={ family = 'vit' }").unwrap();
        return resolve(None, Some("vicreg-imagenet-pretrain"), &[family]).unwrap();
    }
    if name == "resnet-vicreg-photos" {
        return resolve(None, Some("vicreg-imagenet-pretrain"), &[]).unwrap();
    }
    let trains_on = ["-small", "-imagenet", "-glyphs"];
    if !trains_on.iter().any(|word| name.contains(word)) || name.ends_with("-small-28") {
        return resolve(None, Some(name), &[]).unwrap();
    }
    let words: Vec<&str> = name.split('-').collect();
    let pretrain = format!("{}-{}-pretrain", words[0], words[1]);
    resolve(None, Some(&pretrain), &[]).unwrap()
}

#[test]
fn every_built_in_recipe_is_valid() {
    for name in names() {
        let recipe = resolve(Some(&base_of(name)), Some(name), &[]).unwrap();
        assert_eq!(recipe.name, name);
    }
}

#[test]
fn a_recipe_survives_being_written_and_read() {
    let recipe = resolve(Some(&base()), Some("vicreg-small"), &[]).unwrap();
    let text = to_toml(&recipe).unwrap();
    assert_eq!(toml::from_str::<Recipe>(&text).unwrap(), recipe);
}

#[test]
fn changes_reach_nested_values_and_keep_their_type() {
    let change = parse_change("criterion.beta=7").unwrap();
    let name = "vicreg-imagenet";
    let recipe = resolve(Some(&base_of(name)), Some(name), &[change]).unwrap();
    let text = to_toml(&recipe).unwrap();
    assert!(text.contains("beta = 7.0"), "{text}");
}

#[test]
fn a_change_of_variant_drops_the_keys_of_the_old_one() {
    let change = parse_change("schedule.name=constant").unwrap();
    let recipe = resolve(None, Some("vicreg-small-pretrain"), &[change]).unwrap();
    let text = toml::to_string(&recipe.schedule).unwrap();
    assert!(text.contains("constant") && !text.contains("end"), "{text}");
}

#[test]
fn unknown_keys_are_refused_by_name() {
    let change = parse_change("training.bacth=7").unwrap();
    let error = resolve(Some(&base()), Some("vicreg-small"), &[change]).unwrap_err();
    assert!(error.to_string().contains("bacth"), "{error}");
}

#[test]
fn a_change_that_cannot_be_names_its_key_and_the_one_that_was_meant() {
    let error = |texts: &[&str]| {
        let changes: Vec<_> = texts
            .iter()
            .map(|text| parse_change(text).unwrap())
            .collect();
        match resolve(Some(&base()), Some("vicreg-small"), &changes).unwrap_err() {
            RecipeError::Change { key, nearest, .. } => (key, nearest),
            other => panic!("{other}"),
        }
    };
    let meant = |key: &str, nearest: &str| (key.to_owned(), Some(nearest.to_owned()));
    assert_eq!(
        error(&["training.batch=32", "training.epohcs=3"]),
        meant("training.epohcs", "training.epochs")
    );
    assert_eq!(
        error(&["criterion.bta=3"]),
        meant("criterion.bta", "criterion.beta")
    );
    assert_eq!(error(&["batch=3"]), meant("batch", "training.batch"));
    // Not in the recipe, but possible.
    assert_eq!(
        error(&["training.clip_gradient=3"]),
        meant("training.clip_gradient", "training.clip_gradients")
    );
    for wrong in [
        "training.epochs=none",
        "criterion.beta=[1]",
        "optimizer.name=lras",
    ] {
        let (key, _) = error(&["training.batch=32", wrong]);
        assert!(wrong.starts_with(&key), "{key}");
    }
}

#[test]
fn a_recipe_extends_a_file_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let text = find("vicreg-small-pretrain").unwrap().text;
    std::fs::write(path("base.toml"), text).unwrap();
    std::fs::write(path("a.toml"), "name = 'a'\nextends = 'base.toml'").unwrap();
    let recipe = resolve(None, Some(&path("a.toml")), &[]).unwrap();
    assert_eq!(
        (recipe.name.as_str(), recipe.training.epochs),
        ("a", base().training.epochs)
    );
    std::fs::write(path("base.toml"), "extends = 'a.toml'").unwrap();
    let error = resolve(None, Some(&path("a.toml")), &[]).unwrap_err();
    assert!(error.to_string().contains("which extends it"), "{error}");
}

#[test]
fn another_criterion_comes_with_its_published_settings() {
    let wanted = |criterion, changes: &[Change]| {
        let recipe = resolve_with(criterion, &base(), Some("vicreg-small"), changes);
        recipe.unwrap().criterion
    };
    let own = resolve(Some(&base()), Some("vicreg-small"), &[])
        .unwrap()
        .criterion;
    assert_eq!(wanted(None, &[]), own);
    // The recipe has this one: its settings, not the paper's.
    assert_eq!(wanted(Some(CriterionChoice::E2mc), &[]), own);
    assert_eq!(
        wanted(Some(CriterionChoice::None), &[]),
        CriterionConfig::None
    );
    assert_eq!(
        wanted(Some(CriterionChoice::Mmcr), &[]),
        CriterionConfig::mmcr()
    );
    assert_eq!(
        wanted(Some(CriterionChoice::Vcreg), &[]),
        CriterionConfig::vcreg()
    );
    let sharp = parse_change("criterion.t=5").unwrap();
    assert_eq!(
        wanted(Some(CriterionChoice::Uniformity), &[sharp]),
        CriterionConfig::Uniformity {
            weight: 0.5,
            t: 5.0
        }
    );
    // A base without a criterion gets its method's.
    let mut plain = base();
    plain.criterion = CriterionConfig::None;
    let recipe = resolve_with(Some(CriterionChoice::E2mc), &plain, None, &[]).unwrap();
    assert_eq!(recipe.criterion, CriterionConfig::e2mc("vicreg"));
}
