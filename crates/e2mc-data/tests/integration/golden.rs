//! Against torchvision and Pillow; see `../golden/README.md`.

use std::path::{Path, PathBuf};

use e2mc_data::decode::decode;
use e2mc_data::preprocess::Preprocessor;
use e2mc_data::{Augmented, Error, Image, Operation, Preprocessing};
use safetensors::SafeTensors;
use serde_json::Value;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(golden().join(name)).unwrap()
}

fn load(name: &str) -> Result<Image, Error> {
    let mut image = Image::default();
    decode(&bytes(name), &name, &mut image).map(|()| image)
}

fn expected(name: &str) -> Vec<u8> {
    let bytes = bytes("expected.safetensors");
    SafeTensors::deserialize(&bytes)
        .unwrap()
        .tensor(name)
        .unwrap()
        .data()
        .to_vec()
}

/// Checks the absolute difference, in the mean and at most.
#[track_caller]
fn assert_close(name: &str, found: &[u8], expected: &[u8], mean_limit: f64, limit: u8) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let differences = found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b));
    let mean = differences.clone().map(f64::from).sum::<f64>() / found.len() as f64;
    let maximum = differences.max().unwrap();
    assert!(
        mean <= mean_limit && maximum <= limit,
        "{name}: mean {mean:.4}, maximum {maximum}"
    );
}

