//! Contact sheets: images side by side with a few lines of text below each.
//!
//! The letters are a bitmap font, so that a sheet is the same on every machine, with or without
//! fonts and PNG drawing; the colours are the palette's.

use font8x8::legacy::BASIC_LEGACY;

use crate::palette::{Colour, LIGHT};

/// Pixels between cells.
const GAP: usize = 12;
/// Side of a letter.
const LETTER: usize = 8;
/// From one line of text to the next.
const LINE: usize = 11;
/// Columns that a cell has at least, so that a line fits.
const NARROWEST: usize = 22 * LETTER;
/// Images smaller than this are enlarged by a whole factor.
const SMALLEST: usize = 112;
/// The longer side of an image at most.
const LARGEST: usize = 448;
const PAPER: u8 = 255;

/// Pixels of an image, eight bits each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Planes of `height` rows of `width` values, one after the other: grey, or red, green and
    /// blue.
    pub planes: Vec<u8>,
}

impl Pixels {
    /// An image of one value in `channels` planes.
    #[must_use]
    pub fn filled(width: usize, height: usize, channels: usize, value: u8) -> Self {
        Self {
            width,
            height,
            planes: vec![value; width * height * channels],
        }
    }

    fn area(&self) -> usize {
        (self.width * self.height).max(1)
    }

    fn planes_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let area = self.area();
        self.planes.chunks_exact_mut(area)
    }

    fn planes(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.planes.chunks_exact(self.area())
    }
}

/// A rectangle of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The first column.
    pub left: usize,
    /// The first row.
    pub top: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// The colour of text that belongs to nothing else.
fn ink() -> Colour {
    LIGHT.colour("ink").expect("a colour of the palette")
}

/// An image and what is written below it.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The image; an empty one leaves its place free.
    pub image: Pixels,
    /// Lines below it.
    pub text: String,
    /// The colour of the text's first line.
    pub ink: Colour,
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            image: Pixels::default(),
            text: String::new(),
            ink: ink(),
        }
    }
}

/// Draws the outline of a rectangle into a colour image, two pixels wide, as far as it lies within.
pub fn outline(image: &mut Pixels, region: Region, colour: Colour) {
    let (width, height) = (image.width, image.height);
    let (right, bottom) = (region.left + region.width, region.top + region.height);
    for (plane, value) in image.planes_mut().zip(colour.0) {
        for y in region.top..bottom.min(height) {
            for x in region.left..right.min(width) {
                let inside = |at: usize, start: usize, end: usize| at >= start + 2 && at + 2 < end;
                if !(inside(x, region.left, right) && inside(y, region.top, bottom)) {
                    plane[y * width + x] = value;
                }
            }
        }
    }
}

impl Cell {
    /// The factor by which the image is shown: whole ones up, whole parts down.
    fn scale(&self) -> (usize, usize) {
        let longer = self.image.width.max(self.image.height).max(1);
        if longer < SMALLEST {
            (SMALLEST.div_ceil(longer), 1)
        } else {
            (1, longer.div_ceil(LARGEST))
        }
    }

    fn image_size(&self) -> (usize, usize) {
        let (up, down) = self.scale();
        (self.image.width * up / down, self.image.height * up / down)
    }

    fn width(&self) -> usize {
        let lines = self.text.lines().map(|line| line.chars().count() * LETTER);
        let text = lines.max().unwrap_or(0);
        self.image_size()
            .0
            .max(text)
            .max(if self.text.is_empty() { 0 } else { NARROWEST })
    }

    /// The image, a little space, the text.
    fn height(&self) -> usize {
        self.image_size().1 + LINE / 2 + self.text.lines().count() * LINE
    }
}

/// Draws rows of cells as a colour image. Columns are as wide as their widest cell, rows as high as
/// their highest.
#[must_use]
pub fn draw(rows: &[Vec<Cell>]) -> Pixels {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(Cell::width).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width_of).collect();
    let height_of = |row: &Vec<Cell>| row.iter().map(Cell::height).max().unwrap_or(0);
    let heights: Vec<usize> = rows.iter().map(height_of).collect();
    let width = GAP + widths.iter().map(|width| width + GAP).sum::<usize>();
    let height = GAP + heights.iter().map(|height| height + GAP).sum::<usize>();
    let mut sheet = Pixels::filled(width, height, 3, PAPER);
    let mut top = GAP;
    for (row, height) in rows.iter().zip(&heights) {
        let mut left = GAP;
        for (cell, width) in row.iter().zip(&widths) {
            paste(&mut sheet, cell, left, top);
            let start = top + cell.image_size().1 + LINE / 2;
            for (number, line) in cell.text.lines().enumerate() {
                let ink = if number == 0 { cell.ink } else { ink() };
                write(&mut sheet, line, ink, left, start + number * LINE);
            }
            left += width + GAP;
        }
        top += height + GAP;
    }
    sheet
}

