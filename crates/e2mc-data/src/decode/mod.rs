//! JPEG, PNG and WebP to pixels, as Pillow and torchvision see them.
//!
//! The format is told by the content, never by the name. Palettes are expanded, transparency is
//! dropped, 16 bits become 8, CMYK becomes RGB. The EXIF orientation is ignored, as torchvision
//! ignores it. PNG (but for 16-bit grey, which Pillow clips to white) and JPEG files give Pillow's
//! very pixels, or are refused with a reason; WebP files with loss may differ by a few levels.

mod container;
mod failure;
mod foreign;
mod jpeg;

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::geometry::Region;
use crate::{Error, Image};
use failure::Failure;
pub use failure::PIXEL_LIMIT;

/// Told an image's width and height, says which region of it will be looked at.
pub type Wanted<'a> = &'a mut dyn FnMut(usize, usize) -> Region;

/// Decodes an image file into `image`: 1 channel if it is stored as grey, else 3. `name` is
/// what error messages call it.
///
/// # Errors
/// The bytes are of no known format, are damaged or cut off, or have more pixels than
/// [`PIXEL_LIMIT`].
pub fn decode(bytes: &[u8], name: &dyn Display, image: &mut Image) -> Result<(), Error> {
    decode_region(bytes, name, &mut Region::of_size, image)
}

/// Decodes as [`decode`], but of JPEG files only the region that is wanted: the pixels outside
/// are unspecified, those inside are the same. `wanted` is called once.
///
/// Damage below the region may go unnoticed, for nothing there is read.
///
/// # Errors
/// As [`decode`].
pub fn decode_region(
    bytes: &[u8],
    name: &dyn Display,
    wanted: Wanted<'_>,
    image: &mut Image,
) -> Result<(), Error> {
    // The bytes are anybody's: a panic is a bad file, in our own decoder too. There it is a mistake
    // of ours, and so it is printed; see `foreign` for the others.
    let result = catch_unwind(AssertUnwindSafe(|| {
        if bytes.starts_with(jpeg::SIGNATURE) {
            return jpeg::decode(bytes, wanted, image);
        }
        if container::is_png(bytes) {
            container::decode_png(bytes, image)?;
        } else if container::is_webp(bytes) {
            container::decode_webp(bytes, image)?;
        } else {
            return Err(Failure::Damaged(format!(
                "expected JPEG, PNG or WebP, found {}",
                describe(bytes)
            )));
        }
        wanted(image.width, image.height);
        Ok(())
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
