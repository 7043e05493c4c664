//! `inspect` on files with known answers, on checkpoints, and on bad input.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::common::World;
use super::score::npy;

fn floats(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// Repeatable numbers in (0, 1).
fn uniform(state: &mut u32) -> f32 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    ((*state >> 8) as f32 + 0.5) / (1 << 24) as f32
}

fn logit(u: f32) -> f32 {
    (u / (1.0 - u)).ln()
}

/// 600 rows: two uniform dimensions, an X with the first, a copy of the second, a constant.
fn example(world: &World, name: &str, salt: u32) {
    let mut state = salt;
    let rows = (0..600).flat_map(|_| {
        let (a, b, coin) = (
            uniform(&mut state),
            uniform(&mut state),
            uniform(&mut state),
        );
        let x = if coin < 0.5 { a } else { 1.0 - a };
        [logit(a), logit(b), logit(x), 2.0 * logit(b) + 1.0, 0.5]
    });
    npy(&world.path(name), "<f4", false, "(600, 5)", &floats(rows));
}

fn number(result: &Value, key: &str) -> f64 {
    result[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} in {result}"))
}

fn texts(result: &Value) -> Vec<String> {
    let findings = result["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|f| f["text"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_was_put_in_is_found() {
    let world = World::new();
    example(&world, "z.npy", 4);
    let result = world
        .run("inspect z.npy --transform sigmoid --json --report out.html --figures figures")
        .json();
    assert_eq!(
        (number(&result, "rows"), number(&result, "dims")),
        (600.0, 5.0)
    );
    assert_eq!(result["dead_dimensions"], serde_json::json!([4]));
    assert_eq!(result["duplicates"], serde_json::json!([[1, 3]]));
    assert!(number(&result, "rankme") > 2.9 && number(&result, "rankme") < 5.0);
    assert!(number(&result, "neighbour_1_mean") < number(&result, "neighbour_100_mean"));
    for key in [
        "uniformity",
        "participation_ratio",
        "entropy",
        "neighbour_overlap",
    ] {
        assert!(result[key].is_f64(), "{key}");
    }
    // Three directions are too few for a slope.
    assert!(result["alpha"].is_null());
    let hidden = &result["pairs"]["most_hidden"][0];
    assert_eq!(
        (&hidden["first"], &hidden["second"]),
        (&0.into(), &2.into())
    );
    let texts = texts(&result);
    assert!(
        texts.contains(&"1 of 5 dimensions is nearly constant.".to_owned()),
        "{texts:?}"
    );
    assert!(
        texts
            .iter()
            .any(|t| t.starts_with("Dimensions 0 and 2 are nearly uncorrelated"))
    );
    // The same entropy as `score` gives.
    let score = world.run("score z.npy --transform sigmoid --json").json();
    assert_eq!(score["entropy"], result["entropy"]);
    assert_eq!(score["covariance"], result["covariance"]);

    let page = fs::read_to_string(world.path("out.html")).unwrap();
    assert!(page.contains("1 of 5 dimensions is nearly constant."));
    assert!(!page.contains("http:") && !page.contains("https:"));
    let files = fs::read_dir(world.path("figures")).unwrap();
    let names: Vec<String> = files
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        names
            .iter()
            .any(|name| name.ends_with("variance-by-direction.svg")),
        "{names:?}"
    );
    let text = world.run("inspect z.npy --transform sigmoid").stdout;
    assert!(
        text.contains("Look here") && text.contains("RankMe"),
        "{text}"
    );
    // Findings come before numbers.
    assert!(
        text.find("nearly constant.") < text.find("Participation ratio"),
        "{text}"
    );
}

