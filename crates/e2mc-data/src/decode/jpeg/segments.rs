//! The marker segments of a JPEG file.

/// The start of a scan: compressed data follows.
pub(super) const START_OF_SCAN: u8 = 0xda;

/// The segments behind the first marker, up to the first that is none or is cut off.
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
    /// Of a file that starts with the two bytes of its first marker.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        // Fill bytes may precede a marker.
        while self.bytes.get(self.at..self.at + 2)? == [0xff, 0xff] {
            self.at += 1;
        }
        let &[0xff, marker, high, low] = self.bytes.get(self.at..self.at + 4)? else {
            return None;
        };
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
