//! Mutated checkpoints: whatever a file holds, reading it ends in a checkpoint or in an error.
//!
//! Always a few thousand cases; for a long search
//! `E2MC_FUZZ_SECONDS=600 E2MC_FUZZ_SEED=1 cargo test --release -p e2mc-train --test fuzz -- --nocapture`
//! under a limit such as `ulimit -v 6000000`, which makes a huge allocation a crash. Each case
//! depends on the seed and its number alone. The file of the case at work is the one whose path is
//! printed: after a crash it is still there.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use e2mc_train::Error;
use e2mc_train::checkpoint::{Checkpoint, Layout, ReadOptions};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The cases of a normal test run.
const CASES: u64 = 3000;
/// What a single case may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file in the parts that are worth changing on their own.
enum Seed {
    /// Bytes as they are; mutations fall into the given range.
    Raw(Vec<u8>, std::ops::Range<usize>),
    /// Entries of a ZIP archive: names and contents, the pickle first. Rebuilt around a changed
    /// entry, so that its checksum is right.
    Zip(Vec<(String, Vec<u8>)>),
    /// A safetensors file: header and numbers.
    Safetensors(Vec<u8>, Vec<u8>),
}

/// SplitMix64: one stream of bits for each case.
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is above 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Changes some bytes of a range, and perhaps its length.
fn mutate(bits: &mut Bits, bytes: &mut Vec<u8>, within: std::ops::Range<usize>) {
    const NUMBERS: [u64; 10] = [
        0,
        1,
        0x7f,
        0xff,
        0xffff,
        0x7fff_ffff,
        0xffff_ffff,
        i64::MAX as u64,
        u64::MAX,
        1 << 40,
    ];
    // Operations of pickles: containers, memo, calls, persistent ids, marks, long texts.
    const OPERATIONS: &[u8] =
        b"()}]tuseaR0122bQNqhrjXUc.\x80\x81\x85\x86\x87\x8a\x8b\x8c\x8d\x8e\x93\x94\x95";
    for _ in 0..1 + bits.below(4) {
        let end = within.end.min(bytes.len());
        let start = within.start.min(end);
        if start == end {
            return;
        }
        let at = start + bits.below(end - start);
        match bits.below(9) {
            0 => bytes[at] ^= 1 << bits.below(8),
            1 => bytes[at] = bits.next() as u8,
            2 => bytes[at] = *bits.pick(OPERATIONS),
            3 => bytes.insert(at, *bits.pick(OPERATIONS)),
            4 => bytes.truncate(at),
            5 => {
                let length = bits.below((end - at).min(64));
                bytes.drain(at..at + length);
            }
            6 => {
                let number = bits.pick(&NUMBERS).to_le_bytes();
                let width = *bits.pick(&[1, 2, 4, 8]);
                for (place, byte) in bytes[at..].iter_mut().zip(&number[..width]) {
                    *place = *byte;
                }
            }
            7 => {
                // A piece again elsewhere, perhaps many times.
                let length = 1 + bits.below((end - at).min(200));
                let piece = bytes[at..at + length].to_vec();
                let times = if bits.below(50) == 0 {
                    2000
                } else {
                    1 + bits.below(3)
                };
                let to = start + bits.below(end - start);
                bytes.splice(to..to, piece.repeat(times));
            }
            _ => {
                // Digits of a decimal number, as JSON and old protocols have them.
                if bytes[at].is_ascii_digit() {
                    let digits =
                        bits.pick(&["0", "1", "99999999999", "18446744073709551615", "-1"]);
                    bytes.splice(at..at + 1, digits.bytes());
                } else {
                    bytes[at] = bytes[at].wrapping_add(1);
                }
            }
        }
    }
}

impl Seed {
    fn mutated(&self, bits: &mut Bits) -> Vec<u8> {
        match self {
            Self::Raw(bytes, range) => {
                let mut bytes = bytes.clone();
                mutate(bits, &mut bytes, range.clone());
                bytes
            }
            Self::Zip(entries) => {
                // Mostly the pickle: the rest is numbers.
                let chosen = match bits.below(8) {
                    0 => bits.below(entries.len()),
                    _ => 0,
                };
                let mut changed = entries[chosen].1.clone();
                let length = changed.len();
                mutate(bits, &mut changed, 0..length);
                let stored = bits.below(20) > 0;
                zipped(entries, chosen, &changed, stored)
            }
            Self::Safetensors(header, data) => {
                let mut header = header.clone();
                let length = header.len();
                mutate(bits, &mut header, 0..length);
                let size = match bits.below(20) {
                    0 => bits.next() >> bits.below(64),
                    _ => header.len() as u64,
                };
                [&size.to_le_bytes(), header.as_slice(), data].concat()
            }
        }
    }
}

