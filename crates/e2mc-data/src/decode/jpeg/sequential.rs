//! The common kind of JPEG file: one sequential scan of all components, decoded only as far as a
//! region needs.
//!
//! The bits of blocks outside the region are read over, their pixels never computed; what lies
//! below it is not read at all. Cost: one pass over the compressed bytes, then about two
//! instructions a pixel.

use super::damage::{Damage, UNSOUND};
use super::frame::{Component, Frame};
use super::huffman::Bits;
use super::idct;
use super::plane::Plane;
use super::scan::{Compressed, Scan, ScanComponent};
use super::tables::{Tables, ZIGZAG};
use crate::vectorised::vectorised;

/// Reads the blocks of the only scan and transforms those that are wanted.
///
/// # Errors
/// A table is missing, or the data is not sound.
pub(super) fn decode(
    frame: &Frame,
    scan: &Scan,
    tables: &Tables,
    compressed: &Compressed,
    planes: &mut [Plane; 4],
) -> Result<(), Damage> {
    let components = frame.components();
    let coded = scan.components();
    for (component, coded) in components.iter().zip(coded) {
        tables.steps(component.quantisation)?;
        tables.check_dc(coded.dc)?;
        tables.check_ac(coded.ac)?;
    }
    let (across, all_down) = frame.mcus();
    // The last row of MCUs with anything that is wanted.
    let wanted = planes.iter().zip(components);
    let down = wanted.map(|(plane, component)| plane.rows.1.div_ceil(component.v));
    let down = down.max().unwrap_or(0);
    let mut intervals = compressed.intervals((across * all_down).div_ceil(scan.restart))?;
    let mut bits = intervals.next().ok_or(UNSOUND)?;
    let mut predictors = [0; 4];
    let mut left = scan.restart;
    for row in 0..down {
        let mut column = 0;
        while column < across {
            if left == 0 {
                if !bits.is_sound() {
                    return Err(UNSOUND.into());
                }
                let next = intervals.next().ok_or(UNSOUND)?;
                (bits, predictors, left) = (next, [0; 4], scan.restart);
            }
            let run = left.min(across - column);
            let mcus = Mcus {
                row,
                columns: (column, column + run),
            };
            read_mcus(
                mcus,
                components,
                coded,
                tables,
                planes,
                &mut bits,
                &mut predictors,
            );
            left -= run;
            column += run;
        }
        if !bits.is_sound() {
            return Err(UNSOUND.into());
        }
    }
    Ok(())
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
        coded: &[ScanComponent],
        tables: &Tables,
        planes: &mut [Plane; 4],
        bits: &mut Bits<'_>,
        predictors: &mut [i32; 4],
    ) {
        let mut taken = std::mem::replace(bits, Bits::new(&[]));
        for mcu in mcus.columns.0..mcus.columns.1 {
            let all = components.iter().zip(coded).zip(planes.iter_mut()).zip(predictors.iter_mut());
            for (((component, coded), plane), predictor) in all {
                for vertical in 0..component.v {
                    for horizontal in 0..component.h {
                        let x = mcu * component.h + horizontal;
                        let y = mcus.row * component.v + vertical;
                        if plane.wants(x, y) {
                            let place = (y * plane.stride + x) * 8;
                            let stride = plane.stride;
                            let out = &mut plane.samples[place..];
                            let steps = &tables.quantisation[component.quantisation];
                            read_block(coded, steps, tables, &mut taken, predictor, out, stride);
                        } else {
                            skip_block(coded, tables, &mut taken, predictor);
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
    coded: &ScanComponent,
    steps: &[u16; 64],
    tables: &Tables,
    bits: &mut Bits<'_>,
    predictor: &mut i32,
    out: &mut [u8],
    stride: usize,
) {
    let mut block = [0_i16; 64];
    *predictor = predictor.wrapping_add(tables.dc[coded.dc].take(bits).1);
    block[0] = predictor.wrapping_mul(i32::from(steps[0])) as i16;
    let table = &tables.ac[coded.ac];
    let mut index = 1;
    let mut last = 0;
    while index < 64 {
        let (run, value) = table.take(bits);
        index += run;
        if index > 63 {
            // libjpeg takes what a damaged file has beyond a block's end for its last coefficient.
            if run < 64 {
                block[63] = value.wrapping_mul(i32::from(steps[63])) as i16;
                last = 63;
            }
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
fn skip_block(coded: &ScanComponent, tables: &Tables, bits: &mut Bits<'_>, predictor: &mut i32) {
    *predictor = predictor.wrapping_add(tables.dc[coded.dc].take(bits).1);
    let table = &tables.ac[coded.ac];
    let mut index = 1;
    while index < 64 {
        index += table.skip(bits) + 1;
    }
}