#[test]
fn operations_agree_with_torchvision() {
    let manifest: Value = serde_json::from_slice(&bytes("manifest.json")).unwrap();
    let source = load("source.png").unwrap();
    for (name, case) in manifest.as_object().unwrap() {
        let mut case = case.clone();
        case.as_object_mut().unwrap().remove("note");
        let operation: Operation = serde_json::from_value(case).unwrap();
        match operation.apply(source.clone()).unwrap() {
            // Integer arithmetic that can be, and is, reproduced exactly.
            Augmented::Image(image) => {
                assert_close(name, &image.to_interleaved(), &expected(name), 0.0, 0);
            }
            Augmented::Floats { shape, data } => {
                assert_eq!(shape, [3, source.height, source.width]);
                for (found, expected) in data.iter().zip(expected(name).chunks_exact(4)) {
                    let expected = f32::from_le_bytes(expected.try_into().unwrap());
                    assert!(
                        (found - expected).abs() < 1e-6,
                        "{name}: {found} and {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn operations_out_of_range_are_refused() {
    let refused = |text: &str| -> String {
        let operation: Result<Operation, _> = serde_json::from_str(text);
        match operation {
            Ok(operation) => operation
                .apply(Image::black(20, 10, 3))
                .unwrap_err()
                .to_string(),
            Err(error) => error.to_string(),
        }
    };
    for (text, part) in [
        (
            r#"{"op": "hue", "factor": 0.6}"#,
            "`factor`: expected a number from -0.5 to 0.5, found 0.6",
        ),
        (
            r#"{"op": "contrast", "factor": -1}"#,
            "`factor`: expected a number from 0 up, found -1",
        ),
        (
            r#"{"op": "gaussian_blur", "sigma": 1000}"#,
            "`sigma`: expected a number from 0 to 100",
        ),
        (
            r#"{"op": "normalize", "mean": [0], "std": [1]}"#,
            "`mean`: expected 3 numbers",
        ),
        (r#"{"op": "solarize", "threshold": 300}"#, "300"),
        (r#"{"op": "sharpen"}"#, "sharpen"),
        (r#"{"op": "hflip", "factor": 1}"#, "factor"),
        (
            r#"{"op": "resize_center_crop", "resize": 8, "crop": 9}"#,
            "`crop`: expected at most resize = 8, found 9",
        ),
        (
            r#"{"op": "resized_crop", "left": 3, "top": 0, "width": 18, "height": 2, "size": [4, 4], "filter": "bicubic"}"#,
            "expected a region inside 20 x 10, found 18 x 2 at 3, 0",
        ),
    ] {
        let message = refused(text);
        assert!(message.contains(part), "{text}: {message}");
    }
    for name in Operation::NAMES {
        // A missing parameter, or none needed: the name at least is known.
        assert!(!refused_name(name), "{name}");
    }
}

/// Whether no operation has this name.
fn refused_name(name: &str) -> bool {
    let operation: Result<Operation, _> = serde_json::from_str(&format!(r#"{{"op": "{name}"}}"#));
    operation.is_err_and(|error| error.to_string().contains("unknown variant"))
}

fn preprocess(preprocessing: &Preprocessing, image: &Image) -> Vec<f32> {
    let mut out = vec![0.0; preprocessing.shape().iter().product()];
    Preprocessor::new(preprocessing)
        .unwrap()
        .view(image, || "image".to_owned(), &mut out)
        .unwrap();
    out
}

/// One channel of an image.
fn channel(image: &Image, channel: usize) -> Vec<u8> {
    image.planes().nth(channel).unwrap().to_vec()
}

#[test]
fn jpeg_is_libjpegs_to_the_bit() {
    let image = load("source.jpg").unwrap();
    assert_close(
        "source.jpg",
        &image.to_interleaved(),
        &expected("decoded_jpeg"),
        0.0,
        0,
    );
}

#[test]
fn odd_formats_hold_the_same_image() {
    let source = load("source.png").unwrap();
    assert_eq!(
        (source.width, source.height, source.channels),
        (201, 157, 3)
    );
    for name in ["gray.png", "gray16.png"] {
        let image = load(name).unwrap();
        assert_eq!((image.width, image.height, image.channels), (201, 157, 1));
        assert_close(name, &image.pixels, &channel(&source, 0), 0.0, 0);
    }
    assert_eq!(load("rgba.png").unwrap(), source);
    let palette = load("palette.png").unwrap();
    assert_close("palette.png", &palette.pixels, &source.pixels, 14.3, 48);
    let cmyk = load("cmyk.jpg").unwrap();
    assert_eq!((cmyk.width, cmyk.height, cmyk.channels), (201, 157, 3));
    assert_close("cmyk.jpg", &cmyk.pixels, &source.pixels, 3.3, 40);
}

#[test]
fn progressive_jpeg_is_the_image_turned_to_the_left() {
    let (source, turned) = (
        load("source.png").unwrap(),
        load("progressive.jpg").unwrap(),
    );
    assert_eq!((turned.width, turned.height), (157, 201));
    let mut back = Image::black(201, 157, 3);
    for (back, turned) in back.planes_mut().zip(turned.planes()) {
        for (index, sample) in back.iter_mut().enumerate() {
            let (x, y) = (index % 201, index / 201);
            *sample = turned[(200 - x) * 157 + y];
        }
    }
    assert_close("progressive.jpg", &back.pixels, &source.pixels, 5.2, 90);
}

#[test]
fn the_exif_orientation_is_ignored() {
    let plain = bytes("source.jpg");
    // One entry: orientation (0x112), a short, once, 6 (turn right).
    let mut exif = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01".to_vec();
    exif.extend(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0");
    let turned = [&plain[..2], &exif, &plain[2..]].concat();
    let mut image = Image::default();
    decode(&turned, &"turned.jpg", &mut image).unwrap();
    assert_eq!(image, load("source.jpg").unwrap());
}

#[test]
fn ink_is_stored_inverted_whoever_wrote_it() {
    // As Pillow has it, which takes every file for one of Adobe's.
    let mut plain = bytes("cmyk.jpg");
    let adobe = plain.windows(5).position(|name| name == b"Adobe").unwrap();
    plain[adobe] = b'a';
    let mut image = Image::default();
    decode(&plain, &"plain.jpg", &mut image).unwrap();
    assert_eq!((image.width, image.height, image.channels), (201, 157, 3));
    assert_eq!(image, load("cmyk.jpg").unwrap());
}

#[test]
fn bad_files_are_refused_by_name() {
    let message = |name| load(name).unwrap_err().to_string();
    assert_eq!(
        message("bad_empty.png"),
        "cannot decode bad_empty.png: expected JPEG, PNG or WebP, found an empty file"
    );
    assert_eq!(
        message("bad_text.jpg"),
        "cannot decode bad_text.jpg: expected JPEG, PNG or WebP, found a file of 13 bytes starting \
         \"not an i\""
    );
    assert_eq!(
        message("bad_truncated.jpg"),
        "cannot decode bad_truncated.jpg: the file is cut off after 3910 bytes: no end marker"
    );
}

#[test]
fn files_cut_off_anywhere_are_refused() {
    let mut image = Image::default();
    // Of a PNG the check sum of the empty last chunk may be missing.
    for (name, step, spare) in [
        ("source.jpg", 61, 0),
        ("progressive.jpg", 31, 0),
        ("cmyk.jpg", 67, 0),
        ("gray.png", 97, 4),
    ] {
        let bytes = bytes(name);
        for length in (0..bytes.len() - spare).step_by(step) {
            assert!(
                decode(&bytes[..length], &name, &mut image).is_err(),
                "{name} at {length}"
            );
        }
        assert!(decode(&bytes, &name, &mut image).is_ok(), "{name}");
    }
}

#[test]
fn damaged_files_never_panic() {
    let mut image = Image::default();
    for name in ["source.jpg", "progressive.jpg", "gray.png", "palette.png"] {
        let whole = bytes(name);
        for round in 0..60 {
            let mut bytes = whole.clone();
            let mut random = e2mc_data::stream(0, 0, round, 0);
            // Mostly in the headers, where damage does most.
            for _ in 0..3 {
                let reach = if random.bernoulli(0.7) {
                    700
                } else {
                    bytes.len()
                };
                let place = random.below(reach);
                bytes[place] = random.below(256) as u8;
            }
            match decode(&bytes, &name, &mut image) {
                Ok(()) => assert_eq!(
                    image.pixels.len(),
                    image.width * image.height * image.channels
                ),
                Err(error) => assert!(error.to_string().contains(name), "{error}"),
            }
        }
    }
}

#[test]
fn decompression_bombs_are_refused_by_their_headers() {
    // A header that promises 100,000 x 100,000 grey pixels, and nothing to fill them.
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\x01\x86\xa0\0\x01\x86\xa0\x08\0\0\0\0".to_vec();
    png.extend(0x8d39_5414_u32.to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    let error = decode(&png, &"bomb.png", &mut Image::default()).unwrap_err();
    assert!(
        matches!(error, Error::ImageTooLarge { width: 100_000, .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .starts_with("bomb.png has 100000 x 100000 pixels"),
        "{error}"
    );

    let mut jpeg = bytes("source.jpg");
    let frame = jpeg
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    let error = decode(&jpeg, &"bomb.jpg", &mut Image::default()).unwrap_err();
    assert!(
        matches!(error, Error::ImageTooLarge { width: 65_535, .. }),
        "{error}"
    );
}

#[test]
fn channels_follow_pillow() {
    let source = load("source.png").unwrap();
    let (mut grey, mut again) = (Image::default(), Image::default());
    source.with_channels(1, &mut grey);
    grey.with_channels(3, &mut again);
    assert_close(
        "luma",
        &again.to_interleaved(),
        &expected("grayscale"),
        0.0,
        0,
    );
}

#[test]
fn images_of_every_shape_can_be_evaluated_but_none_that_would_fill_the_memory() {
    let preprocessing = Preprocessing {
        resize: Some(36),
        crop: 32,
        ..Preprocessing::imagenet()
    };
    for (width, height) in [(1, 1), (3, 200), (200, 3), (33, 32)] {
        let view = preprocess(&preprocessing, &Image::black(width, height, 3));
        let mean_of_blue = -0.406 / 0.225;
        assert!(
            view.iter()
                .skip(2 * 32 * 32)
                .all(|value| (value - mean_of_blue).abs() < 1e-6)
        );
    }
    let preprocessing = Preprocessing {
        resize: Some(4096),
        ..preprocessing
    };
    let mut out = vec![0.0; 3 * 32 * 32];
    let image = Image::black(11, 100_000, 3);
    let result = Preprocessor::new(&preprocessing).unwrap().view(
        &image,
        || "thread.png".to_owned(),
        &mut out,
    );
    assert!(
        matches!(result, Err(Error::ImageTooLarge { .. })),
        "{result:?}"
    );
}
