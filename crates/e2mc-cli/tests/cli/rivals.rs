//! The criteria that the paper compares with: their recipes, and going on after a stop.

use std::fs;

use super::common::World;

#[test]
fn the_paper_s_ablations_continue_a_swav_checkpoint() {
    let world = World::new();
    world.data("data", 24, 8);
    // The paper's settings on a narrow network, two large and two small crops, and no longer than a
    // step.
    let narrow = "--set backbone.width=4 --set method.projector=[16,8] --set method.prototypes=6";
    let training = "--data data --batch 8 --epochs 1 --knn-every 0 --threads 2 \
        --set augmentation.views=[{count=2,size=64},{count=2,size=32}]";
    let ran = world.run(&format!(
        "pretrain --recipe swav-imagenet-pretrain {narrow} {training} --out base"
    ));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for (rival, terms) in [
        ("vcreg", &["vcreg_variance", "vcreg_covariance"][..]),
        ("uniformity", &["uniformity"]),
        ("mmcr", &["mmcr"]),
    ] {
        let ran = world.run(&format!(
            "continue --recipe swav-imagenet-{rival} --checkpoint base/model.safetensors \
             {training} --out {rival} --json"
        ));
        let found = &ran.json()["terms"];
        for term in terms {
            assert!(found[term].is_f64(), "{rival}: {found}");
        }
        assert!(found["entropy"].is_null(), "{rival}: {found}");
    }
    let printed = world.run("recipes swav-imagenet-mmcr --json").json();
    assert_eq!(printed["recipe"]["criterion"]["weight"], 0.005);
    assert_eq!(printed["recipe"]["method"]["queue"], 3584);
}

#[test]
fn a_criterion_of_random_directions_resumes_exactly() {
    let world = World::new();
    world.data("data", 100, 20);
    let base = world.pretrain("data", "base", "--knn-every 0");
    assert_eq!(base.code, Some(0), "{}", base.stderr);
    let line = "continue --recipe vicreg-small --checkpoint base/model.safetensors --data data \
        --batch 16 --knn-every 0 --threads 2 --criterion sigreg --set schedule.name=constant";
    let whole = world.run(&format!("{line} --epochs 2 --out whole --json"));
    assert!(whole.json()["terms"]["sigreg"].as_f64().unwrap() > 0.0);
    let first = world.run(&format!("{line} --epochs 1 --out parts"));
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let second = world.run("continue --out parts --resume --epochs 2");
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    let weights = |run: &str| fs::read(world.path(run).join("model.safetensors")).unwrap();
    assert!(weights("whole") == weights("parts"));
}