fn zipped(entries: &[(String, Vec<u8>)], chosen: usize, changed: &[u8], stored: bool) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let deflated = options.compression_method(CompressionMethod::Deflated);
    for (index, (name, bytes)) in entries.iter().enumerate() {
        let is_chosen = index == chosen;
        let options = if is_chosen && !stored {
            deflated
        } else {
            options
        };
        zip.start_file(name, options).unwrap();
        zip.write_all(if is_chosen { changed } else { bytes })
            .unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoints");
    fs::read(folder.join(name)).unwrap()
}

fn zip_seed(name: &str) -> Seed {
    let mut archive = ZipArchive::new(Cursor::new(golden(name))).unwrap();
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = String::from_utf8(entry.name_raw().to_vec()).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        entries.push((name, bytes));
    }
    assert!(entries[0].0.ends_with("data.pkl"));
    Seed::Zip(entries)
}

/// A pickle of one tensor of 2 x 3 beside values of every kind; `view` is what ends the storage's
/// identity.
fn pickle(view: &[u8]) -> Vec<u8> {
    let start = b"\x80\x02}(X\x05\x00\x00\x00epochK\x07X\x04\x00\x00\x00listq\x01](K\x01G?\xf0\x00\x00\x00\x00\x00\x00N\
        \x88U\x01ae\x8c\x03abch\x01X\x03\x00\x00\x00setccollections\nOrderedDict\nq\x02)R}X\x01\x00\x00\x00ah\x01sb\
        \x8a\x01\x05\x86q\x03X\x0c\x00\x00\x00conv1.weightctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00\
        storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06";
    let end = b"tQK\x00K\x02K\x03\x86K\x03K\x01\x86\x89h\x02)RtRu.";
    [start, view, end].concat()
}

fn small_zip() -> Seed {
    let entry = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    Seed::Zip(vec![
        entry("archive/data.pkl", &pickle(b"")),
        entry("archive/byteorder", b"little"),
        entry("archive/data/0", &[0; 24]),
        entry("archive/version", b"3\n"),
    ])
}

fn small_legacy() -> Seed {
    let parts: [&[u8]; 6] = [
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
        b"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.",
        &pickle(b"N"),
        b"\x80\x02]X\x01\x00\x00\x000a.",
        &6u64.to_le_bytes(),
        &[0; 24],
    ];
    let bytes = parts.concat();
    let range = 0..bytes.len();
    Seed::Raw(bytes, range)
}

/// A safetensors file of a ResNet-18 of width 1 with heads and momentum.
fn safetensors_seed(folder: &Path) -> Seed {
    let path = folder.join("seed.pth");
    fs::write(&path, golden("resnet18_vicreg_mu.pth")).unwrap();
    let checkpoint = Checkpoint::read(&path).unwrap();
    let mut header = serde_json::Map::new();
    let mut offset = 0;
    for tensor in checkpoint.model.values() {
        let bytes = 4 * tensor.numel();
        let info = serde_json::json!({
            "dtype": "F32", "shape": tensor.size(), "data_offsets": [offset, offset + bytes],
        });
        header.insert(tensor.name().to_owned(), info);
        offset += bytes;
    }
    let header = serde_json::to_vec(&header).unwrap();
    Seed::Safetensors(header, vec![0; offset as usize])
}

/// Seeds, and how often each is taken: files of whole networks cost fifty times the small ones.
fn seeds(folder: &Path) -> Vec<(usize, Seed)> {
    let legacy = golden("resnet18_net_legacy.pt");
    let zip = golden("resnet18_torchvision.pth");
    let tiny = golden("bad_runs_code.pth");
    let (pickles, whole) = (0..16_000, 0..legacy.len());
    let directory = zip.len() - 12_000..zip.len();
    let all = 0..tiny.len();
    vec![
        (40, small_zip()),
        (40, small_legacy()),
        (20, Seed::Raw(tiny, all)),
        (5, zip_seed("bad_runs_code.pth")),
        (3, Seed::Raw(legacy.clone(), pickles)),
        (1, Seed::Raw(legacy, whole)),
        (1, Seed::Raw(zip, directory)),
        (1, zip_seed("resnet18_vicreg_mu.pth")),
        (9, safetensors_seed(folder)),
    ]
}

