//! Huffman codes and the bits they are read from (ITU-T T.81, Annexes C and F).

/// Bits that are looked up at once. Most coefficients of a photograph, code and value together, are
/// no longer.
const LOOK: u32 = 11;
/// A run that leads out of a block: its end.
const END: u32 = 64;

/// The codes of one table.
pub(super) struct Table {
    /// What the next `LOOK` bits mean: bits 0-4 what to consume (0: the code is longer), bits 5-8
    /// how many bits of the value are still to come, bits 9-15 the zeros before the coefficient,
    /// bits 16-31 its value, if all of it was there.
    entries: Vec<u32>,
    /// What the next `LOOK` bits start with, for those who want the symbol alone: the code's length
    /// (0: it is longer) and the symbol. Empty until it is prepared.
    codes: Vec<(u8, u8)>,
    /// For each code length the highest code, left-aligned in 16 bits, plus one.
    ends: [u32; 17],
    /// For each code length what to add to a code for its symbol's index.
    offsets: [i32; 17],
    symbols: [u8; 256],
    /// The numbers of codes of each length: with the symbols, what the table was made from.
    counts: [u8; 16],
    used: usize,
    /// Whether symbols are of AC coefficients, with a run of zeros in their upper half.
    ac: bool,
}

impl Table {
    pub(super) fn empty() -> Self {
        Self {
            entries: Vec::new(),
            codes: Vec::new(),
            ends: [0; 17],
            offsets: [0; 17],
            symbols: [0; 256],
            counts: [0; 16],
            used: 0,
            ac: false,
        }
    }

    /// Takes on a table's definition; nothing is done if it is the present one, as it is in most
    /// files. `None` if the definition is not valid.
    pub(super) fn define(&mut self, counts: &[u8; 16], symbols: &[u8], ac: bool) -> Option<()> {
        let same = self.counts == *counts && self.symbols[..self.used] == *symbols && self.ac == ac;
        if same && !self.entries.is_empty() {
            return Some(());
        }
        // Not valid until all of it is.
        self.entries.clear();
        self.codes.clear();
        (self.counts, self.used, self.ac) = (*counts, symbols.len(), ac);
        self.symbols[..symbols.len()].copy_from_slice(symbols);
        let (mut code, mut index) = (0_u32, 0_usize);
        for length in 1..=16 {
            let count = usize::from(counts[length - 1]);
            self.offsets[length] = index as i32 - code as i32;
            index += count;
            code += count as u32;
            // No code may be all ones.
            if code >= 1 << length {
                return None;
            }
            self.ends[length] = code << (16 - length);
            code <<= 1;
        }
        let limit = if ac { 10 } else { 11 };
        let valid = |&symbol: &u8| {
            let size = symbol & 15;
            size <= limit && (ac || symbol < 16)
        };
        if index != symbols.len() || !symbols.iter().all(valid) {
            return None;
        }
        self.entries.reserve(1 << LOOK);
        for bits in 0..1_u32 << LOOK {
            let entry = match self.find(bits << (16 - LOOK), LOOK as usize) {
                Some((symbol, length)) => self.entry(symbol, length, bits),
                None => 0,
            };
            self.entries.push(entry);
        }
        Some(())
    }

    /// Makes ready for [`symbol`](Self::symbol).
    pub(super) fn prepare_codes(&mut self) {
        if self.codes.is_empty() {
            let code = |bits: u32| match self.find(bits << (16 - LOOK), LOOK as usize) {
                Some((symbol, length)) => (length as u8, symbol),
                None => (0, 0),
            };
            self.codes = (0..1 << LOOK).map(code).collect();
        }
    }

