//! Mutated JPEG files, decoded by ours and by libjpeg: `jpegs COUNT [SEED [START]]`. Ends with the
//! number of files that both took with the same pixels, and of those that ours refused; any other file is
//! a panic.
//!
//! Each file depends on the seed and its number alone.

use e2mc_fuzz::jpeg::{Outcome, compare};

/// SplitMix64.
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Where the compressed data of the last scan starts.
fn scan(bytes: &[u8]) -> usize {
    let found = bytes.windows(2).rposition(|pair| pair == [0xff, 0xda]);
    found.map_or(0, |at| (at + 12).min(bytes.len()))
}

/// Changes a few bytes: mostly of the compressed data, where a change often leaves a sound file.
fn mutated(bits: &mut Bits, file: &[u8]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..1 + bits.below(3) {
        let start = if bits.below(4) > 0 { scan(&bytes) } else { 2 };
        let end = bytes.len().saturating_sub(2);
        if start >= end {
            break;
        }
        let at = start + bits.below(end - start);
        match bits.below(6) {
            0 | 1 => bytes[at] ^= 1 << bits.below(8),
            2 => bytes[at] = bits.next() as u8,
            3 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][bits.below(5)],
            4 => {
                bytes.remove(at);
            }
            _ => {
                let to = start + bits.below(end - start);
                let length = 1 + bits.below((end - at).min(16));
                let piece = bytes[at..at + length].to_vec();
                bytes.splice(to..to, piece);
            }
        }
    }
    bytes
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let count = arguments.next().expect("give a count").expect("a number");
    let seed = arguments.next().map_or(0, |seed| seed.expect("a number"));
    let start = arguments.next().map_or(0, |start| start.expect("a number"));
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/jpeg");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the corpus")
        .map(|entry| entry.expect("a file").path())
        .collect();
    paths.sort();
    let files = paths
        .iter()
        .map(|path| std::fs::read(path).expect("a file"));
    let sound: Vec<Vec<u8>> = files
        .filter(|file| compare(file) == Outcome::Same)
        .collect();
    println!("{} sound files to start from", sound.len());
    let (mut same, mut refused) = (0u64, 0u64);
    for number in start..start + count {
        let mut bits = Bits(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        let which = bits.below(sound.len());
        let file = mutated(&mut bits, &sound[which]);
        match std::panic::catch_unwind(|| compare(&file)) {
            Ok(Outcome::Same) => same += 1,
            Ok(Outcome::Refused) => refused += 1,
            Err(_) => {
                std::fs::write("differs.jpg", &file).expect("a file");
                eprintln!("file {number} of seed {seed} is left in differs.jpg");
                std::process::exit(1);
            }
        }
        if (number + 1 - start).is_multiple_of(100_000) {
            println!(
                "{} files: {same} the same, {refused} refused by ours",
                number + 1 - start
            );
        }
    }
    println!("{count} files: {same} the same, {refused} refused by ours");
}
