//! Eight columns sorted side by side, each key with the row that it came from.
//!
//! A sorting network compares the same positions whatever the data, so eight columns go through it
//! in the eight lanes of one vector: nothing is transposed and no branch depends on a value. Runs
//! of sixteen are sorted in registers (Batcher's odd-even network), then merged bitonically
//! (Batcher 1968), four steps a pass over memory. Every comparator puts the smaller key first, so
//! rows missing from the end of a block act as infinite keys that never move, and any number of
//! rows will do.
//!
//! A key is a float64 whose high half is the float32 value and whose low half is the row: keys are
//! all different, sort by value and then by row (rising for positive values, falling for negative
//! ones), and are ordered by the floating-point minimum that every instruction set has. Cost: about
//! `log2(n)^2 / 2` minima and maxima per row of eight.

use e2mc_base::simd::Simd;

/// Columns that are sorted side by side.
pub(crate) const LANES: usize = 8;

/// One row of keys, on its own cache line: the bits of eight float64, or what [`unpack`] makes of
/// them.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Keys([u32; 2 * LANES]);

impl Keys {
    /// The value of each lane, once unpacked.
    #[inline(always)]
    pub(crate) fn values(&self) -> [f32; LANES] {
        let mut values = [0.0; LANES];
        for lane in 0..LANES {
            values[lane] = f32::from_bits(self.0[lane]);
        }
        values
    }

    /// Replaces the value of each lane, once unpacked.
    #[inline(always)]
    pub(crate) fn set_values(&mut self, values: [f32; LANES]) {
        for lane in 0..LANES {
            self.0[lane] = values[lane].to_bits();
        }
    }

    /// The row that each lane's value came from, once unpacked.
    #[inline(always)]
    pub(crate) fn rows(&self) -> &[u32] {
        &self.0[LANES..]
    }
}

/// Added to the high half's magnitude, so that no key is subnormal whatever the value: some
/// programs make the processor treat subnormal numbers as zero.
const OFFSET: u32 = 1 << 20;

/// Turns `values`, which are at most 1 in magnitude, into keys of row `row`.
#[inline(always)]
pub(crate) fn pack<S: Simd>(simd: S, values: &[f32], row: u32, keys: &mut Keys) {
    let mut high = [0; LANES];
    for lane in 0..LANES {
        high[lane] = values[lane].to_bits() + OFFSET;
    }
    simd.store_f64(simd.join(&high, row), &mut keys.0);
}

/// Turns keys back into values and rows.
#[inline(always)]
pub(crate) fn unpack<S: Simd>(simd: S, keys: &mut Keys) {
    let mut words = [0; 2 * LANES];
    simd.split(simd.load_f64(&keys.0), &mut words);
    for lane in 0..LANES {
        words[lane] -= OFFSET;
    }
    keys.0 = words;
}

/// Rows that are sorted in registers.
const RUN: usize = 16;

/// Sorts each lane of `rows` in ascending order.
#[inline(always)]
pub(crate) fn sort<S: Simd>(simd: S, rows: &mut [Keys]) {
    let runs = rows.len().div_ceil(RUN);
    // Merge a block as soon as both halves are sorted, while they are in the cache.
    for run in 0..runs {
        let start = RUN * run;
        let end = rows.len().min(start + RUN);
        match <&mut [Keys; RUN]>::try_from(&mut rows[start..end]) {
            Ok(run) => sort_run(simd, run),
            Err(_) => {
                let mut run = padded(simd, &rows[start..end]);
                sort_run(simd, &mut run);
                rows[start..end].copy_from_slice(&run[..end - start]);
            }
        }
        let (mut block, mut half) = (run, RUN);
        while block % 2 == 1 || (end == rows.len() && half < end) {
            if block % 2 == 1 {
                merge(simd, &mut rows[(block - 1) * half..end], half);
            }
            block /= 2;
            half *= 2;
        }
    }
}

/// Merges `rows[..half]` and `rows[half..]`, both sorted; `half` is a power of two from 16 up.
#[inline(always)]
fn merge<S: Simd>(simd: S, rows: &mut [Keys], half: usize) {
    let size = if rows.len() == 2 * half {
        match half {
            16 => mirror::<S, 1>(simd, rows, half),
            32 => mirror::<S, 2>(simd, rows, half),
            64 => mirror::<S, 4>(simd, rows, half),
            _ => mirror::<S, 8>(simd, rows, half),
        }
    } else {
        for high in half..rows.len() {
            exchange_rows(simd, rows, 2 * half - 1 - high, high);
        }
        half
    };
    for rows in rows.chunks_mut(size) {
        finish(simd, rows, size);
    }
}