    /// Takes the next symbol, without a value. What is no code at all is noted.
    #[inline]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> u8 {
        bits.refill();
        let (length, symbol) = self.codes[(bits.buffer >> (64 - LOOK)) as usize];
        if length > 0 {
            bits.consume(u32::from(length));
            return symbol;
        }
        match self.find((bits.buffer >> 48) as u32, 16) {
            Some((symbol, length)) => {
                bits.consume(length);
                symbol
            }
            None => {
                bits.damaged = true;
                bits.consume(16);
                0
            }
        }
    }

    /// The symbol and the length of the code that 16 bits start with, if it is no longer than
    /// `most`.
    fn find(&self, bits: u32, most: usize) -> Option<(u8, u32)> {
        let length = (1..=most).find(|&length| bits < self.ends[length])?;
        let index = (bits >> (16 - length)) as i32 + self.offsets[length];
        Some((self.symbols[index as usize & 255], length as u32))
    }

    /// The entry of a symbol, with `LOOK` bits of which its code is the start.
    fn entry(&self, symbol: u8, length: u32, bits: u32) -> u32 {
        let size = u32::from(symbol & 15);
        let run = match (self.ac, symbol) {
            (false, _) => 0,
            // Sixteen zeros are fifteen and one.
            (true, 0xf0) => 15,
            (true, _) if size == 0 => END,
            (true, _) => u32::from(symbol >> 4),
        };
        if length + size > LOOK {
            return length | size << 5 | run << 9;
        }
        let value = bits >> (LOOK - length - size) & ((1 << size) - 1);
        (length + size) | run << 9 | (extend(value, size) as u32) << 16
    }

    /// Takes the next symbol and its value: the zeros before it, and the coefficient.
    #[inline(always)]
    pub(super) fn take(&self, bits: &mut Bits<'_>) -> (usize, i32) {
        bits.refill();
        let look = (bits.buffer >> (64 - LOOK)) as usize;
        let mut entry = self.entries[look & ((1 << LOOK) - 1)];
        if entry & 31 == 0 {
            entry = self.long_entry(bits);
        }
        bits.consume(entry & 31);
        let size = entry >> 5 & 15;
        let run = (entry >> 9 & 127) as usize;
        if size == 0 {
            return (run, entry as i32 >> 16);
        }
        let value = (bits.buffer >> (64 - size)) as u32;
        bits.consume(size);
        (run, extend(value, size))
    }

    /// Passes over the next symbol and its value; the zeros before it.
    #[inline(always)]
    pub(super) fn skip(&self, bits: &mut Bits<'_>) -> usize {
        bits.refill();
        let look = (bits.buffer >> (64 - LOOK)) as usize;
        let mut entry = self.entries[look & ((1 << LOOK) - 1)];
        if entry & 31 == 0 {
            entry = self.long_entry(bits);
        }
        bits.consume((entry & 31) + (entry >> 5 & 15));
        (entry >> 9 & 127) as usize
    }

    /// The entry of a code that is longer than what is looked up, without a value. What is no code
    /// at all ends the block and is noted.
    #[cold]
    fn long_entry(&self, bits: &mut Bits<'_>) -> u32 {
        match self.find((bits.buffer >> 48) as u32, 16) {
            // No value fits beside a code this long, so none of the bits matter.
            Some((symbol, length)) if length > LOOK => {
                let size = u32::from(symbol & 15);
                let run = match (self.ac, symbol) {
                    (false, _) => 0,
                    (true, 0xf0) => 15,
                    (true, _) if size == 0 => END,
                    (true, _) => u32::from(symbol >> 4),
                };
                length | size << 5 | run << 9
            }
            _ => {
                bits.damaged = true;
                16 | END << 9
            }
        }
    }
}

/// A value of `size` bits, whose lower half stands for negative numbers.
#[inline(always)]
fn extend(value: u32, size: u32) -> i32 {
    let value = value as i32;
    if size > 0 && value >> (size - 1) == 0 {
        value - (1 << size) + 1
    } else {
        value
    }
}