/// One of `seeds` by its weight.
fn pick<'a>(bits: &mut Bits, seeds: &'a [(usize, Seed)]) -> &'a Seed {
    let mut place = bits.below(seeds.iter().map(|(weight, _)| weight).sum());
    for (weight, seed) in seeds {
        match place.checked_sub(*weight) {
            Some(rest) => place = rest,
            None => return seed,
        }
    }
    unreachable!("the place is below the sum of the weights")
}

/// Reads a file and all its numbers; gives how many tensors had any.
fn read(path: &Path, layout: Option<Layout>) -> Result<u64, Error> {
    let options = ReadOptions {
        layout,
        ..ReadOptions::default()
    };
    let checkpoint = Checkpoint::read_with(path, options)?;
    let momentum = checkpoint.optimizer.iter().map(|(_, tensor)| tensor);
    let all = checkpoint.model.values().chain(momentum);
    Ok(all.filter(|tensor| tensor.read().is_ok()).count() as u64)
}

#[test]
fn mutated_files_are_read_or_refused() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let limit = number("E2MC_FUZZ_SECONDS").map(Duration::from_secs);
    let seed = number("E2MC_FUZZ_SEED").unwrap_or(0);
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = match limit {
        // A crash takes the temporary folder's guard with it, but a panic would remove it.
        Some(_) => std::env::temp_dir().join(format!("e2mc-fuzz-{seed}.case")),
        None => folder.path().join("case"),
    };
    eprintln!("the case at work is {}", path.display());
    let seeds = seeds(folder.path());
    for (_, seed) in &seeds {
        // What is changed is something that could be read.
        if let Seed::Raw(bytes, _) = seed {
            fs::write(&path, bytes).unwrap();
            let error = Checkpoint::read(&path).err().map(|error| error.to_string());
            let text = error.unwrap_or_default();
            assert!(
                text.is_empty() || text.contains("one tensor") || text.contains("not executed"),
                "{text}"
            );
        }
    }
    let started = Instant::now();
    let mut cases = 0u64;
    let (mut networks, mut tensors, mut slowest) = (0u64, 0u64, Duration::ZERO);
    while limit.map_or(cases < CASES, |limit| started.elapsed() < limit) {
        let mut bits = Bits(seed ^ cases.wrapping_mul(0xd134_2543_de82_ef95));
        let mut bytes = pick(&mut bits, &seeds).mutated(&mut bits);
        if bits.below(30) == 0 {
            let length = bytes.len();
            mutate(&mut bits, &mut bytes, 0..length);
        }
        fs::write(&path, &bytes).unwrap();
        let layout = match bits.below(3) {
            0 => Some(*bits.pick(&Layout::ALL)),
            _ => None,
        };
        let begun = Instant::now();
        match read(&path, layout) {
            Ok(found) => {
                networks += 1;
                tensors += found;
            }
            Err(error) => {
                let text = error.to_string();
                let length = text.len();
                assert!(length < 2000, "case {cases}: a message of {length} bytes");
                assert!(
                    error.advice().is_some(),
                    "case {cases}: no advice for {text}"
                );
            }
        }
        let mut took = begun.elapsed();
        if took > PATIENCE {
            // The machine may have been busy with something else.
            let begun = Instant::now();
            let _ = read(&path, layout);
            took = begun.elapsed();
        }
        assert!(took < PATIENCE, "case {cases} took {took:?}");
        slowest = slowest.max(took);
        cases += 1;
        if limit.is_some() && cases.is_multiple_of(100_000) {
            eprintln!(
                "{cases} cases in {:?}, {networks} networks",
                started.elapsed()
            );
        }
    }
    eprintln!(
        "{cases} cases in {:?}: {networks} networks, {tensors} tensors, slowest {slowest:?}",
        started.elapsed()
    );
    assert!(
        networks > 0 && networks < cases,
        "the mutations are too mild or too wild"
    );
    fs::remove_file(&path).unwrap();
}

#[test]
fn what_the_fuzzers_kept_is_read_or_refused() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/pytorch");
    let mut files = 0;
    for entry in fs::read_dir(kept).unwrap() {
        let path = entry.unwrap().path();
        eprintln!("{}", path.display());
        if let Err(error) = read(&path, None) {
            assert!(error.to_string().len() < 2000 && error.advice().is_some());
        }
        files += 1;
    }
    assert!(files > 1);
}