#[test]
fn the_reference_figures_come_out_of_every_kind_of_file() {
    let world = World::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2mc-eval/tests/golden");
    for name in ["embeddings.npy", "embeddings.npz", "diagnostics.json"] {
        fs::copy(golden.join(name), world.path(name)).unwrap();
    }
    let expected: Value =
        serde_json::from_slice(&fs::read(world.path("diagnostics.json")).unwrap()).unwrap();
    for file in ["embeddings.npy", "embeddings.npz:embeddings"] {
        let result = world.run(&format!("inspect {file} --json")).json();
        for (key, reference) in [
            ("rankme", "rankme"),
            ("uniformity", "uniformity_t2"),
            ("neighbour_1_mean", "nn1_mean"),
            ("neighbour_100_mean", "nn100_mean"),
        ] {
            let (found, expected) = (number(&result, key), number(&expected, reference));
            let error = (found / expected - 1.0).abs();
            assert!(error < 1e-6, "{file}, {key}: {found}, expected {expected}");
        }
        assert_eq!(number(&result, "neighbour_queries"), 500.0);
    }
}

#[test]
fn known_embeddings_give_known_answers() {
    let world = World::new();
    let inspect = |make: &dyn Fn(&[f32]) -> Vec<f32>| {
        let mut state = 5;
        let rows: Vec<Vec<f32>> = (0..1000)
            .map(|_| make(&[(); 6].map(|()| uniform(&mut state))))
            .collect();
        let shape = format!("(1000, {})", rows[0].len());
        let path = world.path("known.npy");
        npy(&path, "<f4", false, &shape, &floats(rows.concat()));
        let result = world
            .run("inspect known.npy --transform sigmoid --json")
            .json();
        let said = texts(&result).join("\n");
        (result, said)
    };

    let (cube, said) = inspect(&|u| u.iter().map(|&u| logit(u)).collect());
    assert!(number(&cube, "entropy").abs() < 0.05 && number(&cube, "gap_from_uniform") < 0.04);
    assert!(number(&cube, "rankme") > 5.95 && number(&cube, "participation_ratio") > 5.9);
    assert_eq!(number(&cube, "dependent_pairs"), 0.0);
    let findings = cube["findings"].as_array().unwrap();
    assert!(findings.iter().all(|f| f["kind"] != "Look here"), "{said}");

    let (x, said) = inspect(&|u| {
        let other = if u[1] < 0.5 { u[0] } else { 1.0 - u[0] };
        vec![logit(u[0]), logit(other)]
    });
    // Marginals and covariance see nothing in it.
    assert!(number(&x, "entropy").abs() < 0.05 && number(&x, "covariance") < 1e-3);
    assert!(number(&x, "mean_mutual_information") > 1.0);
    let pairs = "Of 1 pairs of dimensions 1 (100.0 %) depend on each other beyond chance";
    assert!(said.contains(pairs), "{said}");
    assert!(said.contains("Covariance cannot detect this."), "{said}");

    let (collapsed, said) = inspect(&|u| u.iter().map(|&u| 1.0 + 1e-6 * u).collect());
    assert!((0.999..1.001).contains(&number(&collapsed, "rankme")));
    assert!((-1e-4..=0.0).contains(&number(&collapsed, "uniformity")));
    assert!(number(&collapsed, "mean_cosine") > 0.9999);
    assert!(said.contains("has collapsed to about one direction"));
    let (point, said) = inspect(&|_| vec![1.0; 4]);
    assert_eq!(number(&point, "neighbour_1_mean"), 0.0);
    for part in [
        "4 of 4 dimensions are nearly constant.",
        "around their mean the rows do not vary",
        "1000 of 1000 query rows have an exact copy",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("copies another") && !said.contains("correlation of"));

    // Three directions of equal variance, none of them along an axis.
    let (rank, said) = inspect(&|u| {
        let wave = |k: usize, j: usize| (k * j) as f32 * std::f32::consts::TAU / 12.0 + k as f32;
        let mixed = |j| (1..=3).map(|k| (u[k] - 0.5) * wave(k, j).cos()).sum();
        (0..12).map(mixed).collect()
    });
    assert!((2.95..3.01).contains(&number(&rank, "rankme")));
    assert!((2.95..3.01).contains(&number(&rank, "participation_ratio")));
    assert_eq!(number(&rank, "directions_99"), 3.0);
    assert!(said.contains("about 3 of 12 directions"), "{said}");

    let (copies, said) =
        inspect(&|u| vec![u[0], u[1], -2.0 * u[0], u[0] + 3.0, u[2], u[1], u[0], u[0]]);
    let groups = serde_json::json!([[0, 2, 3, 6, 7], [1, 5]]);
    assert_eq!(copies["duplicates"], groups);
    assert_eq!(number(&copies, "redundant"), 5.0);
    let part = "5 dimensions copy another up to scale and sign (correlation above 0.999), in 2 \
                groups, the largest of them: 0, 2, 3, 6 and 1 more.";
    assert!(said.contains(part), "{said}");
}

