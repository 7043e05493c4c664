//! JPEG: the common kind by our own decoder, to libjpeg's very pixels; all else through `zune-jpeg`.

mod baseline;
mod header;
mod huffman;
mod idct;
mod library;
mod segments;
mod upsample;

use std::cell::RefCell;

use super::{Failure, Wanted, check_size};
use crate::Image;
use baseline::Baseline;
use segments::{START_OF_SCAN, Segments};

pub(super) const SIGNATURE: &[u8] = b"\xff\xd8\xff";

thread_local! {
    /// Its buffers and tables stay, so that decoding allocates nothing.
    static BASELINE: RefCell<Baseline> = RefCell::new(Baseline::new());
}

pub(super) fn decode(bytes: &[u8], wanted: Wanted<'_>, image: &mut Image) -> Result<(), Failure> {
    if !has_end(bytes) {
        let length = bytes.len();
        return Err(Failure::Damaged(format!(
            "the file is cut off after {length} bytes: no end marker"
        )));
    }
    BASELINE.with_borrow_mut(|baseline| {
        let Some(frame) = baseline.frame(bytes) else {
            library::decode(bytes, image)?;
            wanted(image.width, image.height);
            return Ok(());
        };
        check_size(frame.width, frame.height)?;
        let region = wanted(frame.width, frame.height);
        if baseline.decode(bytes, &frame, region, image).is_some() {
            return Ok(());
        }
        // Not sound: the more lenient decoder has the last word.
        library::decode(bytes, image)?;
        if (image.width, image.height) != (frame.width, frame.height) {
            return Err(Failure::Damaged("it has two sizes".to_owned()));
        }
        Ok(())
    })
}

/// Whether an end marker follows the first scan. (Within the compressed data it cannot occur; in
/// the segments before, a thumbnail may have its own.)
fn has_end(bytes: &[u8]) -> bool {
    let scan = Segments::new(bytes).find(|segment| segment.marker == START_OF_SCAN);
    let pairs = scan.map(|scan| bytes[scan.end..].windows(2).rev());
    pairs.is_some_and(|mut pairs| pairs.any(|pair| pair == [0xff, 0xd9]))
}
