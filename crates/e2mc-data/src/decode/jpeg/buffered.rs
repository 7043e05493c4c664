//! JPEG files of several scans, sequential or progressive: all coefficients are collected, then
//! those blocks are transformed that a region needs.
//!
//! Progressive scans follow ITU-T T.81, Annex G. A scan of one component holds that component's own
//! blocks, row by row; a scan of several holds MCUs, filled up beyond the border.

use super::damage::{Damage, UNSOUND};
use super::frame::{Frame, Process};
use super::huffman::{Bits, Table};
use super::idct;
use super::plane::Plane;
use super::scan::{Compressed, Scan, ScanComponent};
use super::tables::{Tables, ZIGZAG};
use crate::vectorised::vectorised;

/// The most scans of a file. Each takes time with all blocks, however small it is; a picture needs
/// no more than a few for each component.
const MOST_SCANS: usize = 500;
/// Coefficients from the second on that must be there in full: where one is not, libjpeg invents a
/// smooth course between blocks instead.
const SMOOTHED: usize = 10;

/// Coefficients of all components; keeps its buffers.
#[derive(Default)]
pub(super) struct Buffered {
    components: [Coefficients; 4],
    scans: usize,
}

/// What is known of a component.
struct Coefficients {
    /// Blocks of 64, row by row, in natural order.
    values: Vec<[i16; 64]>,
    /// Blocks from one row to the next.
    stride: usize,
    /// Quantisation steps as they were at the component's first scan, in natural order.
    steps: Option<[u16; 64]>,
    /// For each coefficient, in zigzag order, how many of its lower bits are not known yet.
    missing: [u32; 64],
}

impl Default for Coefficients {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            stride: 0,
            steps: None,
            missing: [u32::MAX; 64],
        }
    }
}

impl Buffered {
    /// Starts a frame, of which nothing is known yet.
    pub(super) fn start(&mut self, frame: &Frame) {
        self.scans = 0;
        for (own, component) in self.components.iter_mut().zip(frame.components()) {
            let (across, down) = frame.blocks(component);
            // Fresh zeros cost nothing until they are touched.
            own.values = vec![[0; 64]; across * down];
            own.stride = across;
            own.steps = None;
            own.missing = [u32::MAX; 64];
        }
    }

    /// Reads a scan.
    ///
    /// # Errors
    /// A table is missing, the data is not sound, or there are too many scans.
    pub(super) fn read(
        &mut self,
        frame: &Frame,
        scan: &Scan,
        tables: &mut Tables,
        compressed: &Compressed,
    ) -> Result<(), Damage> {
        self.scans += 1;
        if self.scans > MOST_SCANS {
            return Err(format!("expected at most {MOST_SCANS} scans, found more").into());
        }
        let kind = Kind::of(frame, scan);
        for coded in scan.components() {
            let own = &mut self.components[coded.component];
            if own.steps.is_none() {
                let table = frame.components()[coded.component].quantisation;
                let steps = tables.steps(table)?;
                let mut natural = [0; 64];
                for (place, &step) in ZIGZAG.iter().zip(steps) {
                    natural[usize::from(*place)] = step;
                }
                own.steps = Some(natural);
            }
            kind.note(scan, &mut own.missing);
            if kind.uses_dc() {
                tables.check_dc(coded.dc)?;
                tables.dc[coded.dc].prepare_codes();
            }
            if kind.uses_ac() {
                tables.check_ac(coded.ac)?;
                tables.ac[coded.ac].prepare_codes();
            }
        }
        let sizes = self.mcu_sizes(frame, scan);
        let (across, down) = match scan.components() {
            [coded] => {
                let component = &frame.components()[coded.component];
                let blocks =
                    |length: usize, own: usize, all: usize| (length * own).div_ceil(8 * all);
                (
                    blocks(frame.width, component.h, frame.h),
                    blocks(frame.height, component.v, frame.v),
                )
            }
            _ => frame.mcus(),
        };
        let mut intervals = compressed.intervals((across * down).div_ceil(scan.restart))?;
        let mut state = State::default();
        let mut bits = intervals.next().ok_or(UNSOUND)?;
        let mut left = scan.restart;
        for row in 0..down {
            for column in 0..across {
                if left == 0 {
                    if !bits.is_sound() {
                        return Err(UNSOUND.into());
                    }
                    (bits, state, left) = (
                        intervals.next().ok_or(UNSOUND)?,
                        State::default(),
                        scan.restart,
                    );
                }
                left -= 1;
                let coded = scan
                    .components()
                    .iter()
                    .zip(&sizes)
                    .zip(&mut state.predictors);
                for ((coded, &(h, v)), predictor) in coded {
                    let own = &mut self.components[coded.component];
                    for vertical in 0..v {
                        for horizontal in 0..h {
                            let place = (row * v + vertical) * own.stride + column * h + horizontal;
                            let block = &mut own.values[place];
                            let run = &mut state.run;
                            kind.read_block(scan, coded, tables, &mut bits, block, predictor, run);
                        }
                    }
                }
            }
            if !bits.is_sound() {
                return Err(UNSOUND.into());
            }
        }
        Ok(())
    }

