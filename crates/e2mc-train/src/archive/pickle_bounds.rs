//! How much a pickle may ask for, counted before anything is made from it.
//!
//! A pickle is a program for a stack machine: one byte can be a value of a hundred bytes in memory.
//! This walks over a pickle's operations without carrying them out, to their end, and refuses one
//! with more of them than any checkpoint needs. The lengths of the operations are those of
//! Python's `pickletools`.

use std::io::{self, BufRead, Read};

use super::problem::Problem;
use crate::advice::Advice;

/// Bytes of a file's pickles. A ResNet-50 with its optimiser has 0.1 MB.
pub(super) const MAX_BYTES: u64 = 32 << 20;
/// Operations of a file's pickles. A ResNet-50 with its optimiser has 20 thousand.
const MAX_OPERATIONS: u64 = 2_000_000;

/// What a file's pickles have left.
pub(super) struct Budget {
    operations: u64,
    bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            operations: MAX_OPERATIONS,
            bytes: MAX_BYTES,
        }
    }
}

/// What follows an operation's byte.
enum Argument {
    /// So many bytes.
    Fixed(u64),
    /// A length of so many bytes, then that many.
    Counted(usize),
    /// So many lines of text.
    Lines(usize),
}

/// The argument of an operation; `None` where there is no such operation.
fn argument(operation: u8) -> Option<Argument> {
    use Argument::{Counted, Fixed, Lines};
    Some(match operation {
        b'(' | b'.' | b'0' | b'1' | b'2' | b'N' | b'R' | b'b' | b'd' | b'l' | b't' | b's'
        | b'a' | b')' | b']' | b'}' | b'e' | b'u' | b'o' | b'Q' => Fixed(0),
        0x81 | 0x85..=0x89 | 0x8f..=0x94 | 0x97 | 0x98 => Fixed(0),
        b'K' | b'h' | b'q' | 0x80 | 0x82 => Fixed(1),
        b'M' | 0x83 => Fixed(2),
        b'J' | b'j' | b'r' | 0x84 => Fixed(4),
        b'G' | 0x95 => Fixed(8),
        b'U' | b'C' | 0x8a | 0x8c => Counted(1),
        b'T' | b'X' | b'B' | 0x8b => Counted(4),
        0x8d | 0x8e | 0x96 => Counted(8),
        b'I' | b'L' | b'F' | b'V' | b'g' | b'p' | b'P' | b'S' => Lines(1),
        b'c' | b'i' => Lines(2),
        _ => return None,
    })
}

impl Budget {
    /// Walks over one pickle, leaving `reader` behind its end.
    pub(super) fn pickle(&mut self, reader: &mut impl BufRead) -> Result<(), Problem> {
        loop {
            self.operations = self.operations.checked_sub(1).ok_or_else(|| {
                exceeded(format!(
                    "at most {MAX_OPERATIONS} values beside the tensors"
                ))
            })?;
            let operation = self.byte(reader)?;
            match argument(operation) {
                None => {
                    return Err(Problem::again(
                        "a pickle",
                        format!("the byte {operation:#04x} where an operation should be"),
                    ));
                }
                Some(Argument::Fixed(bytes)) => self.skip(reader, bytes)?,
                Some(Argument::Counted(width)) => {
                    let mut length = [0; 8];
                    for byte in &mut length[..width] {
                        *byte = self.byte(reader)?;
                    }
                    self.skip(reader, u64::from_le_bytes(length))?;
                }
                Some(Argument::Lines(lines)) => {
                    for _ in 0..lines {
                        while self.byte(reader)? != b'\n' {}
                    }
                }
            }
            if operation == b'.' {
                return Ok(());
            }
        }
    }

    fn byte(&mut self, reader: &mut impl BufRead) -> Result<u8, Problem> {
        self.spend(1)?;
        let mut byte = [0];
        reader.read_exact(&mut byte).map_err(cut)?;
        Ok(byte[0])
    }

    fn skip(&mut self, reader: &mut impl BufRead, bytes: u64) -> Result<(), Problem> {
        self.spend(bytes)?;
        let skipped = io::copy(&mut reader.take(bytes), &mut io::sink()).map_err(cut)?;
        if skipped < bytes {
            return Err(cut(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }

    fn spend(&mut self, bytes: u64) -> Result<(), Problem> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
            exceeded(format!(
                "at most {MAX_BYTES} bytes that describe the tensors"
            ))
        })?;
        Ok(())
    }
}

fn exceeded(expected: String) -> Problem {
    Problem {
        expected,
        found: "more".into(),
        advice: Advice::words("save the model's state_dict alone with torch.save"),
    }
}

fn cut(error: io::Error) -> Problem {
    Problem::again(
        "a whole PyTorch file",
        format!("a pickle that ends early ({error})"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(pickle: &[u8]) -> Result<usize, Problem> {
        let mut rest = pickle;
        Budget::default().pickle(&mut rest)?;
        Ok(pickle.len() - rest.len())
    }

    #[test]
    fn a_pickle_is_walked_to_its_end_and_no_further() {
        // pickle.dumps({'a': [1, 300, 70000, 1.5, None, b'x']}, protocol=2), then another byte.
        let pickle = b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01]q\x02(K\x01M,\x01Jp\x11\x01\x00G?\xf8\x00\
            \x00\x00\x00\x00\x00Nc_codecs\nencode\nq\x03X\x01\x00\x00\x00xq\x04X\x06\x00\x00\x00latin1q\
            \x05\x86q\x06Rq\x07es.!";
        assert_eq!(walk(pickle).unwrap(), pickle.len() - 1);
        for end in 0..pickle.len() - 1 {
            let problem = walk(&pickle[..end]).unwrap_err();
            assert!(problem.found.contains("ends early"), "{problem:?}");
        }
    }

    #[test]
    fn what_no_checkpoint_needs_is_refused() {
        let many = vec![b'N'; MAX_OPERATIONS as usize + 1];
        assert!(
            walk(&many)
                .unwrap_err()
                .expected
                .contains("at most 2000000 values")
        );
        let long = b"X\xff\xff\xff\xff";
        assert!(
            walk(long)
                .unwrap_err()
                .expected
                .contains("at most 33554432 bytes")
        );
        let longer = b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff";
        assert!(walk(longer).unwrap_err().expected.contains("bytes"));
        assert!(walk(b"\xff").unwrap_err().found.contains("0xff"));
    }
}
