//! The common kind of JPEG file, decoded to the pixels that libjpeg (and so Pillow) gives, and only as
//! far as a region needs.
//!
//! The bits of blocks outside the region are read over, their pixels never computed; what lies
//! below it is not read at all. Everything else, and all that looks damaged, is left to the general
//! decoder. Cost: one pass over the compressed bytes, then about two instructions a pixel.

use super::header::{Component, Frame, Tables};
use super::huffman::Bits;
use super::idct;
use super::upsample::Rows;
use crate::Image;
use crate::augment::crop::Region;
use crate::vectorised::vectorised;

/// Where in a block the coefficients stand, in the order in which they are stored.
#[rustfmt::skip]
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Decodes plain files; keeps its tables and buffers.
pub(super) struct Baseline {
    tables: Tables,
    /// The compressed data without stuffing and markers.
    clean: Vec<u8>,
    /// The parts of it between restart markers.
    parts: Vec<(usize, usize)>,
    planes: [Plane; 3],
    rows: Rows,
}

/// The samples of a component, in whole blocks, and which of the blocks are wanted.
#[derive(Default)]
pub(super) struct Plane {
    pub(super) samples: Vec<u8>,
    /// Samples from one row to the next.
    pub(super) stride: usize,
    /// Size without the filling of the last blocks.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Columns and rows of blocks that are wanted: from, to.
    columns: (usize, usize),
    rows: (usize, usize),
}

impl Plane {
    /// Prepares for a component of a frame whose largest sampling factors are `h` and `v`.
    fn prepare(&mut self, frame: &Frame, part: &Component, h: usize, v: usize, region: Region) {
        let mcus = |length: usize, factor: usize| length.div_ceil(8 * factor);
        self.stride = mcus(frame.width, h) * part.h * 8;
        self.width = (frame.width * part.h).div_ceil(h);
        self.height = (frame.height * part.v).div_ceil(v);
        let size = self.stride * mcus(frame.height, v) * part.v * 8;
        if self.samples.len() < size {
            self.samples.resize(size, 0);
        }
        // Samples between which the region is interpolated lie up to one beyond it.
        let blocks = |start: usize, length: usize, own: usize, full: usize, all: usize| {
            let (first, last) = (start * own / full, (start + length - 1) * own / full);
            let margin = usize::from(own < full);
            let last = (last + margin).min(all - 1);
            (first.saturating_sub(margin) / 8, last / 8 + 1)
        };
        self.columns = blocks(region.left, region.width, part.h, h, self.width);
        self.rows = blocks(region.top, region.height, part.v, v, self.height);
    }

    fn wants(&self, column: usize, row: usize) -> bool {
        (self.columns.0..self.columns.1).contains(&column)
            && (self.rows.0..self.rows.1).contains(&row)
    }
}

impl Baseline {
    pub(super) fn new() -> Self {
        Self {
            tables: Tables::new(),
            clean: Vec::new(),
            parts: Vec::new(),
            planes: Default::default(),
            rows: Rows::default(),
        }
    }

    /// The frame of a file that can be decoded here.
    pub(super) fn frame(&mut self, bytes: &[u8]) -> Option<Frame> {
        Frame::read(bytes, &mut self.tables)
    }

