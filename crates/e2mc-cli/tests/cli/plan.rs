//! What is said before a run: plans that refuse what the run would refuse, names that are nearly
//! right, the precision, and how many images go through the network at a time.

use std::fs;

use super::common::{TINY, World};

#[test]
fn a_plan_refuses_what_the_run_would_refuse_and_writes_nothing() {
    let world = World::new();
    world.data("data", 200, 20);
    world.data("ten", 10, 4);
    assert_eq!(world.pretrain("data", "run", "--knn-every 0").code, Some(0));
    for (data, out, more, part) in [
        (
            "ten",
            "new",
            "",
            "a batch of 16 is larger than the data set of 10 images",
        ),
        ("data", "run", "", "run already holds a run"),
        (
            "data",
            "new",
            "--set training.head_warmup_steps=99",
            "fewer than the 11 steps of the run",
        ),
        ("missing", "new", "", "missing"),
        ("data", "run/run.json/below", "", "cannot"),
    ] {
        let plan = world.pretrain(data, out, &format!("{more} --dry-run"));
        let run = world.pretrain(data, out, more);
        if out != "run/run.json/below" {
            assert!(plan.error().contains(part), "{data} {out}: {}", plan.stderr);
            assert_eq!(plan.error(), run.error());
        }
        assert!(run.error().contains(part), "{data} {out}: {}", run.stderr);
        assert!(!world.path("new").exists());
    }
    let model = "--checkpoint run/model.safetensors --recipe vicreg-small --grid criterion.beta=1";
    let plan = world.run(&format!(
        "sweep {model} --data ten --batch 16 --out new --dry-run"
    ));
    assert!(
        plan.error().contains("a batch of 16 is larger"),
        "{}",
        plan.stderr
    );
}

#[test]
fn a_plan_estimates_time_and_memory_from_a_few_steps() {
    let world = World::new();
    world.data("data", 200, 20);
    let json = world
        .pretrain("data", "out", "--dry-run --epochs 100 --json")
        .json();
    let estimate = &json["estimate"];
    let number = |key: &str| {
        estimate[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key}: {json}"))
    };
    let (step, check) = (number("seconds_per_step"), number("seconds_per_check"));
    assert!(step > 0.0 && check > 0.0, "{json}");
    assert_eq!(estimate["steps"], 11);
    let expected = 100.0 * 11.0 * step + 101.0 * check;
    assert!(
        (number("seconds") - expected).abs() < 1e-6 * expected,
        "{json}"
    );
    if cfg!(target_os = "linux") {
        assert!((1e7..1e11).contains(&number("memory")), "{json}");
    }
    let text = world.pretrain("data", "out", "--dry-run").stdout;
    assert!(
        text.contains("# about ") && text.contains(" s a step"),
        "{text}"
    );
    assert!(!world.path("out").exists());
}

#[test]
fn names_that_are_nearly_right_are_understood() {
    let world = World::new();
    world.data("data", 100, 20);
    let hint = |line: &str, part: &str| {
        let ran = world.run(line);
        assert_eq!(ran.code, Some(2), "{line}: {}", ran.stderr);
        let (error, hint) = ran.error().split_once("\nhint: ").unwrap();
        assert!(hint.contains(part), "{line}: {}", ran.stderr);
        error.to_owned()
    };
    hint("recipes vicreg-smal", "did you mean vicreg-small?");
    hint(
        "pretrain --recipe swav-smal-pretrain --data data",
        "did you mean swav-small-pretrain?",
    );
    let error = hint(
        &format!("pretrain {TINY} --data data --set training.bacth=3"),
        "did you mean training.batch?",
    );
    assert!(
        error.starts_with("setting `training.bacth`: unknown field"),
        "{error}"
    );
    hint(
        &format!("pretrain {TINY} --data data --set optimizer.name=lras"),
        "did you mean optimizer.name=lars?",
    );
    for (wrong, part) in [
        (
            "training.learning_rate=none",
            "setting `training.learning_rate`: invalid type: string \"none\"",
        ),
        (
            "optimizer.name=lras",
            "setting `optimizer.name`: unknown variant `lras`",
        ),
        ("method.projector=3", "setting `method.projector`"),
    ] {
        let error = hint(
            &format!("pretrain {TINY} --data data --set {wrong}"),
            "--dry-run",
        );
        assert!(error.starts_with(part), "{error}");
        // Said once.
        assert_eq!(error.matches("setting `").count(), 1, "{error}");
    }
}

#[test]
fn the_precision_that_was_chosen_is_said_and_recorded() {
    let world = World::new();
    world.data("data", 100, 20);
    let ran = world.pretrain("data", "run", "--knn-every 0");
    assert!(
        ran.stderr.contains("precision f32 on the processor"),
        "{}",
        ran.stderr
    );
    let recipe = fs::read_to_string(world.path("run/recipe.toml")).unwrap();
    assert!(recipe.contains("precision = \"f32\""), "{recipe}");
    let ran = world.pretrain(
        "data",
        "half",
        "--knn-every 0 --set training.precision=bf16",
    );
    assert!(ran.stderr.contains("precision bf16"), "{}", ran.stderr);
}

#[test]
fn the_batch_of_an_evaluation_changes_no_number() {
    let world = World::new();
    world.data("data", 100, 40);
    assert_eq!(world.pretrain("data", "run", "--knn-every 0").code, Some(0));
    let judge = |more: &str| {
        let line = format!(
            "probe --checkpoint run/model.safetensors --data data --threads 1 --seeds 2 \
             --fractions 0.5 --probe logistic --json {more}"
        );
        world.run(&line).json()
    };
    let usual = judge("");
    // 28 x 28 grey images: as many as ever.
    assert_eq!(usual["settings"]["batch"], 256);
    for batch in [1, 7, 64] {
        let other = judge(&format!("--batch {batch}"));
        assert_eq!(other["settings"]["batch"], batch);
        for key in ["knn", "results"] {
            assert_eq!(other[key], usual[key], "{batch} {key}");
        }
        let accuracy = |json: &serde_json::Value| json["probes"][0]["accuracies"].clone();
        assert_eq!(accuracy(&other), accuracy(&usual), "{batch}");
    }
}