#[test]
fn two_files_are_named_and_compared() {
    let world = World::new();
    example(&world, "a.npy", 1);
    let mut state = 9;
    let rows = (0..600 * 5).map(|_| logit(uniform(&mut state)));
    npy(
        &world.path("b.npy"),
        "<f4",
        false,
        "(600, 5)",
        &floats(rows),
    );
    let result = world
        .run("inspect a.npy b.npy --transform sigmoid --json --report out.html")
        .json();
    assert!(number(&result["after"], "rankme") > number(&result["before"], "rankme"));
    // Their figures have no interval: a difference is a note, not a claim.
    let noted = |text: &str| {
        let findings = result["findings"].as_array().unwrap();
        findings
            .iter()
            .any(|f| f["kind"] == "Note" && f["text"].as_str().unwrap().starts_with(text))
    };
    for text in [
        "RankMe: ",
        "Dependent pairs of dimensions: ",
        "Nearly constant dimensions: 1 in a.npy, 0 in b.npy",
    ] {
        assert!(noted(text), "{text} in {}", result["findings"]);
    }
    let page = fs::read_to_string(world.path("out.html")).unwrap();
    assert!(
        page.contains(">a.npy<")
            && !page.contains("before: a.npy")
            && page.contains("given by its ranks in the two dimensions in a.npy")
    );

    npy(
        &world.path("c.npy"),
        "<f4",
        false,
        "(2, 5)",
        &floats([0.5; 10]),
    );
    let ran = world.run("inspect a.npy c.npy");
    assert!(
        ran.error()
            .starts_with("a.npy has 600 rows of 5 dimensions, c.npy has 2 of 5"),
        "{}",
        ran.stderr
    );
}