    /// Decodes a region of the frame that was read last; the other pixels of `image` are
    /// unspecified. `None` if the data is not sound.
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        frame: &Frame,
        region: Region,
        image: &mut Image,
    ) -> Option<()> {
        let components = frame.components();
        self.clean(&bytes[frame.scan..]);
        let h = components.iter().map(|part| part.h).max()?;
        let v = components.iter().map(|part| part.v).max()?;
        for (plane, part) in self.planes.iter_mut().zip(components) {
            plane.prepare(frame, part, h, v, region);
        }
        self.scan(frame, h, v)?;
        image.reshape(frame.width, frame.height, components.len());
        self.rows
            .write(&self.planes[..components.len()], h, v, region, image);
        Some(())
    }

    /// Takes the stuffing out of the compressed data and notes its parts.
    fn clean(&mut self, mut data: &[u8]) {
        self.clean.clear();
        self.parts.clear();
        let mut start = 0;
        loop {
            let end = memchr::memchr(0xff, data).unwrap_or(data.len());
            self.clean.extend_from_slice(&data[..end]);
            match data[end..] {
                [0xff, 0, ..] => {
                    self.clean.push(0xff);
                    data = &data[end + 2..];
                }
                // Fill bytes before a marker.
                [0xff, 0xff, ..] => data = &data[end + 1..],
                [0xff, 0xd0..=0xd7, ..] => {
                    self.parts.push((start, self.clean.len()));
                    start = self.clean.len();
                    data = &data[end + 2..];
                }
                _ => break,
            }
        }
        self.parts.push((start, self.clean.len()));
    }

    /// Reads the blocks and transforms those that are wanted.
    fn scan(&mut self, frame: &Frame, h: usize, v: usize) -> Option<()> {
        let across = frame.width.div_ceil(8 * h);
        let components = frame.components();
        // The last row of MCUs with anything that is wanted.
        let planes = self.planes.iter().zip(components);
        let down = planes
            .map(|(plane, part)| plane.rows.1.div_ceil(part.v))
            .max()?;
        let restart = if frame.restart > 0 {
            frame.restart
        } else {
            usize::MAX
        };
        let all = across * frame.height.div_ceil(8 * v);
        if self.parts.len() != all.div_ceil(restart) {
            return None;
        }
        let mut parts = self
            .parts
            .iter()
            .map(|&(from, to)| Bits::new(&self.clean[from..to]));
        let mut bits = parts.next()?;
        let mut predictors = [0; 3];
        let mut left = restart;
        for row in 0..down {
            let mut column = 0;
            while column < across {
                if left == 0 {
                    if !bits.is_sound() {
                        return None;
                    }
                    (bits, predictors, left) = (parts.next()?, [0; 3], restart);
                }
                let run = left.min(across - column);
                let mcus = Mcus {
                    row,
                    columns: (column, column + run),
                };
                read_mcus(
                    mcus,
                    components,
                    &self.tables,
                    &mut self.planes,
                    &mut bits,
                    &mut predictors,
                );
                left -= run;
                column += run;
            }
            if !bits.is_sound() {
                return None;
            }
        }
        Some(())
    }
}

/// Neighbouring MCUs of a row.
#[derive(Clone, Copy)]
struct Mcus {
    row: usize,
    columns: (usize, usize),
}

vectorised! {
    /// Reads MCUs and transforms those of their blocks that are wanted.
    fn read_mcus(
        mcus: Mcus,
        components: &[Component],
        tables: &Tables,
        planes: &mut [Plane; 3],
        bits: &mut Bits<'_>,
        predictors: &mut [i32; 3],
    ) {
        let mut taken = std::mem::replace(bits, Bits::new(&[]));
        for mcu in mcus.columns.0..mcus.columns.1 {
            let parts = components.iter().zip(planes.iter_mut()).zip(predictors.iter_mut());
            for ((part, plane), predictor) in parts {
                for vertical in 0..part.v {
                    for horizontal in 0..part.h {
                        let (x, y) = (mcu * part.h + horizontal, mcus.row * part.v + vertical);
                        if plane.wants(x, y) {
                            let place = (y * plane.stride + x) * 8;
                            let stride = plane.stride;
                            let out = &mut plane.samples[place..];
                            read_block(part, tables, &mut taken, predictor, out, stride);
                        } else {
                            skip_block(part, tables, &mut taken, predictor);
                        }
                    }
                }
            }
        }
        *bits = taken;
    }
}

#[inline(always)]
fn read_block(
    part: &Component,
    tables: &Tables,
    bits: &mut Bits<'_>,
    predictor: &mut i32,
    out: &mut [u8],
    stride: usize,
) {
    let steps = &tables.quantisation[part.quantisation];
    let mut block = [0_i16; 64];
    *predictor = predictor.wrapping_add(tables.dc[part.dc].take(bits).1);
    block[0] = predictor.wrapping_mul(i32::from(steps[0])) as i16;
    let table = &tables.ac[part.ac];
    let mut index = 1;
    let mut last = 0;
    while index < 64 {
        let (run, value) = table.take(bits);
        index += run;
        if index > 63 {
            break;
        }
        let place = usize::from(ZIGZAG[index] & 63);
        block[place] = value.wrapping_mul(i32::from(steps[index])) as i16;
        last = index;
        index += 1;
    }
    if last == 0 {
        idct::inverse_flat(block[0], out, stride);
    } else {
        idct::inverse(&block, out, stride);
    }
}

#[inline(always)]
fn skip_block(part: &Component, tables: &Tables, bits: &mut Bits<'_>, predictor: &mut i32) {
    *predictor = predictor.wrapping_add(tables.dc[part.dc].take(bits).1);
    let table = &tables.ac[part.ac];
    let mut index = 1;
    while index < 64 {
        index += table.skip(bits) + 1;
    }
}
