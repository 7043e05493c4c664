//! JPEG, to the very pixels that libjpeg gives (and so Pillow): 8 bits, Huffman coding, sequential
//! or progressive, in one scan or several, with every sampling that libjpeg has, grey, YCbCr, RGB,
//! CMYK or YCCK. Everything else, and all that is not sound, is refused.

mod buffered;
mod colour;
mod damage;
mod frame;
mod huffman;
mod idct;
mod plane;
mod scan;
mod segments;
mod sequential;
mod tables;
mod upsample;

use std::cell::RefCell;

use super::failure::{Failure, check_size};
use crate::Image;
use crate::geometry::Region;
use buffered::Buffered;
use damage::Damage;
use frame::{ARITHMETIC, Application, Colours, Frame, Process};
use plane::Plane;
use scan::{Compressed, Scan};
use segments::{START_OF_SCAN, Segment, Segments};
use tables::Tables;
use upsample::Rows;

pub(super) const SIGNATURE: &[u8] = b"\xff\xd8\xff";

thread_local! {
    /// Its buffers and tables stay, so that decoding the common kind allocates nothing.
    static DECODER: RefCell<Decoder> = RefCell::new(Decoder::new());
}

pub(super) fn decode(
    bytes: &[u8],
    wanted: &mut dyn FnMut(usize, usize) -> Region,
    image: &mut Image,
) -> Result<(), Failure> {
    if !has_end(bytes) {
        let length = bytes.len();
        return Err(Failure::Damaged(format!(
            "the file is cut off after {length} bytes: no end marker"
        )));
    }
    DECODER.with_borrow_mut(|decoder| decoder.decode(bytes, wanted, image))
}

/// Decodes files; keeps its tables and buffers.
struct Decoder {
    tables: Tables,
    compressed: Compressed,
    planes: [Plane; 4],
    buffered: Buffered,
    rows: Rows,
}

impl Decoder {
    fn new() -> Self {
        Self {
            tables: Tables::new(),
            compressed: Compressed::default(),
            planes: Default::default(),
            buffered: Buffered::default(),
            rows: Rows::default(),
        }
    }

    /// Decodes the region that is wanted; the other pixels of `image` are unspecified.
    fn decode(
        &mut self,
        bytes: &[u8],
        wanted: &mut dyn FnMut(usize, usize) -> Region,
        image: &mut Image,
    ) -> Result<(), Failure> {
        self.tables.clear();
        let mut headers = Headers {
            segments: Segments::new(bytes),
            frame: None,
            application: Application::default(),
            restart: 0,
        };
        let first = headers.next_scan(&mut self.tables)?;
        let (Some(scan), Some(frame)) = (first, headers.frame) else {
            return Err(Failure::Damaged("a scan is missing".to_owned()));
        };
        check_size(frame.width, frame.height)?;
        frame.check_sides()?;
        let region = wanted(frame.width, frame.height);
        let count = frame.components().len();
        for (plane, component) in self.planes.iter_mut().zip(frame.components()) {
            plane.prepare(&frame, component, region);
        }
        let colours = frame.colours(headers.application);
        if frame.process == Process::Sequential && scan.is_whole(&frame) {
            let length = self.compressed.fill(headers.segments.rest());
            let Self {
                tables,
                compressed,
                planes,
                ..
            } = self;
            sequential::decode(&frame, &scan, tables, compressed, planes)?;
            headers.segments.advance(length);
            if headers.next_scan(tables)?.is_some() {
                let message = "expected one scan of all components, found another behind it";
                return Err(Failure::Damaged(message.to_owned()));
            }
        } else {
            self.collect(&frame, scan, headers)?;
        }
        let channels = if colours == Colours::Grey { 1 } else { 3 };
        image.reshape(frame.width, frame.height, channels);
        self.rows
            .write(&self.planes[..count], colours, region, image);
        Ok(())
    }

    /// Reads this scan and all that follow.
    fn collect(
        &mut self,
        frame: &Frame,
        scan: Scan,
        mut headers: Headers<'_>,
    ) -> Result<(), Damage> {
        self.buffered.start(frame);
        let mut next = Some(scan);
        while let Some(scan) = next {
            let length = self.compressed.fill(headers.segments.rest());
            headers.segments.advance(length);
            self.buffered
                .read(frame, &scan, &mut self.tables, &self.compressed)?;
            next = headers.next_scan(&mut self.tables)?;
        }
        self.buffered.finish(frame, &mut self.planes)
    }
}

/// Reads what stands between the scans.
struct Headers<'a> {
    segments: Segments<'a>,
    frame: Option<Frame>,
    application: Application,
    restart: usize,
}

impl Headers<'_> {
    /// The header of the next scan, if there is one; its data comes next.
    fn next_scan(&mut self, tables: &mut Tables) -> Result<Option<Scan>, Damage> {
        for segment in self.segments.by_ref() {
            let segment = segment?;
            let content = segment.content;
            match segment.marker {
                0xc4 => tables.read_huffman(content)?,
                // Its conditioning.
                0xcc => return Err(ARITHMETIC.into()),
                0xc0..=0xcf if self.frame.is_some() => {
                    return Err("expected one frame header, found two".into());
                }
                0xc0..=0xcf => self.frame = Some(Frame::read(segment.marker, content)?),
                0xdb => tables.read_quantisation(content)?,
                0xdd => {
                    let interval: [u8; 2] = content
                        .try_into()
                        .map_err(|_| "expected a restart interval of two bytes")?;
                    self.restart = usize::from(u16::from_be_bytes(interval));
                }
                START_OF_SCAN => {
                    let frame = self.frame.as_ref();
                    let frame = frame.ok_or("expected a frame header before the first scan")?;
                    return Scan::read(content, frame, self.restart).map(Some);
                }
                marker => self.application.note(marker, content),
            }
        }
        Ok(None)
    }
}

/// Whether an end marker follows the first scan. (Within the compressed data it cannot occur; in
/// the segments before, a thumbnail may have its own.)
fn has_end(bytes: &[u8]) -> bool {
    let mut segments = Segments::new(bytes);
    let before = |segment: &Result<Segment<'_>, Damage>| {
        segment
            .as_ref()
            .is_ok_and(|segment| segment.marker != START_OF_SCAN)
    };
    let Some(reached) = segments.find(|segment| !before(segment)) else {
        return false;
    };
    // A segment that makes no sense has its own error, unless the file ends there.
    let rest = reached.map_or(segments.rest(), |scan| &bytes[scan.end..]);
    rest.windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}