#[test]
fn views_give_alignment_and_lidar() {
    let world = World::new();
    example(&world, "z.npy", 1);
    fs::copy(world.path("z.npy"), world.path("same.npy")).unwrap();
    let line = "inspect z.npy --transform sigmoid --json";
    let result = world.run(&format!("{line} --view same.npy")).json();
    assert_eq!(number(&result, "alignment"), 0.0);
    // Three directions in which images differ, none in which views do.
    let lidar = number(&result, "lidar");
    assert!(lidar > 2.0 && lidar < 3.1, "{lidar}");
    assert!(world.run(line).json()["lidar"].is_null());
    example(&world, "other.npy", 3);
    let result = world.run(&format!("{line} --view other.npy")).json();
    assert!(number(&result, "alignment") > 1.0);
    npy(
        &world.path("short.npy"),
        "<f4",
        false,
        "(3, 5)",
        &floats([0.5; 15]),
    );
    let ran = world.run(&format!("{line} --view short.npy"));
    assert!(
        ran.error()
            .contains("short.npy: expected 600 rows of 5 dimensions"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_checkpoint_embeds_its_images() {
    let world = World::new();
    world.data("data", 120, 60);
    let base = world.pretrain("data", "base", "");
    assert_eq!(base.code, Some(0), "{}", base.stderr);
    let line = "inspect --checkpoint base/model.safetensors --data data --threads 2 --json";
    let embedding = world.run(&format!("{line} --views 3")).json();
    assert_eq!(
        (number(&embedding, "rows"), number(&embedding, "dims")),
        (60.0, 16.0)
    );
    assert_eq!(embedding["transform"], "sigmoid");
    assert!(number(&embedding, "lidar") >= 1.0 && number(&embedding, "alignment") >= 0.0);
    let features = world.run(&format!("{line} --output backbone")).json();
    assert_ne!(number(&features, "dims"), 0.0);
    let ran = world.run("inspect --checkpoint base/model.safetensors");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn embeddings_that_cannot_be_inspected() {
    let world = World::new();
    npy(
        &world.path("nan.npy"),
        "<f4",
        false,
        "(3, 2)",
        &floats([0., 1., 2., f32::NAN, 4., 5.]),
    );
    npy(&world.path("one_row.npy"), "<f4", false, "(1, 4)", &[0; 16]);
    npy(
        &world.path("one_column.npy"),
        "<f4",
        false,
        "(4, 1)",
        &[0; 16],
    );
    npy(&world.path("object.npy"), "|O", false, "(2, 2)", &[0; 32]);
    npy(
        &world.path("liar.npy"),
        "<f4",
        false,
        "(9999999, 9999)",
        &[0; 16],
    );
    npy(
        &world.path("wide.npy"),
        "<f2",
        false,
        "(2, 20000)",
        &[0; 80_000],
    );
    fs::write(world.path("empty.npy"), "").unwrap();
    fs::write(world.path("text.npy"), "0.1, 0.2\n0.3, 0.4\n").unwrap();
    fs::write(world.path("table.csv"), "0.1,0.2\n").unwrap();
    let mut long = (1_u64 << 60).to_le_bytes().to_vec();
    long.extend(b"{}");
    fs::write(world.path("liar.safetensors"), long).unwrap();
    for (file, part) in [
        ("missing.npy", "cannot open missing.npy"),
        (
            "empty.npy",
            "empty.npy: expected a float matrix in .npy format, found an empty file",
        ),
        (
            "text.npy",
            "text.npy: expected the magic bytes of .npy, found another kind of file",
        ),
        (
            "table.csv",
            "table.csv: expected a name that ends in .npy, .npz or .safetensors, found .csv",
        ),
        (
            "liar.safetensors",
            "liar.safetensors: expected a .safetensors file, found a header of 1152921504606846976 \
             bytes in a file of 10",
        ),
        (
            "nan.npy",
            "nan.npy: the embeddings hold NaN at row 1, column 1, expected a finite number",
        ),
        (
            "one_row.npy",
            "one_row.npy: the embeddings have 1 row(s), expected at least 2",
        ),
        (
            "one_column.npy",
            "one_column.npy: the embeddings have 1 column(s) in 4 rows, expected at least 2",
        ),
        (
            "object.npy",
            "object.npy: expected float16, float32 or float64 values, found Python objects",
        ),
        ("liar.npy", "liar.npy: expected 399959"),
        (
            "wide.npy",
            "wide.npy: the embeddings have 20000 columns, expected at most 16384",
        ),
    ] {
        let ran = world.run(&format!("inspect {file} --json"));
        assert!(ran.error().contains(part), "{file}: {}", ran.stderr);
        assert!(ran.stderr.contains("\nhint: "), "{file}: {}", ran.stderr);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{file}");
    }
    npy(
        &world.path("fine.npy"),
        "<f4",
        false,
        "(3, 2)",
        &floats([0., 1., 2., 3., 4., 9.]),
    );
    assert_eq!(world.run("inspect fine.npy --json").code, Some(0));
    let ran = world.run("inspect fine.npy --report no/folder/out.html");
    assert!(ran.error().contains("no/folder/out.html"), "{}", ran.stderr);
    assert_eq!(world.run("inspect").code, Some(2));
    assert_eq!(world.run("inspect fine.npy --queries 1").code, Some(2));
}
