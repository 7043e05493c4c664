use std::fs;
use std::path::PathBuf;

use super::*;
use crate::testing::{SplitMix, golden};
use e2mc::MatrixView;
use tempfile::TempDir;

/// Value j of the small golden files, as float64.
fn golden_value(j: usize) -> f64 {
    (0.37 * j as f64).sin()
}

fn assert_golden(matrix: &Matrix, precision: f64) {
    assert_eq!((matrix.rows(), matrix.cols()), (3, 5));
    for (j, &value) in matrix.data().iter().enumerate() {
        let expected = golden_value(j);
        assert!(
            (f64::from(value) - expected).abs() <= precision * expected.abs(),
            "{j}: {value}"
        );
    }
}

/// A fresh folder with one file in it.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn npy(header: &str, values: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values);
    bytes
}

fn header(description: &str, shape: &str) -> String {
    format!("{{'descr': '{description}', 'fortran_order': False, 'shape': {shape}, }}\n")
}

/// The message without the folder's path, and the hint.
fn message(error: &Error, path: &Path) -> (String, String) {
    let folder = format!("{}/", path.parent().unwrap().display());
    (
        error.to_string().replace(&folder, ""),
        error.hint().unwrap_or_default(),
    )
}

fn embeddings_error(name: &str, bytes: &[u8]) -> String {
    let (_folder, path) = file(name, bytes);
    message(&read_embeddings(&path).unwrap_err(), &path).0
}

fn labels_error(bytes: &[u8]) -> String {
    let (_folder, path) = file("y.npy", bytes);
    message(&read_labels(&path).unwrap_err(), &path).0
}

#[test]
fn truth_values_are_labels_and_a_truncated_matrix_says_so() {
    let (_folder, path) = file("y.npy", &npy(&header("|b1", "(2, 2)"), &[1, 0, 0, 1]));
    let Targets::Multi(labels) = read_targets(&path).unwrap() else {
        panic!("two dimensions");
    };
    assert_eq!(labels.to_integers(), [1, 0, 0, 1]);
    let (_folder, path) = file("y.npy", &npy(&header("<i4", "(2, 2)"), &[0; 15]));
    let text = message(&read_targets(&path).unwrap_err(), &path).0;
    assert!(text.contains("16 bytes of values"), "{text}");
}

#[test]
fn reads_what_numpy_writes() {
    assert_golden(&read_embeddings(golden("c_float16.npy")).unwrap(), 5e-4);
    assert_golden(
        &read_embeddings(golden("fortran_float64.npy")).unwrap(),
        6e-8,
    );
    assert_golden(
        &read_embeddings(golden("big_endian_float32.npy")).unwrap(),
        6e-8,
    );
    assert_golden(
        &read_embeddings(golden("version2_float32.npy")).unwrap(),
        6e-8,
    );
    assert_eq!(
        read_labels(golden("labels_int32.npy")).unwrap(),
        [3, 0, 70000]
    );
}

#[test]
fn reads_what_safetensors_writes() {
    let many = golden("many.safetensors");
    let read = |name| read_embeddings(format!("{}:{name}", many.display())).unwrap();
    assert_golden(&read("f16"), 5e-4);
    assert_golden(&read("bf16"), 4e-3);
    assert_golden(&read("f32"), 6e-8);
    assert_golden(&read("f64"), 6e-8);
    assert_golden(
        &read_embeddings(golden("one_matrix.safetensors")).unwrap(),
        6e-8,
    );
}

