//! The marker segments of a JPEG file.

use super::damage::Damage;

/// The start of a scan: compressed data follows.
pub(super) const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;

/// The segments from a place on, up to the end marker. As in libjpeg, what lies between them and is
/// none is skipped. Errors are a marker that no picture has, a segment that is cut off, and an end
/// marker that never comes.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A segment: its marker, what it holds, and where in the file it ends.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    pub(super) content: &'a [u8],
    pub(super) end: usize,
}

impl<'a> Segments<'a> {
    /// The segments of a file that starts with the two bytes of its first marker.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }

    /// Passes over compressed data.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// What comes next.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Result<Segment<'a>, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let marker = loop {
            let found = memchr::memchr(0xff, self.rest());
            let marker = found.and_then(|before| self.bytes.get(self.at + before + 1));
            let (Some(before), Some(&marker)) = (found, marker) else {
                return Some(Err("the end marker is missing".into()));
            };
            self.at += before;
            match marker {
                // Fill bytes may precede a marker.
                0xff => self.at += 1,
                // Markers without a segment, and what is no marker.
                0 | 1 | 0xd0..=0xd7 => self.at += 2,
                END_OF_IMAGE => return None,
                marker => break marker,
            }
        };
        Some(self.segment(marker))
    }
}

impl<'a> Segments<'a> {
    /// The segment of a marker that is here.
    fn segment(&mut self, marker: u8) -> Result<Segment<'a>, Damage> {
        if !is_note(marker) && !matches!(marker, 0xc0..=0xcf | START_OF_SCAN | 0xdb | 0xdd) {
            return Err(format!("expected a segment, found the marker {marker:#04x}").into());
        }
        let cut = || {
            Damage::from(format!(
                "the segment of the marker {marker:#04x} is cut off"
            ))
        };
        let &[_, _, high, low] = self.rest().first_chunk::<4>().ok_or_else(cut)?;
        // The length counts its own two bytes.
        let mut length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 && !is_note(marker) {
            let message = format!("impossible length {length} after the marker {marker:#04x}");
            return Err(message.into());
        }
        length = length.max(2);
        let end = self.at + 2 + length;
        let content = self.bytes.get(self.at + 4..end).ok_or_else(cut)?;
        self.at = end;
        Ok(Segment {
            marker,
            content,
            end,
        })
    }
}

/// Whether a marker's segment tells nothing that is needed, so that it may have an impossible
/// length: an application, a comment, or the number of lines, which the frame tells.
fn is_note(marker: u8) -> bool {
    matches!(marker, 0xe0..=0xef | 0xfe | 0xdc)
}