/// Compares each row of the lower half with its mirror image in the upper half, which leaves two
/// bitonic halves, then halves each of them `log2(PARTS)` times. Returns the size of the blocks
/// left to sort.
#[inline(always)]
fn mirror<S: Simd, const PARTS: usize>(simd: S, rows: &mut [Keys], half: usize) -> usize {
    let stride = half / PARTS;
    for i in 0..stride {
        // In the mirrored half, higher parts lie at lower rows.
        let first = half + stride - 1 - i;
        let mut low = [simd.splat_f64(0.0); PARTS];
        let mut high = low;
        for part in 0..PARTS {
            low[part] = simd.load_f64(&rows[i + part * stride].0);
            high[part] = simd.load_f64(&rows[first + part * stride].0);
        }
        for part in 0..PARTS {
            exchange(simd, &mut low[part], &mut high[PARTS - 1 - part]);
        }
        bitonic(simd, &mut low);
        bitonic(simd, &mut high);
        for part in 0..PARTS {
            simd.store_f64(low[part], &mut rows[i + part * stride].0);
            simd.store_f64(high[part], &mut rows[first + part * stride].0);
        }
    }
    stride
}

/// Sorts a bitonic block of `size` rows, a power of two from 16 up, whose last rows may be missing.
#[inline(always)]
fn finish<S: Simd>(simd: S, mut rows: &mut [Keys], mut size: usize) {
    while !rows.is_empty() {
        while rows.len() < size && size > RUN {
            size /= 2;
            for high in size..rows.len() {
                exchange_rows(simd, rows, high - size, high);
            }
        }
        if rows.len() < RUN {
            let mut run = padded(simd, rows);
            finish_run(simd, &mut run);
            rows.copy_from_slice(&run[..rows.len()]);
            return;
        }
        let (whole, rest) = rows.split_at_mut(size);
        finish_whole(simd, whole);
        rows = rest;
    }
}

/// Sorts a bitonic block of which no row is missing.
#[inline(always)]
fn finish_whole<S: Simd>(simd: S, rows: &mut [Keys]) {
    let mut size = rows.len();
    while size > RUN {
        size = match size {
            32 => halve::<S, 2>(simd, rows, size),
            64 => halve::<S, 4>(simd, rows, size),
            128 => halve::<S, 8>(simd, rows, size),
            _ => halve::<S, 16>(simd, rows, size),
        };
    }
    for run in rows.as_chunks_mut().0 {
        finish_run(simd, run);
    }
}

/// Halves each bitonic block of `size` rows `log2(PARTS)` times. Returns the size of the blocks
/// left.
#[inline(always)]
fn halve<S: Simd, const PARTS: usize>(simd: S, rows: &mut [Keys], size: usize) -> usize {
    let stride = size / PARTS;
    for block in rows.chunks_exact_mut(size) {
        for i in 0..stride {
            let mut keys = [simd.splat_f64(0.0); PARTS];
            for part in 0..PARTS {
                keys[part] = simd.load_f64(&block[i + part * stride].0);
            }
            bitonic(simd, &mut keys);
            for part in 0..PARTS {
                simd.store_f64(keys[part], &mut block[i + part * stride].0);
            }
        }
    }
    stride
}

/// Sorts a bitonic run.
#[inline(always)]
fn finish_run<S: Simd>(simd: S, rows: &mut [Keys; RUN]) {
    let mut keys = [simd.splat_f64(0.0); RUN];
    for i in 0..RUN {
        keys[i] = simd.load_f64(&rows[i].0);
    }
    bitonic(simd, &mut keys);
    for i in 0..RUN {
        simd.store_f64(keys[i], &mut rows[i].0);
    }
}

/// Sorts a bitonic sequence, whose length is a power of two up to 16, in registers.
#[inline(always)]
fn bitonic<S: Simd, const N: usize>(simd: S, keys: &mut [S::F64; N]) {
    if N >= 16 {
        bitonic_step::<S, N, 8>(simd, keys);
    }
    if N >= 8 {
        bitonic_step::<S, N, 4>(simd, keys);
    }
    if N >= 4 {
        bitonic_step::<S, N, 2>(simd, keys);
    }
    if N >= 2 {
        bitonic_step::<S, N, 1>(simd, keys);
    }
}

#[inline(always)]
fn bitonic_step<S: Simd, const N: usize, const D: usize>(simd: S, keys: &mut [S::F64; N]) {
    for i in 0..N / 2 {
        let i = i / D * (2 * D) + i % D;
        let (low, high) = keys.split_at_mut(i + 1);
        exchange(simd, &mut low[i], &mut high[D - 1]);
    }
}

