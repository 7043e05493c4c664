//! Why an image cannot be decoded.

/// The most pixels that are decoded; about where Pillow refuses too (2^31 / 12).
pub const PIXEL_LIMIT: usize = 178_956_970;

/// Why a file cannot be decoded; [`decode`](super::decode) adds its name.
pub(super) enum Failure {
    Damaged(String),
    TooLarge(usize, usize),
}

/// Refuses more than [`PIXEL_LIMIT`] pixels.
pub(super) fn check_size(width: usize, height: usize) -> Result<(), Failure> {
    if width.saturating_mul(height) > PIXEL_LIMIT {
        return Err(Failure::TooLarge(width, height));
    }
    Ok(())
}