    /// Blocks of each of a scan's components in one of its MCUs.
    fn mcu_sizes(&self, frame: &Frame, scan: &Scan) -> [(usize, usize); 4] {
        let mut sizes = [(1, 1); 4];
        if let coded @ [_, _, ..] = scan.components() {
            for (size, coded) in sizes.iter_mut().zip(coded) {
                let component = &frame.components()[coded.component];
                *size = (component.h, component.v);
            }
        }
        sizes
    }

    /// Whether each component came, with all of its precision that matters.
    fn check(&self, frame: &Frame) -> Result<(), Damage> {
        let used = &self.components[..frame.components().len()];
        if used.iter().any(|own| own.missing[0] == u32::MAX) {
            return Err("the scans of a component are missing".into());
        }
        let whole = |own: &Coefficients| own.missing[1..SMOOTHED].iter().all(|&bits| bits == 0);
        if !used.iter().all(whole) {
            return Err("progressive scans are missing".into());
        }
        Ok(())
    }

    /// Transforms the blocks that are wanted into samples.
    ///
    /// # Errors
    /// Scans are missing.
    pub(super) fn finish(&mut self, frame: &Frame, planes: &mut [Plane; 4]) -> Result<(), Damage> {
        self.check(frame)?;
        let count = frame.components().len();
        for (own, plane) in self.components[..count].iter_mut().zip(planes) {
            let steps = own.steps.ok_or(UNSOUND)?;
            for row in plane.rows.0..plane.rows.1 {
                let blocks = &own.values[row * own.stride..][plane.columns.0..plane.columns.1];
                let stride = plane.stride;
                let out = &mut plane.samples[8 * (row * stride + plane.columns.0)..];
                transform(blocks, &steps, out, stride);
            }
            // Only ever needed for one file: a large one would stay for ever.
            own.values = Vec::new();
        }
        Ok(())
    }
}

vectorised! {
    /// Neighbouring blocks to samples.
    fn transform(blocks: &[[i16; 64]], steps: &[u16; 64], out: &mut [u8], stride: usize) {
        for (index, values) in blocks.iter().enumerate() {
            let out = &mut out[8 * index..];
            let mut block = [0; 64];
            for ((out, &value), &step) in block.iter_mut().zip(values).zip(steps) {
                *out = value.wrapping_mul(step as i16);
            }
            if block[1..].iter().all(|&value| value == 0) {
                idct::inverse_flat(block[0], out, stride);
            } else {
                idct::inverse(&block, out, stride);
            }
        }
    }
}

/// What is carried from block to block, up to a restart marker.
#[derive(Default)]
struct State {
    predictors: [i32; 4],
    /// Blocks to come that have nothing new in this band.
    run: u32,
}

/// How the blocks of a scan are coded.
#[derive(Clone, Copy)]
enum Kind {
    Sequential,
    FirstDc,
    RefinedDc,
    FirstAc,
    RefinedAc,
}

impl Kind {
    fn of(frame: &Frame, scan: &Scan) -> Self {
        match (frame.process, scan.first, scan.high) {
            (Process::Sequential, ..) => Self::Sequential,
            (Process::Progressive, 0, 0) => Self::FirstDc,
            (Process::Progressive, 0, _) => Self::RefinedDc,
            (Process::Progressive, _, 0) => Self::FirstAc,
            (Process::Progressive, ..) => Self::RefinedAc,
        }
    }

    fn uses_dc(self) -> bool {
        matches!(self, Self::Sequential | Self::FirstDc)
    }

    fn uses_ac(self) -> bool {
        !matches!(self, Self::FirstDc | Self::RefinedDc)
    }