#[test]
fn every_layout_gives_the_same_matrix() {
    // Wider than one panel of columns and longer than one piece, with a remainder of each.
    let (rows, cols) = (2500, 35);
    let value = |r: usize, c: usize| ((r * cols + c) % 2000) as f32 - 1000.0;
    let expected: Vec<f32> = (0..rows * cols)
        .map(|i| value(i / cols, i % cols))
        .collect();
    for description in ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"] {
        for fortran in ["False", "True"] {
            let mut values = Vec::new();
            for (i, &by_rows) in expected.iter().enumerate() {
                let by_columns = value(i % rows, i / rows);
                let v = if fortran == "True" {
                    by_columns
                } else {
                    by_rows
                };
                let start = values.len();
                match &description[1..] {
                    "f2" => values.extend(half::f16::from_f32(v).to_le_bytes()),
                    "f4" => values.extend(v.to_le_bytes()),
                    _ => values.extend(f64::from(v).to_le_bytes()),
                }
                if description.starts_with('>') {
                    values[start..].reverse();
                }
            }
            let text = format!(
                "{{'descr': '{description}', 'fortran_order': {fortran}, 'shape': ({rows}, {cols})}}"
            );
            let (_folder, path) = file("z.npy", &npy(&text, &values));
            let matrix = read_embeddings(&path).unwrap();
            assert_eq!(matrix.data(), expected, "{description} {fortran}");
        }
    }
}

#[test]
fn labels_of_every_integer_type_read_the_same() {
    let labels = [0_u8, 100, 7];
    for size in [1, 2, 4, 8] {
        for kind in ["i", "u"] {
            for endian in ["<", ">"] {
                let mut values = Vec::new();
                for label in labels {
                    let start = values.len();
                    values.push(label);
                    values.resize(start + size, 0);
                    if endian == ">" {
                        values[start..].reverse();
                    }
                }
                let bytes = npy(&header(&format!("{endian}{kind}{size}"), "(3,)"), &values);
                let (_folder, path) = file("y.npy", &bytes);
                assert_eq!(
                    read_labels(&path).unwrap(),
                    [0, 100, 7],
                    "{endian}{kind}{size}"
                );
            }
        }
    }
    let (_folder, path) = file("y.npy", &npy(&header("<u2", "(1,)"), &[0xff, 0xff]));
    assert_eq!(read_labels(&path).unwrap(), [65535]);
    let (_folder, path) = file("y.npy", &npy(&header("<i8", "(0,)"), &[]));
    assert!(read_labels(&path).unwrap().is_empty());
}

#[test]
fn what_is_written_reads_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("z.npy");
    let values = [
        0.0,
        -0.0,
        f32::MIN_POSITIVE / 2.0,
        f32::MAX,
        f32::NAN,
        f32::INFINITY,
    ];
    for (rows, cols) in [(2, 3), (6, 1), (1, 6)] {
        let view = MatrixView::new(&values, rows, cols).unwrap();
        write_npy(&path, view).unwrap();
        let read = read_embeddings(&path).unwrap();
        assert_eq!((read.rows(), read.cols()), (rows, cols));
        let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(read.data()), bits(&values));
    }
    // Aligned as NumPy aligns, and nothing left beside it.
    assert_eq!(fs::metadata(&path).unwrap().len(), 128 + 24);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn writes_tensors_and_labels_as_numpy_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("z.npy");
    let values: Vec<f32> = (0..24).map(|i| i as f32 - 7.5).collect();
    write_npy_tensor(&path, &[1, 2, 3, 4], &values).unwrap();
    let floats: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    // The values begin at byte 128.
    let padded = |text: String| format!("{:<117}\n", text.trim_end());
    let expected = npy(&padded(header("<f4", "(1, 2, 3, 4)")), &floats);
    assert_eq!(fs::read(&path).unwrap(), expected);
    let (images, shape) = read_images(&path).unwrap();
    assert_eq!((images.data(), shape), (&values[..], [1, 2, 3, 4]));
    let error = write_npy_tensor(&path, &[5, 5], &values).unwrap_err();
    let text = "list of values to write has 24 entries, expected 25";
    assert_eq!(error.to_string(), text);
    write_labels(&path, &[3, 0, 7]).unwrap();
    let integers: Vec<u8> = [3_i64, 0, 7].iter().flat_map(|v| v.to_le_bytes()).collect();
    let expected = npy(&padded(header("<i8", "(3,)")), &integers);
    assert_eq!(fs::read(&path).unwrap(), expected);
}

