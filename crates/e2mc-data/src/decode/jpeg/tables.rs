//! The tables of a JPEG file: quantisation steps and Huffman codes (ITU-T T.81, B.2.4).

use super::damage::Damage;
use super::huffman::Table;

/// Where in a block the coefficients stand, in the order in which they are stored.
#[rustfmt::skip]
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The tables of a file; their codes stay for the next one, which mostly has the same.
pub(super) struct Tables {
    /// In zigzag order.
    pub(super) quantisation: [[u16; 64]; 4],
    pub(super) dc: [Table; 4],
    pub(super) ac: [Table; 4],
    defined: Defined,
}

/// Which tables the present file has defined: those of the file before must not be used for it.
#[derive(Default)]
struct Defined {
    quantisation: [bool; 4],
    dc: [bool; 4],
    ac: [bool; 4],
}

impl Tables {
    pub(super) fn new() -> Self {
        Self {
            quantisation: [[0; 64]; 4],
            dc: std::array::from_fn(|_| Table::empty()),
            ac: std::array::from_fn(|_| Table::empty()),
            defined: Defined::default(),
        }
    }

    /// A new file: nothing is defined.
    pub(super) fn clear(&mut self) {
        self.defined = Defined::default();
    }

    /// A component's steps, in zigzag order.
    pub(super) fn steps(&self, index: usize) -> Result<&[u16; 64], Damage> {
        if !self.defined.quantisation[index] {
            return Err(format!("quantisation table {index} is missing").into());
        }
        Ok(&self.quantisation[index])
    }

    /// Checks that a Huffman table for first coefficients is there, and sound.
    pub(super) fn check_dc(&self, index: usize) -> Result<(), Damage> {
        check("DC", index, self.defined.dc[index])
    }

    /// The same for the other coefficients.
    pub(super) fn check_ac(&self, index: usize) -> Result<(), Damage> {
        check("AC", index, self.defined.ac[index])
    }

    /// Takes what a segment defines. Codes that make no sense count as not defined: only a scan
    /// that uses them is damaged.
    pub(super) fn read_huffman(&mut self, mut segment: &[u8]) -> Result<(), Damage> {
        while let Some((&head, rest)) = segment.split_first() {
            let cut = || Damage::from("a Huffman table breaks off");
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(cut)?;
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            if total > 256 {
                return Err(format!("expected at most 256 Huffman codes, found {total}").into());
            }
            let (symbols, rest) = rest.split_at_checked(total).ok_or_else(cut)?;
            let (ac, index) = (head >> 4 == 1, usize::from(head & 15));
            if head >> 4 > 1 || index > 3 {
                return Err(format!("impossible Huffman table {head:#04x}").into());
            }
            let (table, defined) = if ac {
                (&mut self.ac, &mut self.defined.ac)
            } else {
                (&mut self.dc, &mut self.defined.dc)
            };
            defined[index] = table[index].define(counts, symbols, ac).is_some();
            segment = rest;
        }
        Ok(())
    }

    /// Takes what a segment defines.
    pub(super) fn read_quantisation(&mut self, mut segment: &[u8]) -> Result<(), Damage> {
        while let Some((&head, rest)) = segment.split_first() {
            let (wide, index) = (usize::from(head >> 4), usize::from(head & 15));
            if wide > 1 || index > 3 {
                return Err(format!("impossible quantisation table {head:#04x}").into());
            }
            let size = 64 * (1 + wide);
            let (values, rest) = rest
                .split_at_checked(size)
                .ok_or("a quantisation table breaks off")?;
            let values = values.chunks_exact(1 + wide);
            for (out, bytes) in self.quantisation[index].iter_mut().zip(values) {
                *out = bytes
                    .iter()
                    .fold(0, |value, &byte| value << 8 | u16::from(byte));
            }
            self.defined.quantisation[index] = true;
            segment = rest;
        }
        Ok(())
    }
}

fn check(kind: &str, index: usize, defined: bool) -> Result<(), Damage> {
    if !defined {
        return Err(format!("{kind} Huffman table {index} is missing or makes no sense").into());
    }
    Ok(())
}
