//! What `cjpeg` of libjpeg-turbo makes from its options, against Pillow's pixels: equal, or refused
//! for a reason. See `scripts/make_jpeg_matrix.py`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use e2mc_data::decode::{decode, decode_region};
use e2mc_data::geometry::Region;
use e2mc_data::{Image, stream};
use flate2::read::GzDecoder;

struct Case {
    name: String,
    file: Vec<u8>,
    /// Pillow's image; `None` where it refuses the file.
    expected: Option<Image>,
}

/// Reads the matrix piece by piece.
struct Pieces(Box<dyn Read>);

impl Pieces {
    fn take(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// A little-endian number of so many bytes.
    fn number(&mut self, bytes: usize) -> usize {
        let bytes = self.take(bytes);
        bytes
            .iter()
            .rev()
            .fold(0, |number, &byte| number << 8 | usize::from(byte))
    }

    fn case(&mut self) -> Option<Case> {
        let mut length = [0; 2];
        if self.0.read(&mut length[..1]).unwrap() == 0 {
            return None;
        }
        self.0.read_exact(&mut length[1..]).unwrap();
        let name = self.take(usize::from(u16::from_le_bytes(length)));
        let length = self.number(4);
        let file = self.take(length);
        let (width, height) = (self.number(2), self.number(2));
        let mut pixels = self.take(3 * width * height);
        // Rows are differences to the row above.
        for index in 3 * width..pixels.len() {
            pixels[index] = pixels[index].wrapping_add(pixels[index - 3 * width]);
        }
        let image = || Image::from_interleaved(width, height, 3, &pixels);
        Some(Case {
            name: String::from_utf8(name).unwrap(),
            file,
            expected: (width > 0).then(image),
        })
    }
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jpeg/matrix.bin");
    let mut pieces = Pieces(Box::new(GzDecoder::new(File::open(path).unwrap())));
    let cases: Vec<Case> = std::iter::from_fn(|| pieces.case()).collect();
    assert!(cases.len() > 600, "{}", cases.len());
    cases
}

/// What a file is refused for, of those that Pillow reads.
fn reason(name: &str) -> Option<&'static str> {
    if name.contains("arithmetic") {
        return Some("expected Huffman coding, found arithmetic coding");
    }
    // Pillow shows what libjpeg invents for the coefficients that never come.
    if name.starts_with("first-only") || name.starts_with("coarse") {
        return Some("progressive scans are missing");
    }
    None
}

#[test]
fn every_file_of_cjpeg_has_pillows_pixels_or_is_refused_for_a_reason() {
    let mut wrong = String::new();
    let (mut equal, mut refused) = (0, 0);
    for Case {
        name,
        file,
        expected,
    } in cases()
    {
        let mut image = Image::default();
        let result = decode(&file, &name, &mut image);
        match (result, reason(&name), expected) {
            (Ok(()), None, Some(expected)) => {
                let mut rgb = Image::default();
                image.with_channels(3, &mut rgb);
                if rgb == expected {
                    equal += 1;
                    continue;
                }
                let pixels = rgb.pixels.iter().zip(&expected.pixels);
                let most = pixels.map(|(a, b)| a.abs_diff(*b)).max();
                wrong.push_str(&format!("\n{name}: {most:?} levels off"));
            }
            (Err(error), Some(reason), Some(_)) if error.to_string().ends_with(reason) => {
                refused += 1;
            }
            (Err(_), None, None) => refused += 1,
            (result, reason, expected) => wrong.push_str(&format!(
                "\n{name}: {result:?}, expected {reason:?}, read by Pillow: {}",
                expected.is_some()
            )),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(equal > 550 && refused > 20, "{equal} {refused}");
}

/// A damaged file whose coefficients leave 16 bits and run beyond the ends of blocks: as Pillow's vector
/// code has it, to the last bit.
#[test]
fn numbers_that_overflow_do_so_as_in_pillow() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let file = std::fs::read(golden.join("overflow.jpg")).unwrap();
    let pixels = std::fs::read(golden.join("overflow.rgb")).unwrap();
    let mut image = Image::default();
    decode(&file, &"overflow.jpg", &mut image).unwrap();
    assert_eq!(image, Image::from_interleaved(24, 18, 3, &pixels));
}

#[test]
fn regions_of_every_kind_are_parts_of_the_whole() {
    let mut random = stream(3, 0, 0, 0);
    for Case { name, file, .. } in cases() {
        let (mut whole, mut part) = (Image::default(), Image::default());
        if decode(&file, &name, &mut whole).is_err() {
            continue;
        }
        for _ in 0..4 {
            let width = 1 + random.below(whole.width);
            let height = 1 + random.below(whole.height);
            let region = Region {
                left: random.below(whole.width - width + 1),
                top: random.below(whole.height - height + 1),
                width,
                height,
            };
            part.reshape(whole.width, whole.height, whole.channels);
            part.pixels.fill(77);
            decode_region(&file, &name, &mut |_, _| region, &mut part).unwrap();
            for (part, whole_plane) in part.planes().zip(whole.planes()) {
                for y in region.top..region.top + region.height {
                    let row = y * whole.width + region.left;
                    let row = row..row + region.width;
                    assert_eq!(part[row.clone()], whole_plane[row], "{name}, {region:?}");
                }
            }
        }
    }
}

#[test]
fn files_cut_off_or_altered_are_refused_or_read_and_never_a_panic() {
    let mut image = Image::default();
    let mut random = stream(4, 0, 0, 0);
    for Case { name, file, .. } in cases().into_iter().step_by(5) {
        for length in (0..file.len() - 1).step_by(97) {
            let result = decode(&file[..length], &name, &mut image);
            assert!(result.is_err(), "{name} at {length}");
        }
        for _ in 0..10 {
            let mut altered = file.clone();
            altered[random.below(file.len())] ^= 1 << random.below(8);
            if decode(&altered, &name, &mut image).is_ok() {
                assert_eq!(
                    image.pixels.len(),
                    image.width * image.height * image.channels
                );
            }
        }
    }
}
