//! What comes before the compressed data of a baseline JPEG file: sizes, sampling, tables.

use super::huffman::Table;
use super::segments::{START_OF_SCAN, Segment, Segments};

/// The frame and where its scan starts.
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    components: [Component; 3],
    count: usize,
    /// MCUs between restart markers; 0: there are none.
    pub(super) restart: usize,
    /// Where the compressed data starts.
    pub(super) scan: usize,
}

/// One of the channels as it is stored.
#[derive(Clone, Copy, Default)]
pub(super) struct Component {
    id: u8,
    /// Blocks of an MCU, horizontally and vertically.
    pub(super) h: usize,
    pub(super) v: usize,
    /// Indices of its tables.
    pub(super) quantisation: usize,
    pub(super) dc: usize,
    pub(super) ac: usize,
}

/// The tables of a file; they stay for the next one, which mostly has the same.
pub(super) struct Tables {
    /// In zigzag order.
    pub(super) quantisation: [[u16; 64]; 4],
    pub(super) dc: [Table; 4],
    pub(super) ac: [Table; 4],
}

/// Which tables the present file has defined: those of the file before must not be used for it.
#[derive(Default)]
struct Defined {
    quantisation: [bool; 4],
    dc: [bool; 4],
    ac: [bool; 4],
}

impl Tables {
    pub(super) fn new() -> Self {
        Self {
            quantisation: [[0; 64]; 4],
            dc: std::array::from_fn(|_| Table::empty()),
            ac: std::array::from_fn(|_| Table::empty()),
        }
    }
}

impl Frame {
    pub(super) fn components(&self) -> &[Component] {
        &self.components[..self.count]
    }

    /// Reads the segments up to the scan. `None` for what is not plain: anything but one scan of
    /// grey or of YCbCr with 8 bits, sequential, whose chroma has the resolution of the luma or half of it.
    pub(super) fn read(bytes: &[u8], tables: &mut Tables) -> Option<Self> {
        let (mut frame, mut restart) = (None::<Self>, 0);
        let (mut jfif, mut adobe) = (false, None);
        let mut defined = Defined::default();
        for Segment {
            marker,
            content: segment,
            end,
        } in Segments::new(bytes)
        {
            match marker {
                0xc0 | 0xc1 if frame.is_none() => frame = Some(Self::sizes(segment)?),
                // Other frames: progressive, lossless, arithmetic.
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcf => return None,
                0xc4 => huffman_tables(segment, tables, &mut defined)?,
                0xdb => quantisation_tables(segment, tables, &mut defined)?,
                0xdd => {
                    restart = usize::from(u16::from_be_bytes(segment.get(..2)?.try_into().ok()?));
                }
                0xe0 => jfif |= segment.starts_with(b"JFIF\0"),
                0xee if segment.starts_with(b"Adobe") => adobe = segment.get(11).copied(),
                START_OF_SCAN => {
                    let mut frame = frame?;
                    frame.select(segment)?;
                    frame.restart = restart;
                    frame.scan = end;
                    let ready = |part: &Component| {
                        defined.quantisation[part.quantisation]
                            && defined.dc[part.dc]
                            && defined.ac[part.ac]
                    };
                    let plain = frame.has_plain_colours(jfif, adobe) && frame.has_plain_sampling();
                    return (plain && frame.components().iter().all(ready)).then_some(frame);
                }
                _ => {}
            }
        }
        None
    }

    /// A frame segment.
    fn sizes(segment: &[u8]) -> Option<Self> {
        let &[8, h1, h0, w1, w0, count, ref list @ ..] = segment else {
            return None;
        };
        let count = usize::from(count);
        if !matches!(count, 1 | 3) || list.len() != 3 * count {
            return None;
        }
        let mut components = [Component::default(); 3];
        for (component, bytes) in components.iter_mut().zip(list.chunks_exact(3)) {
            *component = Component {
                id: bytes[0],
                h: usize::from(bytes[1] >> 4),
                v: usize::from(bytes[1] & 15),
                quantisation: usize::from(bytes[2]),
                ..Component::default()
            };
            if component.quantisation > 3 {
                return None;
            }
        }
        if count == 1 {
            // A scan of one component has one block in each MCU, whatever its factors.
            (components[0].h, components[0].v) = (1, 1);
        }
        let [width, height] = [[w1, w0], [h1, h0]].map(|b| usize::from(u16::from_be_bytes(b)));
        let frame = Self {
            width,
            height,
            components,
            count,
            restart: 0,
            scan: 0,
        };
        (width > 0 && height > 0).then_some(frame)
    }

    /// A scan segment, which has to have all components in the frame's order.
    fn select(&mut self, segment: &[u8]) -> Option<()> {
        let (&count, list) = segment.split_first()?;
        if usize::from(count) != self.count || list.len() != 2 * self.count + 3 {
            return None;
        }
        let components = self.components[..self.count].iter_mut();
        for (component, bytes) in components.zip(list.chunks_exact(2)) {
            let (dc, ac) = (usize::from(bytes[1] >> 4), usize::from(bytes[1] & 15));
            if bytes[0] != component.id || dc > 3 || ac > 3 {
                return None;
            }
            (component.dc, component.ac) = (dc, ac);
        }
        (list[2 * self.count..] == [0, 63, 0]).then_some(())
    }

    /// Whether libjpeg would take the colours for grey or YCbCr.
    fn has_plain_colours(&self, jfif: bool, adobe: Option<u8>) -> bool {
        let ids = self.components.map(|component| component.id);
        self.count == 1
            || match (jfif, adobe) {
                (true, _) => true,
                (false, Some(transform)) => transform == 1,
                (false, None) => ids != *b"RGB",
            }
    }

    /// Whether each chroma channel has the luma's resolution or half of it.
    fn has_plain_sampling(&self) -> bool {
        let [luma, blue, red] = &self.components;
        self.count == 1
            || (matches!(luma.h, 1 | 2)
                && matches!(luma.v, 1 | 2)
                && [blue, red]
                    .iter()
                    .all(|chroma| (chroma.h, chroma.v) == (1, 1)))
    }
}

fn huffman_tables(mut segment: &[u8], tables: &mut Tables, defined: &mut Defined) -> Option<()> {
    while let Some((&head, rest)) = segment.split_first() {
        let counts: &[u8; 16] = rest.get(..16)?.try_into().ok()?;
        let total = counts.iter().map(|&count| usize::from(count)).sum();
        let symbols = rest[16..].get(..total)?;
        let (ac, index) = (head >> 4 == 1, usize::from(head & 15));
        if head >> 4 > 1 || index > 3 {
            return None;
        }
        let (table, defined) = if ac {
            (&mut tables.ac, &mut defined.ac)
        } else {
            (&mut tables.dc, &mut defined.dc)
        };
        table[index].define(counts, symbols, ac)?;
        defined[index] = true;
        segment = &rest[16 + total..];
    }
    Some(())
}

fn quantisation_tables(
    mut segment: &[u8],
    tables: &mut Tables,
    defined: &mut Defined,
) -> Option<()> {
    while let Some((&head, rest)) = segment.split_first() {
        let (wide, index) = (usize::from(head >> 4), usize::from(head & 15));
        if wide > 1 || index > 3 {
            return None;
        }
        let size = 64 * (1 + wide);
        let values = rest.get(..size)?.chunks_exact(1 + wide);
        for (out, bytes) in tables.quantisation[index].iter_mut().zip(values) {
            *out = bytes
                .iter()
                .fold(0, |value, &byte| value << 8 | u16::from(byte));
        }
        defined.quantisation[index] = true;
        segment = &rest[size..];
    }
    Some(())
}
