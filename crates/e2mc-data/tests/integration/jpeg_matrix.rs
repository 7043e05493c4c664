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

/// Behind the compressed data libjpeg, and so Pillow, refuses a marker that no picture has; notes
/// and garbage are passed over.
#[test]
fn markers_behind_the_last_scan_are_refused_as_in_pillow() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats");
    for name in ["s444.jpg", "progressive.jpg"] {
        let file = std::fs::read(golden.join(name)).unwrap();
        let (start, end) = file.split_at(file.len() - 2);
        assert_eq!(end, [0xff, 0xd9]);
        let mut sound = Image::default();
        decode(&file, &name, &mut sound).unwrap();
        let cases: [(&[u8], Option<&str>); 8] = [
            (b"abc", None),
            (b"\xff\xfe\0\x03a", None),
            (b"\xff\xfe\0\0", None),
            (
                b"\xff\xc3",
                Some("the segment of the marker 0xc3 is cut off"),
            ),
            (
                b"\xff\x02",
                Some("expected a segment, found the marker 0x02"),
            ),
            (
                b"\xff\xd8",
                Some("expected a segment, found the marker 0xd8"),
            ),
            (
                b"\xff\xf0\0\x02",
                Some("expected a segment, found the marker 0xf0"),
            ),
            (
                b"\xff\xdb\0\x01",
                Some("impossible length 1 after the marker 0xdb"),
            ),
        ];
        for (inserted, reason) in cases {
            let altered = [start, inserted, end].concat();
            let mut image = Image::default();
            match (decode(&altered, &name, &mut image), reason) {
                (Ok(()), None) => assert_eq!(image, sound, "{name}, {inserted:02x?}"),
                (Err(error), Some(reason)) => {
                    assert!(error.to_string().ends_with(reason), "{name}: {error}");
                }
                (result, reason) => panic!("{name}, {inserted:02x?}: {result:?}, not {reason:?}"),
            }
        }
    }
}

/// libjpeg reads to the end marker before it hands out a picture of several scans, and skips no more
/// of a note than there is. (Pillow gives the pixels of a single scan before it gets there; ours
/// makes no difference between the two.)
#[test]
fn notes_that_are_cut_off_or_hold_the_end_marker_are_refused() {
    for name in ["s444.jpg", "progressive.jpg"] {
        let file = golden(name);
        let (start, end) = file.split_at(file.len() - 2);
        let cases: [(&[u8], &str); 5] = [
            (
                b"\xff\xea\x83\xc8",
                "the segment of the marker 0xea is cut off",
            ),
            (
                b"\xff\xfe\0\x05",
                "the segment of the marker 0xfe is cut off",
            ),
            (b"\xff\xdc", "the segment of the marker 0xdc is cut off"),
            (b"\xff\xfe\0\x04", "the end marker is missing"),
            (b"\xff\xe0\0\x05a", "the end marker is missing"),
        ];
        for (inserted, reason) in cases {
            let altered = [start, inserted, end].concat();
            assert_refused(&altered, reason, &format!("{name}, {inserted:02x?}"));
        }
    }
}

