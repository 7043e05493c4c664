//! The marker segments of a JPEG file.

/// The start of a scan: compressed data follows.
pub(super) const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;

/// The segments from a place on, up to the end marker or the first that is cut off. As in libjpeg,
/// what lies between them and is none is skipped.
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
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        let marker = loop {
            self.at += memchr::memchr(0xff, self.rest())?;
            match *self.bytes.get(self.at + 1)? {
                // Fill bytes may precede a marker.
                0xff => self.at += 1,
                // Markers without a segment, and what is no marker.
                0 | 1 | 0xd0..=0xd8 => self.at += 2,
                END_OF_IMAGE => return None,
                marker => break marker,
            }
        };
        let &[_, _, high, low] = self.rest().first_chunk::<4>()?;
        // The length counts its own two bytes.
        let length = usize::from(u16::from_be_bytes([high, low])).max(2);
        let end = self.at + 2 + length;
        let content = self.bytes.get(self.at + 4..end)?;
        self.at = end;
        Some(Segment {
            marker,
            content,
            end,
        })
    }
}