    /// Notes which bits a scan brings.
    fn note(self, scan: &Scan, missing: &mut [u32; 64]) {
        match self {
            Self::Sequential => missing.fill(0),
            _ => missing[scan.first..=scan.last].fill(scan.low),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a block and what its bits mean")]
    fn read_block(
        self,
        scan: &Scan,
        coded: &ScanComponent,
        tables: &Tables,
        bits: &mut Bits<'_>,
        block: &mut [i16; 64],
        predictor: &mut i32,
        run: &mut u32,
    ) {
        let band = (scan.first, scan.last);
        match self {
            Self::Sequential => {
                let tables = (&tables.dc[coded.dc], &tables.ac[coded.ac]);
                read_sequential(tables, bits, block, predictor);
            }
            Self::FirstDc => {
                *predictor = predictor.wrapping_add(tables.dc[coded.dc].take(bits).1);
                block[0] = (*predictor << scan.low) as i16;
            }
            Self::RefinedDc => block[0] |= (bits.bits(1) << scan.low) as i16,
            Self::FirstAc => read_band(&tables.ac[coded.ac], bits, block, band, scan.low, run),
            Self::RefinedAc => refine_band(&tables.ac[coded.ac], bits, block, band, scan.low, run),
        }
    }
}

fn read_sequential(
    (dc, ac): (&Table, &Table),
    bits: &mut Bits<'_>,
    block: &mut [i16; 64],
    predictor: &mut i32,
) {
    // What an earlier scan of the component left stays where this one brings nothing.
    *predictor = predictor.wrapping_add(dc.take(bits).1);
    block[0] = *predictor as i16;
    let mut index = 1;
    while index < 64 {
        let (zeros, value) = ac.take(bits);
        index += zeros;
        if index > 63 {
            // As libjpeg takes it: see `sequential`.
            if value != 0 {
                block[63] = value as i16;
            }
            break;
        }
        block[usize::from(ZIGZAG[index])] = value as i16;
        index += 1;
    }
}

/// The first scan of a band of coefficients (G.1.2.2).
fn read_band(
    table: &Table,
    bits: &mut Bits<'_>,
    block: &mut [i16; 64],
    (first, last): (usize, usize),
    low: u32,
    run: &mut u32,
) {
    if *run > 0 {
        *run -= 1;
        return;
    }
    let mut index = first;
    while index <= last {
        let symbol = table.symbol(bits);
        let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 {
            if zeros < 15 {
                *run = end_of_band(bits, zeros as u32) - 1;
                return;
            }
            index += 16;
            continue;
        }
        index += zeros;
        let value = bits.value(size);
        let Some(place) = ZIGZAG.get(index) else {
            bits.mark_damaged();
            return;
        };
        block[usize::from(*place)] = (value << low) as i16;
        index += 1;
    }
}

/// How many blocks, this one included, have nothing more.
fn end_of_band(bits: &mut Bits<'_>, size: u32) -> u32 {
    (1 << size) + if size > 0 { bits.bits(size) } else { 0 }
}

/// A later scan of a band: one more bit for what is there, and what this bit makes appear
/// (G.1.2.3).
fn refine_band(
    table: &Table,
    bits: &mut Bits<'_>,
    block: &mut [i16; 64],
    (first, last): (usize, usize),
    low: u32,
    run: &mut u32,
) {
    let one = 1_i16 << low;
    let mut index = first;
    while *run == 0 && index <= last {
        let symbol = table.symbol(bits);
        let (mut zeros, size) = (usize::from(symbol >> 4), symbol & 15);
        let value = match (size, zeros) {
            (0, 15) => 0,
            (0, _) => {
                *run = end_of_band(bits, zeros as u32);
                break;
            }
            _ if bits.bits(1) == 1 => one,
            _ => -one,
        };
        // Over so many that stay zero; those between that are not get their bit.
        while index <= last {
            let known = &mut block[usize::from(ZIGZAG[index])];
            if *known != 0 {
                refine(known, bits, one);
            } else if zeros == 0 {
                break;
            } else {
                zeros -= 1;
            }
            index += 1;
        }
        if value != 0 {
            if index > last {
                bits.mark_damaged();
                return;
            }
            block[usize::from(ZIGZAG[index])] = value;
        }
        index += 1;
    }
    if *run > 0 {
        for place in &ZIGZAG[index.min(last + 1)..=last] {
            let known = &mut block[usize::from(*place)];
            if *known != 0 {
                refine(known, bits, one);
            }
        }
        *run -= 1;
    }
}

/// Takes the next bit of a coefficient whose higher bits are known.
fn refine(known: &mut i16, bits: &mut Bits<'_>, one: i16) {
    if bits.bits(1) == 1 && *known & one == 0 {
        *known = known.wrapping_add(if *known >= 0 { one } else { one.wrapping_neg() });
    }
}
