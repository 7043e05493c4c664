//! PNG and JPEG to pixels, as Pillow and torchvision see them.
//!
//! The format is told by the content, never by the name. Palettes are expanded, transparency is
//! dropped, 16 bits become 8, CMYK becomes RGB. The EXIF orientation is ignored, as torchvision
//! ignores it. JPEG samples may differ from libjpeg's by a few levels (another inverse DCT and
//! chroma upsampling, both within the standard).

mod jpeg;
mod png;

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Error, Image};

/// The most pixels that are decoded; about where Pillow refuses too (2^31 / 12).
pub const PIXEL_LIMIT: usize = 178_956_970;

/// Decodes a PNG or JPEG file into `image`: 1 channel if it is stored as grey, else 3. `name` is
/// what error messages call it.
///
/// # Errors
/// The bytes are neither PNG nor JPEG, are damaged or cut off, or have more pixels than
/// [`PIXEL_LIMIT`].
pub fn decode(bytes: &[u8], name: &dyn Display, image: &mut Image) -> Result<(), Error> {
    // The decoders are not ours, and the bytes are anybody's: a panic in there is a bad file.
    let result = catch_unwind(AssertUnwindSafe(|| {
        if bytes.starts_with(png::SIGNATURE) {
            png::decode(bytes, image)
        } else if bytes.starts_with(jpeg::SIGNATURE) {
            jpeg::decode(bytes, image)
        } else {
            Err(Failure::Damaged(format!(
                "expected PNG or JPEG, found {}",
                describe(bytes)
            )))
        }
    }));
    let damaged = || Err(Failure::Damaged("the data is damaged".to_owned()));
    result
        .unwrap_or_else(|_| damaged())
        .map_err(|failure| match failure {
            Failure::Damaged(reason) => Error::Decode {
                name: name.to_string(),
                reason,
            },
            Failure::TooLarge(width, height) => Error::ImageTooLarge {
                name: name.to_string(),
                width,
                height,
                limit: PIXEL_LIMIT,
            },
        })
}

/// Why a file cannot be decoded; [`decode`] adds its name.
enum Failure {
    Damaged(String),
    TooLarge(usize, usize),
}

fn check_size(width: usize, height: usize) -> Result<(), Failure> {
    if width.saturating_mul(height) > PIXEL_LIMIT {
        return Err(Failure::TooLarge(width, height));
    }
    Ok(())
}

fn describe(bytes: &[u8]) -> String {
    match bytes {
        [] => "an empty file".to_owned(),
        _ => {
            let start = &bytes[..bytes.len().min(8)];
            format!(
                "a file of {} bytes starting \"{}\"",
                bytes.len(),
                start.escape_ascii()
            )
        }
    }
}
