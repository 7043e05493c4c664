//! `score` on files of embeddings.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::common::World;

/// A `.npy` file as numpy writes it.
pub(super) fn npy(path: &Path, kind: &str, fortran: bool, shape: &str, body: &[u8]) {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(body);
    fs::write(path, bytes).unwrap();
}

const ROWS: usize = 12;
const COLS: usize = 3;

fn value(row: usize, col: usize) -> f64 {
    ((row * 7 + col * 5) as f64 * 0.37).sin() * 2.0
}

fn number(result: &Value, key: &str) -> f64 {
    result[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} in {result}"))
}

#[test]
fn the_same_matrix_scores_the_same_in_every_layout() {
    let world = World::new();
    let by_rows = (0..ROWS).flat_map(|i| (0..COLS).map(move |j| value(i, j)));
    let by_cols = (0..COLS).flat_map(|j| (0..ROWS).map(move |i| value(i, j)));
    let f64s: Vec<u8> = by_rows.clone().flat_map(f64::to_le_bytes).collect();
    let f32s: Vec<u8> = by_rows.flat_map(|v| (v as f32).to_le_bytes()).collect();
    let fortran: Vec<u8> = by_cols.flat_map(|v| (v as f32).to_le_bytes()).collect();
    npy(&world.path("a.npy"), "<f4", false, "(12, 3)", &f32s);
    npy(&world.path("b.npy"), "<f8", false, "(12, 3)", &f64s);
    npy(&world.path("c.npy"), "<f4", true, "(12, 3)", &fortran);
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![ROWS, COLS], &f32s)
            .unwrap();
    let bytes = safetensors::serialize([("z", view)], None).unwrap();
    fs::write(world.path("d.safetensors"), bytes).unwrap();

    let score = |file: &str| {
        world
            .run(&format!(
                "score {file} --transform sigmoid --beta 2 --gamma 3 --json"
            ))
            .json()
    };
    let first = score("a.npy");
    assert_eq!(
        (number(&first, "rows"), number(&first, "dims")),
        (12.0, 3.0)
    );
    let combined = 3.0 * number(&first, "covariance") - 2.0 * number(&first, "entropy");
    assert!((number(&first, "loss") - combined).abs() < 1e-9);
    // Without scale, spread changes nothing.
    let wide: Vec<u8> = (0..ROWS)
        .flat_map(|i| (0..COLS).map(move |j| 5.0 * value(i, j) + j as f64))
        .flat_map(f64::to_le_bytes)
        .collect();
    npy(&world.path("wide.npy"), "<f8", false, "(12, 3)", &wide);
    let wide = score("wide.npy");
    assert!((number(&wide, "entropy") - number(&first, "entropy")).abs() > 0.1);
    for key in ["entropy_shape", "covariance_shape"] {
        assert!(
            (number(&wide, key) - number(&first, key)).abs() < 1e-4,
            "{key}"
        );
    }
    for file in ["b.npy", "c.npy", "d.safetensors:z", "d.safetensors"] {
        assert_eq!(score(file), first, "{file}");
    }
}

#[test]
fn the_gradient_file_points_uphill() {
    let world = World::new();
    let z: Vec<f32> = (0..ROWS)
        .flat_map(|i| (0..COLS).map(move |j| value(i, j) as f32))
        .collect();
    let bytes = |z: &[f32]| -> Vec<u8> { z.iter().flat_map(|v| v.to_le_bytes()).collect() };
    npy(&world.path("z.npy"), "<f4", false, "(12, 3)", &bytes(&z));
    let line = "--transform gaussian --beta 1 --gamma 25 --json";
    let before = world
        .run(&format!("score z.npy {line} --gradient g.npy --marginals"))
        .json();
    assert_eq!(before["marginal_entropy"].as_array().unwrap().len(), COLS);

    let file = fs::read(world.path("g.npy")).unwrap();
    let body = &file[file.len() - 4 * z.len()..];
    let gradient: Vec<f32> = body
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    let step = 1e-3;
    let moved: Vec<f32> = z.iter().zip(&gradient).map(|(z, g)| z + step * g).collect();
    npy(
        &world.path("moved.npy"),
        "<f4",
        false,
        "(12, 3)",
        &bytes(&moved),
    );
    let after = world.run(&format!("score moved.npy {line}")).json();
    let expected = f64::from(step) * gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>();
    let rise = number(&after, "loss") - number(&before, "loss");
    assert!(
        (rise - expected).abs() < 0.1 * expected,
        "rose by {rise}, expected {expected}"
    );
}

#[test]
fn text_for_people_names_units() {
    let world = World::new();
    let body: Vec<u8> = (0..36)
        .flat_map(|i| (i as f32 * 0.1).to_le_bytes())
        .collect();
    npy(&world.path("z.npy"), "<f4", false, "(12, 3)", &body);
    let text = world.run("score z.npy").stdout;
    assert!(
        text.contains("12 rows, 3 dimensions") && text.contains("nats"),
        "{text}"
    );
}