#[test]
fn a_failed_write_leaves_the_folder_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let view = MatrixView::new(&[1.0], 1, 1).unwrap();
    let missing = folder.path().join("no/z.npy");
    let error = write_npy(&missing, view).unwrap_err();
    assert!(
        message(&error, &missing)
            .0
            .starts_with("cannot write z.npy: No such file"),
        "{error}"
    );
    assert_eq!(
        error.hint().unwrap(),
        "check the path; folders are not created"
    );
    // A folder where the file should go.
    let occupied = folder.path().join("z.npy");
    fs::create_dir(&occupied).unwrap();
    assert!(write_npy(&occupied, view).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn bad_npy_files_are_named() {
    let four = [0_u8; 16];
    let truncated = npy(&header("<f4", "(2, 2)"), &four[..13]);
    let cases = [
        (
            vec![],
            "z.npy: expected a float matrix in .npy format, found an empty file",
        ),
        (
            b"\x93NUMPY".to_vec(),
            "z.npy: expected an .npy header, found the end of the file after 6 bytes",
        ),
        (
            b"\x93NUM".to_vec(),
            "z.npy: expected the magic bytes of .npy, found another kind of file",
        ),
        (
            b"PK\x03\x04aaaaaaaa".to_vec(),
            "z.npy: expected the magic bytes of .npy, found a zip archive",
        ),
        (
            b"\x93NUMPY\x09\x00\x00\x00".to_vec(),
            "z.npy: expected .npy version 1, 2 or 3, found version 9",
        ),
        (
            b"\x93NUMPY\x01\x00\x76\x00{'descr'".to_vec(),
            "z.npy: expected a header of at most 65536 bytes within the file's 18, found a header \
             of 118 bytes",
        ),
        (
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}".to_vec(),
            "z.npy: expected a header of at most 65536 bytes within the file's 14, found a header \
             of 4294967295 bytes",
        ),
        (
            npy("{'shape': (1, 1)}\n", &four),
            "z.npy: expected an .npy header with descr, fortran_order and shape, found \
             \"{'shape': (1, 1)}\"",
        ),
        (
            truncated,
            "z.npy: expected 16 bytes of values for dtype <f4 of shape (2, 2), found 13 bytes",
        ),
        (
            npy(&header("<f4", "(2, 1)"), &four),
            "z.npy: expected 8 bytes of values for dtype <f4 of shape (2, 1), found 16 bytes",
        ),
        (
            npy(&header("<f4", "(4611686018427387904, 4)"), &four),
            "z.npy: expected more than 2^64 bytes of values for dtype <f4 of shape \
             (4611686018427387904, 4), found 16 bytes",
        ),
        (
            npy(&header("<f4", "(1000000000000, 4)"), &four),
            "z.npy: expected 16000000000000 bytes of values for dtype <f4 of shape (1000000000000, \
             4), found 16 bytes",
        ),
        (
            npy(&header("<f4", "(4,)"), &four),
            "z.npy: expected a matrix of shape (rows, dims), found dtype <f4 of shape (4,)",
        ),
        (
            npy(&header("<f4", "(1, 2, 2)"), &four),
            "z.npy: expected a matrix of shape (rows, dims), found dtype <f4 of shape (1, 2, 2)",
        ),
        (
            npy(&header("<f4", "()"), &four[..4]),
            "z.npy: expected a matrix of shape (rows, dims), found dtype <f4 of shape ()",
        ),
        (
            npy(&header("<f4", "(0, 4)"), &[]),
            "z.npy: expected at least 1 row and 1 dimension, found dtype <f4 of shape (0, 4)",
        ),
        (
            npy(&header("<f4", "(4, 0)"), &[]),
            "z.npy: expected at least 1 row and 1 dimension, found dtype <f4 of shape (4, 0)",
        ),
        (
            npy(&header("<i8", "(1, 2)"), &four),
            "z.npy: expected float16, float32 or float64 values, found dtype <i8",
        ),
        (
            npy(&header("<c16", "(1, 1)"), &four),
            "z.npy: expected float16, float32 or float64 values, found dtype <c16",
        ),
        (
            npy(&header("<f16", "(1, 1)"), &four),
            "z.npy: expected float16, float32 or float64 values, found dtype <f16",
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(embeddings_error("z.npy", &bytes), expected);
    }
    let object = golden("object.npy");
    let (text, hint) = message(&read_embeddings(&object).unwrap_err(), &object);
    assert_eq!(
        text,
        "object.npy: expected float16, float32 or float64 values, found Python objects"
    );
    assert_eq!(hint, "convert it with .astype('float32') and save it again");
}

#[test]
fn bad_label_files_are_named() {
    let cases = [
        (
            vec![],
            "y.npy: expected a list of integers in .npy format, found an empty file",
        ),
        (
            npy(&header("<f4", "(1,)"), &[0; 4]),
            "y.npy: expected integer labels, found dtype <f4",
        ),
        (
            npy(&header("<i4", "(1, 1)"), &[0; 4]),
            "y.npy: expected labels of shape (rows,), found shape [1, 1]",
        ),
        (
            npy(&header("<i4", "(3,)"), &[0; 4]),
            "y.npy: expected 12 bytes of values for dtype <i4 of shape (3,), found 4 bytes",
        ),
        (
            npy(
                &header("<i4", "(2,)"),
                &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
            ),
            "y.npy holds label -1 at row 1, expected a class number from 0",
        ),
        (
            npy(&header(">i2", "(1,)"), &[0xff, 0x38]),
            "y.npy holds label -200 at row 0, expected a class number from 0",
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(labels_error(&bytes), expected);
    }
}

#[test]
fn float64_beyond_float32_is_an_error_but_infinity_is_not() {
    let mut values: Vec<f64> = vec![1.0, f64::INFINITY, f64::NAN, -2.0, 5.0, 3.5e38];
    let bytes = |values: &[f64]| {
        values
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect::<Vec<_>>()
    };
    let c = header("<f8", "(3, 2)");
    let fortran = c.replace("False", "True");
    assert_eq!(
        embeddings_error("z.npy", &npy(&c, &bytes(&values))),
        "z.npy holds 3.5e38 at row 2, column 1, beyond the range of float32"
    );
    values.swap(4, 5);
    assert_eq!(
        embeddings_error("z.npy", &npy(&c, &bytes(&values))),
        "z.npy holds 3.5e38 at row 2, column 0, beyond the range of float32"
    );
    assert_eq!(
        embeddings_error("z.npy", &npy(&fortran, &bytes(&values))),
        "z.npy holds 3.5e38 at row 1, column 1, beyond the range of float32"
    );
    values[4] = 1e-300; // too small is zero, as in any rounding
    let (_folder, path) = file("z.npy", &npy(&c, &bytes(&values)));
    let matrix = read_embeddings(&path).unwrap();
    assert_eq!(matrix.data()[1], f32::INFINITY);
    assert!(matrix.data()[2].is_nan());
    assert_eq!(matrix.data()[4], 0.0);
}

fn safetensors(header: &str, values: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + values, 0);
    bytes
}

#[test]
fn bad_safetensors_files_are_named() {
    let matrix = r#"{"z":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
    let mut longer_header = safetensors(matrix, 16);
    longer_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let whole = safetensors(matrix, 16).len();
    let cases = [
        (
            vec![],
            "z.safetensors: expected a .safetensors file, found an empty file".to_string(),
        ),
        (
            vec![1, 2, 3],
            "z.safetensors: expected a .safetensors header, found 3 bytes".into(),
        ),
        (
            longer_header,
            format!(
                "z.safetensors: expected a .safetensors file, found a header of {} bytes in a file \
                 of {whole}",
                u64::MAX
            ),
        ),
        (
            safetensors(matrix, 15),
            "z.safetensors: expected 16 bytes of values as its header says, found 15 bytes".into(),
        ),
        (
            safetensors(matrix, 17),
            "z.safetensors: expected 16 bytes of values as its header says, found 17 bytes".into(),
        ),
        (
            safetensors("{}", 0),
            "z.safetensors: expected one tensor of 2 dimensions, found none".into(),
        ),
        (
            safetensors(
                r#"{"z":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#,
                16,
            ),
            "z.safetensors: expected one tensor of 2 dimensions, found none".into(),
        ),
        (
            safetensors(
                r#"{"z":{"dtype":"I64","shape":[2,1],"data_offsets":[0,16]}}"#,
                16,
            ),
            "z.safetensors: expected F16, BF16, F32 or F64 values, found I64 in tensor \
             \"z\""
                .into(),
        ),
        (
            safetensors(
                r#"{"z":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}}"#,
                0,
            ),
            "z.safetensors: expected at least 1 row and 1 dimension, found tensor \"z\" of shape \
             [0, 4]"
                .into(),
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(embeddings_error("z.safetensors", &bytes), expected);
    }
    for header in [
        "not json",
        r#"{"z":{"dtype":"F32","shape":[2,2],"data_offsets":[0,12]}}"#,
        r#"{"z":{"dtype":"F32","shape":[2,2],"data_offsets":[16,0]}}"#,
        r#"{"z":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,16]}}"#,
    ] {
        let text = embeddings_error("z.safetensors", &safetensors(header, 16));
        let start = "z.safetensors: expected a .safetensors header, found ";
        assert!(
            text.starts_with(start) && text.len() > start.len(),
            "{text}"
        );
    }
}

#[test]
fn the_choice_of_a_tensor_is_explained() {
    let many = golden("many.safetensors");
    let (text, hint) = message(&read_embeddings(&many).unwrap_err(), &many);
    assert_eq!(
        text,
        "many.safetensors: expected one tensor of 2 dimensions, found bf16, f16, f32, f64, integers"
    );
    assert_eq!(hint, "name the tensor as FILE:tensor");
    let named = |name: &str| {
        let error = read_embeddings(format!("{}:{name}", many.display())).unwrap_err();
        message(&error, &many).0
    };
    assert_eq!(
        named("Z"),
        "many.safetensors has no tensor \"Z\"; it has bf16, f16, f32, f64, integers, one_dimension"
    );
    assert_eq!(
        named("one_dimension"),
        "many.safetensors: expected a matrix of shape (rows, dims), found tensor \"one_dimension\" \
         of shape [5]"
    );
    assert_eq!(
        named("integers"),
        "many.safetensors: expected F16, BF16, F32 or F64 values, found I64 in tensor \"integers\""
    );
}

#[test]
fn files_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no.npy");
    let error = read_embeddings(&missing).unwrap_err();
    let (text, hint) = message(&error, &missing);
    assert_eq!(
        text,
        "cannot open no.npy: No such file or directory (os error 2)"
    );
    assert_eq!(hint, "check the path");
    let inner = folder.path().join("z.npy");
    fs::create_dir(&inner).unwrap();
    let error = read_embeddings(&inner).unwrap_err();
    assert_eq!(
        message(&error, &inner).0,
        "z.npy: expected a float matrix in .npy format, found a folder"
    );
}

#[test]
fn no_damage_makes_the_readers_panic() {
    let mut random = SplitMix(2024);
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "c_float16.npy",
        "fortran_float64.npy",
        "labels_int32.npy",
        "object.npy",
        "many.safetensors",
    ] {
        let whole = fs::read(golden(name)).unwrap();
        let path = folder.path().join(name);
        let spec = match name.ends_with(".npy") {
            true => path.clone(),
            false => PathBuf::from(format!("{}:f64", path.display())),
        };
        for round in 0..600 {
            let mut bytes = whole.clone();
            if round % 3 == 0 {
                bytes.truncate(random.next() as usize % whole.len());
            }
            for _ in 0..round % 5 {
                let Some(last) = bytes.len().checked_sub(1) else {
                    break;
                };
                // Mostly in the header, where damage is interesting.
                let at = random.next() as usize % last.clamp(1, 128);
                let digits = b"0123456789,()[]{}'\"<>|:fiuO\xff\x00";
                bytes[at] = digits[random.next() as usize % digits.len()];
            }
            fs::write(&path, &bytes).unwrap();
            for error in [read_embeddings(&spec).err(), read_labels(&path).err()]
                .into_iter()
                .flatten()
            {
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }
}

/// An archive of one `.npy` file, deflated: a header, then `zeros` zeros.
fn bomb(path: &Path, header: &str, zeros: u64) {
    use std::io::{Read, Write};
    let options = zip::write::SimpleFileOptions::default().large_file(true);
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    archive.start_file("y.npy", options).unwrap();
    archive.write_all(&npy(header, &[])).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(zeros), &mut archive).unwrap();
    archive.finish().unwrap();
}

#[test]
fn a_small_file_does_not_ask_for_a_huge_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("y.npz");
    let found = |error: Error| message(&error, &path).0;
    // 140 MB of labels of one byte each, which would be 1.1 GB of class numbers.
    bomb(&path, &header("|u1", "(140000000,)"), 140_000_000);
    let text = found(read_labels(&path).unwrap_err());
    assert!(
        text.starts_with(
            "y.npz: expected values compressed at most 100-fold, found 140000000 values, \
             1120000000 bytes in memory"
        ),
        "{text}"
    );
    assert_eq!(text, found(read_targets(&path).unwrap_err()));
    // Half floats, which take twice as much in memory.
    bomb(&path, &header("<f2", "(70000, 4000)"), 560_000_000);
    let text = found(read_embeddings(&path).unwrap_err());
    assert!(text.contains("found 280000000 values"), "{text}");
    // What shrinks well but is no more than a usual file is read.
    bomb(&path, &header("<i8", "(1000000,)"), 8_000_000);
    assert_eq!(read_labels(&path).unwrap(), vec![0; 1_000_000]);
}

