//! Recipe files and their checks.

use e2mc_data::{Augmentation, Filter, Preprocessing};

fn parse(text: &str) -> Result<Augmentation, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn built_in_recipes_are_valid_and_survive_a_file() {
    for name in Augmentation::NAMES {
        let recipe = Augmentation::named(name).unwrap();
        recipe.check().unwrap();
        assert_eq!(
            parse(&serde_json::to_string(&recipe).unwrap()).unwrap(),
            recipe
        );
        assert_eq!(recipe.shapes().len(), recipe.view_count());
    }
    assert_eq!(Augmentation::named("mocov2"), None);
    for recipe in [Preprocessing::imagenet(), Preprocessing::small_grey()] {
        recipe.check().unwrap();
        let text = serde_json::to_string(&recipe).unwrap();
        assert_eq!(
            serde_json::from_str::<Preprocessing>(&text).unwrap(),
            recipe
        );
    }
    let mut swav = vec![[3, 224, 224]; 2];
    swav.extend([[3, 96, 96]; 6]);
    assert_eq!(Augmentation::swav().shapes(), swav);
}

#[test]
fn what_a_file_leaves_out_has_a_default() {
    let recipe =
        parse(r#"{"channels": 1, "mean": [0], "std": [1], "views": [{"size": 28}]}"#).unwrap();
    let view = &recipe.views[0];
    assert_eq!(
        (view.count, view.scale, view.filter, view.flip),
        (1, [0.08, 1.0], Filter::Bilinear, 0.0)
    );
    assert_eq!(
        (
            view.jitter.probability,
            view.blur.probability,
            view.solarize
        ),
        (0.0, 0.0, 0.0)
    );
}

#[test]
fn unknown_fields_are_refused() {
    for (view, field) in [
        (r#"{"size": 28, "hue": 0.1}"#, "hue"),
        (r#"{"size": 28, "jitter": {"strength": 1}}"#, "strength"),
        (r#"{"size": 28, "blur": {"radius": 1}}"#, "radius"),
        (r#"{"size": 28, "filter": "lanczos"}"#, "lanczos"),
        (r#"{"flip": 0.5}"#, "size"),
    ] {
        let error = parse(&format!(
            r#"{{"channels": 1, "mean": [0], "std": [1], "views": [{view}]}}"#
        ));
        assert!(error.as_ref().unwrap_err().contains(field), "{error:?}");
    }
}

#[test]
fn fields_out_of_range_are_named() {
    type Change = fn(&mut Augmentation);
    let cases: [(&str, Change); 18] = [
        ("channels", |recipe| recipe.channels = 2),
        ("mean", |recipe| recipe.mean.truncate(2)),
        ("mean", |recipe| recipe.mean[0] = f32::NAN),
        ("std", |recipe| recipe.std[1] = 0.0),
        ("views", |recipe| recipe.views.clear()),
        ("views[1].count", |recipe| recipe.views[1].count = 0),
        ("views[0].count", |recipe| recipe.views[0].count = 65),
        ("views[0].size", |recipe| recipe.views[0].size = 0),
        ("views[0].size", |recipe| recipe.views[0].size = 1 << 20),
        ("views[0].scale", |recipe| {
            recipe.views[0].scale = [0.5, 0.2]
        }),
        ("views[0].scale", |recipe| {
            recipe.views[0].scale = [0.0, 1.0]
        }),
        ("views[0].ratio", |recipe| {
            recipe.views[0].ratio = [1.0, f32::INFINITY]
        }),
        ("views[0].flip", |recipe| recipe.views[0].flip = 1.5),
        ("views[1].jitter.probability", |recipe| {
            recipe.views[1].jitter.probability = -0.1
        }),
        ("views[1].jitter.contrast", |recipe| {
            recipe.views[1].jitter.contrast = -0.4
        }),
        ("views[1].jitter.hue", |recipe| {
            recipe.views[1].jitter.hue = 0.6
        }),
        ("views[0].blur.sigma", |recipe| {
            recipe.views[0].blur.sigma = [2.0, 0.1]
        }),
        ("views[0].solarize", |recipe| {
            recipe.views[0].solarize = f32::NAN
        }),
    ];
    for (field, change) in cases {
        let mut recipe = Augmentation::vicreg();
        change(&mut recipe);
        let message = recipe.check().unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("recipe field `{field}`: expected ")),
            "{message}"
        );
    }
    let larger = Preprocessing {
        crop: 300,
        ..Preprocessing::imagenet()
    };
    let message = larger.check().unwrap_err().to_string();
    assert_eq!(
        message,
        "recipe field `resize`: expected at least crop = 300, found 256"
    );
}