/// Sorts a run.
#[inline(always)]
fn sort_run<S: Simd>(simd: S, rows: &mut [Keys; RUN]) {
    let mut keys = [simd.splat_f64(0.0); RUN];
    for i in 0..RUN {
        keys[i] = simd.load_f64(&rows[i].0);
    }
    macro_rules! network {
        ($($i:literal $j:literal),* $(,)?) => {
            $({
                let (low, high) = keys.split_at_mut($j);
                exchange(simd, &mut low[$i], &mut high[0]);
            })*
        };
    }
    // Odd-even merges of runs of 1, 2, 4 and 8.
    network![
        0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15,
        0 2, 1 3, 4 6, 5 7, 8 10, 9 11, 12 14, 13 15,
        1 2, 5 6, 9 10, 13 14,
        0 4, 1 5, 2 6, 3 7, 8 12, 9 13, 10 14, 11 15,
        2 4, 3 5, 10 12, 11 13,
        1 2, 3 4, 5 6, 9 10, 11 12, 13 14,
        0 8, 1 9, 2 10, 3 11, 4 12, 5 13, 6 14, 7 15,
        4 8, 5 9, 6 10, 7 11,
        2 4, 3 5, 6 8, 7 9, 10 12, 11 13,
        1 2, 3 4, 5 6, 7 8, 9 10, 11 12, 13 14,
    ];
    for i in 0..RUN {
        simd.store_f64(keys[i], &mut rows[i].0);
    }
}

#[inline(always)]
fn exchange<S: Simd>(simd: S, low: &mut S::F64, high: &mut S::F64) {
    (*low, *high) = (simd.min(*low, *high), simd.max(*low, *high));
}

#[inline(always)]
fn exchange_rows<S: Simd>(simd: S, rows: &mut [Keys], low: usize, high: usize) {
    let (a, b) = (simd.load_f64(&rows[low].0), simd.load_f64(&rows[high].0));
    simd.store_f64(simd.min(a, b), &mut rows[low].0);
    simd.store_f64(simd.max(a, b), &mut rows[high].0);
}

/// A run whose missing rows hold keys above all others.
#[inline(always)]
fn padded<S: Simd>(simd: S, rows: &[Keys]) -> [Keys; RUN] {
    let mut above = Keys::default();
    pack(simd, &[2.0; LANES], u32::MAX, &mut above);
    let mut run = [above; RUN];
    run[..rows.len()].copy_from_slice(rows);
    run
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::normal;
    use e2mc_base::simd::{Kernel, Level};

    struct Sort<'a>(&'a [Vec<f32>]);

    impl Kernel for Sort<'_> {
        type Output = Vec<Keys>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<Keys> {
            let mut keys = vec![Keys::default(); self.0.len()];
            for (row, (keys, values)) in keys.iter_mut().zip(self.0).enumerate() {
                pack(simd, values, row as u32, keys);
            }
            sort(simd, &mut keys);
            for keys in &mut keys {
                unpack(simd, keys);
            }
            keys
        }
    }

    /// Against the standard library's sort: by value, then by row, from the last where the value is
    /// negative.
    #[track_caller]
    fn check(rows: &[Vec<f32>]) {
        for &level in Level::available() {
            let sorted = level.run(Sort(rows));
            for lane in 0..LANES {
                let mut expected: Vec<usize> = (0..rows.len()).collect();
                expected.sort_by(|&a, &b| {
                    let (x, y) = (rows[a][lane], rows[b][lane]);
                    let rows = if x.is_sign_negative() {
                        b.cmp(&a)
                    } else {
                        a.cmp(&b)
                    };
                    x.total_cmp(&y).then(rows)
                });
                for (keys, row) in sorted.iter().zip(expected) {
                    assert_eq!(keys.rows()[lane] as usize, row, "{} rows", rows.len());
                    assert_eq!(keys.values()[lane].to_bits(), rows[row][lane].to_bits());
                }
            }
        }
    }

    #[test]
    fn any_number_of_rows_is_sorted() {
        for count in (1..150).chain([255, 256, 257, 511, 512, 513, 1000, 2048, 2100]) {
            let values = normal(count as u64, count * LANES);
            let rows = values
                .chunks(LANES)
                .map(|row| row.iter().map(|v| v / 7.0).collect());
            check(&rows.collect::<Vec<_>>());
        }
    }

    #[test]
    fn equal_values_have_a_fixed_order() {
        for count in [2, 16, 31, 64, 200, 777] {
            let value = |row: usize, lane: usize| match lane {
                0 => 0.25,
                1 => (row % 3) as f32 * 0.5 - 0.5,
                2 => -(row as f32) / 1000.0,
                3 => f32::from_bits(row as u32 % 5),
                _ => (row * lane % 7) as f32 / 7.0,
            };
            let row = |row| (0..LANES).map(|lane| value(row, lane)).collect();
            check(&(0..count).map(row).collect::<Vec<_>>());
        }
    }
}