/// Bits of an entropy-coded segment, most significant first; zeros follow its end.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, aligned to the left.
    buffer: u64,
    /// How many of them there are.
    count: u32,
    /// A code was met that is none.
    damaged: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            at: 0,
            buffer: 0,
            count: 0,
            damaged: false,
        }
    }

    /// Makes sure that there are 32 bits: more than the longest code with its value.
    #[inline(always)]
    fn refill(&mut self) {
        if self.count >= 32 {
            return;
        }
        let word = match self.data.get(self.at..self.at + 8) {
            Some(bytes) => u64::from_be_bytes(bytes.try_into().expect("eight bytes")),
            None => self.last_word(),
        };
        self.buffer |= word >> self.count;
        self.at += (63 - self.count as usize) >> 3;
        self.count |= 56;
    }

    #[cold]
    fn last_word(&self) -> u64 {
        let mut bytes = [0; 8];
        let rest = self.data.get(self.at..).unwrap_or_default();
        for (byte, &found) in bytes.iter_mut().zip(rest) {
            *byte = found;
        }
        u64::from_be_bytes(bytes)
    }

    #[inline(always)]
    fn consume(&mut self, count: u32) {
        self.buffer <<= count;
        self.count -= count;
    }

    /// Takes 1 to 16 bits.
    #[inline]
    pub(super) fn bits(&mut self, count: u32) -> u32 {
        self.refill();
        let bits = (self.buffer >> (64 - count)) as u32;
        self.consume(count);
        bits
    }

    /// Takes a value of 1 to 16 bits.
    #[inline]
    pub(super) fn value(&mut self, size: u32) -> i32 {
        extend(self.bits(size), size)
    }

    /// Notes that what was taken makes no sense.
    pub(super) fn mark_damaged(&mut self) {
        self.damaged = true;
    }

    /// Whether all that was taken was there, and made sense.
    pub(super) fn is_sound(&self) -> bool {
        8 * self.at <= 8 * self.data.len() + self.count as usize && !self.damaged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_sign_in_the_first_bit() {
        let values = |size| -> Vec<i32> { (0..1_u32 << size).map(|v| extend(v, size)).collect() };
        assert_eq!(values(0), [0]);
        assert_eq!(values(1), [-1, 1]);
        assert_eq!(values(3), [-7, -6, -5, -4, 4, 5, 6, 7]);
    }

    #[test]
    fn short_and_long_codes_are_read() {
        // 0: end of block; 10: run 1, size 2; then all ones but the last: run 0, size 1 (16 bits).
        let mut counts = [0; 16];
        (counts[0], counts[1], counts[15]) = (1, 1, 1);
        let mut table = Table::empty();
        table.define(&counts, &[0x00, 0x12, 0x01], true).unwrap();
        // 10 11 | 10 00 | 1100000000000000 1 | 0
        let data = [0b1011_1000, 0b1100_0000, 0b0000_0000, 0b1000_0000];
        let mut bits = Bits::new(&data);
        assert_eq!(table.take(&mut bits), (1, 3));
        assert_eq!(table.take(&mut bits), (1, -3));
        assert_eq!(table.take(&mut bits), (0, 1));
        assert_eq!(table.take(&mut bits), (64, 0));
        assert!(bits.is_sound());
        let mut bits = Bits::new(&data);
        let runs: Vec<_> = (0..4).map(|_| table.skip(&mut bits)).collect();
        assert_eq!(runs, [1, 1, 0, 64]);
        // What is no code is noted.
        let mut bits = Bits::new(&[0xff; 4]);
        assert_eq!(table.take(&mut bits), (64, 0));
        assert!(!bits.is_sound());
        // So is reading beyond the end.
        let mut bits = Bits::new(&[0b1011_1011]);
        assert_eq!(table.take(&mut bits), (1, 3));
        assert_eq!(table.take(&mut bits), (1, 3));
        assert!(bits.is_sound());
        table.take(&mut bits);
        assert!(!bits.is_sound());
    }

    #[test]
    fn impossible_tables_are_refused() {
        let mut table = Table::empty();
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(table.define(&counts, &[0, 1, 2], true).is_none());
        // The second code would be all ones.
        counts[0] = 2;
        assert!(table.define(&counts, &[0, 11], false).is_none());
        (counts[0], counts[1]) = (1, 1);
        assert!(table.define(&counts, &[0], true).is_none());
        assert!(table.define(&counts, &[0, 0x0f], true).is_none());
        assert!(table.define(&counts, &[0, 12], false).is_none());
        assert!(table.entries.is_empty());
        assert!(table.define(&counts, &[0, 11], false).is_some());
    }
}