/// Headers that libjpeg, and so Pillow, refuses.
#[test]
fn headers_that_make_no_sense_are_refused_as_in_pillow() {
    let file = golden("s444.jpg");
    let frame = segment(&file, 0xc0);
    let scan = segment(&file, 0xda);
    let changed = |changes: &[(usize, u8)]| {
        let mut altered = file.clone();
        for &(at, byte) in changes {
            altered[at] = byte;
        }
        altered
    };
    let before_scan =
        |inserted: &[u8]| [&file[..scan.start], inserted, &file[scan.start..]].concat();
    let mut two_of_one_bit = [0; 23];
    two_of_one_bit[..6].copy_from_slice(b"\xff\xc4\0\x15\0\x02");
    let mut too_many = [0; 21];
    too_many[..7].copy_from_slice(b"\xff\xc4\0\x13\x10\xff\xff");
    let end = file.len() - 2;
    let cases = [
        (
            "a longer side than libjpeg has",
            changed(&[
                (frame.start + 5, 0),
                (frame.start + 6, 1),
                (frame.start + 7, 0xff),
                (frame.start + 8, 0xdd),
            ]),
            "expected at most 65500 pixels a side, found 65501 x 1",
        ),
        (
            "an MCU of 18 blocks",
            changed(&[(frame.start + 11, 0x44)]),
            "expected at most 10 blocks in an MCU of a scan, found 18",
        ),
        (
            "components of a scan in another order",
            changed(&[
                (scan.start + 5, file[scan.start + 7]),
                (scan.start + 7, file[scan.start + 5]),
            ]),
            "expected the components of a scan in the frame's order, found 1",
        ),
        (
            "a code of ones alone",
            before_scan(&two_of_one_bit),
            "DC Huffman table 0 is missing or makes no sense",
        ),
        (
            "more codes than symbols",
            before_scan(&too_many),
            "expected at most 256 Huffman codes, found 510",
        ),
        (
            "a restart interval of three bytes",
            before_scan(b"\xff\xdd\0\x05\0\0\0"),
            "expected a restart interval of two bytes",
        ),
        (
            "another scan behind one of all components",
            [&file[..end], &file[scan.start..]].concat(),
            "expected one scan of all components, found another behind it",
        ),
        (
            "another frame behind the scan",
            [&file[..end], &file[frame.clone()], &file[end..]].concat(),
            "expected one frame header, found two",
        ),
    ];
    for (what, altered, reason) in cases {
        assert_refused(&altered, reason, what);
    }
}

/// libjpeg guesses what restart markers in another order mean, and conditions of arithmetic coding
/// do not matter to it where nothing is coded so. Ours refuses both.
#[test]
fn what_libjpeg_guesses_or_ignores_is_refused() {
    let mut file = golden("restart.jpg");
    let scan = segment(&file, 0xda);
    let arithmetic = [
        &file[..scan.start],
        b"\xff\xcc\0\x04\0\0",
        &file[scan.start..],
    ];
    let reason = "expected Huffman coding, found arithmetic coding";
    assert_refused(&arithmetic.concat(), reason, "arithmetic");
    let restart = file[scan.end..]
        .windows(2)
        .position(|pair| pair == [0xff, 0xd0])
        .unwrap();
    file[scan.end + restart + 1] = 0xd1;
    let reason = "expected restart markers in their order";
    assert_refused(&file, reason, "restart");
}

/// libjpeg decodes such a block twice, and what the first attempt made of it stays.
#[test]
fn fill_bytes_before_a_stuffed_byte_are_refused() {
    for name in ["s444.jpg", "progressive.jpg", "noninterleaved_420.jpg"] {
        let file = golden(name);
        let (start, rest) = file.split_at(segment(&file, 0xda).end);
        let reason = "expected a marker behind fill bytes, found compressed data";
        assert_refused(&[start, b"\xff\xff\0", rest].concat(), reason, name);
        // Before a marker they mean nothing.
        let (start, end) = file.split_at(file.len() - 2);
        let (mut plain, mut filled) = (Image::default(), Image::default());
        decode(&file, &name, &mut plain).unwrap();
        decode(&[start, b"\xff", end].concat(), &name, &mut filled).unwrap();
        assert_eq!(plain, filled);
    }
}

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats");
    std::fs::read(folder.join(name)).unwrap()
}

/// Where a file has its first segment with this marker, up to the end of its content.
fn segment(file: &[u8], marker: u8) -> std::ops::Range<usize> {
    let mut at = 2;
    loop {
        let length = usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        let end = at + 2 + length;
        if file[at + 1] == marker {
            return at..end;
        }
        at = end;
    }
}

fn assert_refused(file: &[u8], reason: &str, what: &str) {
    match decode(file, &what, &mut Image::default()) {
        Err(error) => assert!(error.to_string().ends_with(reason), "{what}: {error}"),
        Ok(()) => panic!("{what}: taken, not refused with {reason:?}"),
    }
}
