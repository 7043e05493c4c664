//! Files of many kinds against what Pillow makes of them; see `../golden/formats/make.py`.

use std::fs;
use std::path::{Path, PathBuf};

use e2mc_data::decode::{decode, decode_region};
use e2mc_data::geometry::Region;
use e2mc_data::{Image, stream};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats")
}

fn load(path: &Path) -> Image {
    let (mut stored, mut image) = (Image::default(), Image::default());
    decode(&fs::read(path).unwrap(), &path.display(), &mut stored).unwrap();
    stored.with_channels(3, &mut image);
    image
}

/// The files, each with Pillow's pixels.
fn cases() -> Vec<(String, Image)> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let expected = folder().join(format!("{name}.png"));
        if expected.exists() {
            cases.push((name.to_owned(), load(&expected)));
        }
    }
    assert!(cases.len() > 40);
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

#[test]
fn pixels_are_pillows() {
    let mut wrong = String::new();
    for (name, expected) in cases() {
        // Pillow clips 16-bit grey, so that a photograph becomes white; here the high byte is kept.
        let expected = match name.as_str() {
            "grey16.png" => load(&folder().join("rgb16.png")),
            _ => expected,
        };
        let mut image = load(&folder().join(&name));
        if name == "grey16.png" {
            // It is the red channel of the other.
            let size = image.width * image.height;
            let (red, rest) = expected.pixels.split_at(size);
            assert_eq!(image.pixels[..size], *red);
            image.pixels[size..].copy_from_slice(rest);
        }
        assert_eq!(
            (image.width, image.height),
            (expected.width, expected.height),
            "{name}"
        );
        let differences = image
            .pixels
            .iter()
            .zip(&expected.pixels)
            .map(|(a, b)| a.abs_diff(*b));
        let mean = differences.clone().map(f64::from).sum::<f64>() / image.pixels.len() as f64;
        let most = differences.max().unwrap();
        // Its library has another transform and interpolation.
        let (mean_limit, limit) = match name.as_str() {
            "lossy.webp" => (0.6, 6),
            _ => (0.0, 0),
        };
        if mean > mean_limit || most > limit {
            wrong.push_str(&format!("\n{name}: mean {mean:.3}, at most {most}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_region_is_a_part_of_the_whole() {
    let mut random = stream(2, 0, 0, 0);
    for (name, _) in cases() {
        let bytes = fs::read(folder().join(&name)).unwrap();
        let (mut whole, mut part) = (Image::default(), Image::default());
        decode(&bytes, &name, &mut whole).unwrap();
        for _ in 0..if name.ends_with("jpg") { 60 } else { 1 } {
            let (width, height) = (
                1 + random.below(whole.width),
                1 + random.below(whole.height),
            );
            let region = Region {
                left: random.below(whole.width - width + 1),
                top: random.below(whole.height - height + 1),
                width,
                height,
            };
            // Whatever was in the buffer before.
            part.reshape(whole.width, whole.height, whole.channels);
            part.pixels.fill(77);
            let mut asked = 0;
            let mut wanted = |width: usize, height: usize| {
                assert_eq!((width, height), (whole.width, whole.height));
                asked += 1;
                region
            };
            decode_region(&bytes, &name, &mut wanted, &mut part).unwrap();
            assert_eq!(asked, 1);
            for (part, whole_plane) in part.planes().zip(whole.planes()) {
                for y in region.top..region.top + region.height {
                    let row = y * whole.width + region.left;
                    let row = row..row + region.width;
                    assert_eq!(
                        part[row.clone()],
                        whole_plane[row],
                        "{name}, {region:?}, row {y}"
                    );
                }
            }
        }
    }
}

#[test]
fn names_do_not_tell_the_format() {
    let folder = tempfile::tempdir().unwrap();
    let formats = self::folder();
    for (from, to) in [
        ("rgb.png", "a.JPEG"),
        ("s420.jpg", "b.png"),
        ("lossless.webp", "c.jpg"),
    ] {
        fs::copy(formats.join(from), folder.path().join(to)).unwrap();
    }
    let dataset = e2mc_data::open(folder.path(), e2mc_data::Split::Train).unwrap();
    let (mut image, mut expected) = (Image::default(), Image::default());
    for (index, name) in ["rgb.png", "s420.jpg", "lossless.webp"]
        .into_iter()
        .enumerate()
    {
        dataset.read(index, &mut image).unwrap();
        decode(&fs::read(formats.join(name)).unwrap(), &name, &mut expected).unwrap();
        assert_eq!(image, expected);
    }
}

#[test]
fn png_files_without_an_end_are_read_whole_or_refused_for_that() {
    for name in ["rgb.png", "grey.png", "palette8.png", "interlaced.png"] {
        let bytes = fs::read(folder().join(name)).unwrap();
        let (mut whole, mut image) = (Image::default(), Image::default());
        decode(&bytes, &name, &mut whole).unwrap();
        for cut in 1..60 {
            let length = bytes.len() - cut;
            match decode(&bytes[..length], &name, &mut image) {
                Ok(()) => assert_eq!(image, whole, "{name} without {cut} bytes"),
                Err(error) => {
                    let end = format!("cut off after {length} bytes: no IEND chunk");
                    assert!(error.to_string().ends_with(&end), "{error}");
                }
            }
        }
    }
}

#[test]
fn webp_files_cut_off_are_refused() {
    for name in ["lossy.webp", "lossless.webp"] {
        let bytes = fs::read(folder().join(name)).unwrap();
        let mut image = Image::default();
        for length in (0..bytes.len() - 1).step_by(29) {
            assert!(
                decode(&bytes[..length], &name, &mut image).is_err(),
                "{name} at {length}"
            );
        }
    }
}

/// A JPEG file without the segments that define its Huffman tables.
fn without_codes(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (bytes[..2].to_vec(), 2);
    while bytes[at + 1] != 0xda {
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        let segment = &bytes[at..at + 2 + length];
        if segment[1] != 0xc4 {
            out.extend_from_slice(segment);
        }
        at += segment.len();
    }
    out.extend_from_slice(&bytes[at..]);
    out
}

#[test]
fn tables_of_the_file_before_are_not_used() {
    let read = |name: &str| fs::read(folder().join(name)).unwrap();
    let bare = without_codes(&read("s420.jpg"));
    assert!(bare.len() < read("s420.jpg").len());
    // On a thread of its own, so that nothing was decoded there before.
    let after = |before: Option<Vec<u8>>| {
        let bare = bare.clone();
        let decode_both = move || {
            let mut image = Image::default();
            if let Some(before) = before {
                decode(&before, &"before", &mut image).unwrap();
            }
            let result = decode(&bare, &"bare", &mut image);
            result.map(|()| image).map_err(|error| error.to_string())
        };
        std::thread::spawn(decode_both).join().unwrap()
    };
    let alone = after(None);
    for before in ["s420.jpg", "optimised.jpg", "s444.jpg"] {
        assert_eq!(after(Some(read(before))), alone, "after {before}");
    }
}