fn paste(sheet: &mut Pixels, cell: &Cell, left: usize, top: usize) {
    let (width, height) = cell.image_size();
    let (up, down) = cell.scale();
    let stride = sheet.width;
    for (channel, plane) in sheet.planes_mut().enumerate() {
        let mut planes = cell.image.planes();
        let channels = planes.len().max(1);
        let Some(from) = planes.nth(channel % channels) else {
            return;
        };
        for y in 0..height {
            for x in 0..width {
                let place = (y * down / up) * cell.image.width + x * down / up;
                plane[(top + y) * stride + left + x] = from[place];
            }
        }
    }
}

fn write(sheet: &mut Pixels, line: &str, ink: Colour, left: usize, top: usize) {
    let stride = sheet.width;
    for (number, letter) in line.chars().enumerate() {
        let glyph = BASIC_LEGACY
            .get(letter as usize)
            .unwrap_or(&BASIC_LEGACY['?' as usize]);
        for (y, row) in glyph.iter().enumerate() {
            for x in (0..LETTER).filter(|x| row >> x & 1 == 1) {
                let place = (top + y) * stride + left + number * LETTER + x;
                let planes = sheet.planes_mut().zip(ink.0);
                planes.for_each(|(plane, value)| plane[place] = value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(width: usize, height: usize, shade: u8, text: &str) -> Cell {
        Cell {
            image: Pixels::filled(width, height, 1, shade),
            text: text.to_owned(),
            ..Cell::default()
        }
    }

    #[test]
    fn cells_stand_in_rows_and_columns_with_their_text_below() {
        let rows = [
            vec![cell(224, 200, 9, "one"), cell(28, 28, 90, "two\nlines")],
            vec![Cell::default(), cell(28, 28, 120, "three")],
        ];
        let sheet = draw(&rows);
        // 28 pixels are shown as 112; a column of text is at least 22 letters wide.
        let first_row = 200 + LINE / 2 + LINE + GAP;
        assert_eq!(sheet.width, GAP + 224 + GAP + NARROWEST + GAP);
        assert_eq!(sheet.height, GAP + first_row + 112 + LINE / 2 + LINE + GAP);
        let red = sheet.planes().next().unwrap();
        let at = |x: usize, y: usize| red[y * sheet.width + x];
        assert_eq!(at(GAP, GAP), 9);
        assert_eq!(at(GAP + 223, GAP + 199), 9);
        let second = GAP + 224 + GAP;
        assert_eq!(
            (
                at(second, GAP),
                at(second + 111, GAP + 111),
                at(second + 112, GAP)
            ),
            (90, 90, PAPER)
        );
        assert_eq!(
            (at(GAP, GAP + first_row), at(second, GAP + first_row)),
            (PAPER, 120)
        );
        let ink = |x: std::ops::Range<usize>, y: usize| {
            (y..y + LETTER)
                .flat_map(|y| x.clone().map(move |x| (x, y)))
                .filter(|&(x, y)| at(x, y) == ink().0[0])
                .count()
        };
        assert!(ink(GAP..GAP + 24, GAP + 200 + LINE / 2) > 20);
        // A text stands below its own image.
        assert!(ink(second..second + 40, GAP + 112 + LINE / 2 + LINE) > 40);
        assert_eq!(ink(GAP..GAP + 24, GAP + 200 + LINE / 2 + LINE), 0);
    }

    #[test]
    fn outlines_are_two_pixels_wide_and_stay_within() {
        let mut image = Pixels::filled(10, 8, 3, 0);
        let region = Region {
            left: 2,
            top: 1,
            width: 20,
            height: 6,
        };
        outline(&mut image, region, Colour([1, 2, 3]));
        let green: Vec<&[u8]> = image.planes().nth(1).unwrap().chunks(10).collect();
        assert_eq!(green[0], [0; 10]);
        assert_eq!(green[1], [0, 0, 2, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(green[3], [0, 0, 2, 2, 0, 0, 0, 0, 0, 0]);
        assert_eq!(green[6], green[1]);
        assert_eq!(green[7], [0; 10]);
    }

    #[test]
    fn large_images_are_reduced_and_no_image_is_no_cell() {
        assert_eq!(cell(4000, 3000, 0, "").image_size(), (444, 333));
        assert_eq!(draw(&[vec![]]).width, GAP);
        assert_eq!(cell(1, 1, 0, "").image_size(), (112, 112));
    }
}