#[test]
fn a_header_that_claims_more_or_less_than_there_is_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("y.npz");
    for (shape, bytes) in [("(1000000000000,)", "8000000000000"), ("(9,)", "72")] {
        bomb(&path, &header("<i8", shape), 80);
        let text = message(&read_labels(&path).unwrap_err(), &path).0;
        assert_eq!(
            text,
            format!(
                "y.npz: expected {bytes} bytes of values for dtype <i8 of shape {shape}, found 80 \
                 bytes"
            )
        );
    }
    let mut npy = npy(&header("<i8", "(10,)"), &[0; 80]);
    npy.truncate(100);
    fs::write(folder.path().join("y.npy"), &npy).unwrap();
    let text = read_labels(folder.path().join("y.npy")).unwrap_err();
    assert!(text.to_string().contains("expected 80 bytes of values"));
}

#[test]
fn labels_longer_than_a_piece_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let labels: Vec<usize> = (0..200_001).map(|row| row * 7 % 90_001).collect();
    let path = folder.path().join("y.npy");
    write_labels(&path, &labels).unwrap();
    assert_eq!(read_labels(&path).unwrap(), labels);
    assert_eq!(read_targets(&path).unwrap(), Targets::Classes(labels));
}

#[test]
fn a_label_beyond_all_classes_names_its_file_and_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("y.npy");
    write_labels(&path, &[99_999, 3]).unwrap();
    assert!(read_targets(&path).is_ok());
    write_labels(&path, &[3, 100_000]).unwrap();
    let error = read_targets(&path).unwrap_err();
    let (text, hint) = message(&error, &path);
    assert_eq!(
        text,
        "y.npy holds label 100000 at row 1, expected a class number below 100000"
    );
    assert!(hint.contains("without gaps"), "{hint}");
    // What is only compared may be any number.
    assert_eq!(read_labels(&path).unwrap(), [3, 100_000]);
}
