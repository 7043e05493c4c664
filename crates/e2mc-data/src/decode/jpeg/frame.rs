//! The frame of a JPEG file: size, components, sampling, colours (ITU-T T.81, B.2.2).

use super::damage::Damage;

pub(super) const ARITHMETIC: &str = "expected Huffman coding, found arithmetic coding";

/// The longest side of a picture, as libjpeg has it.
const LONGEST: usize = 65_500;

/// How the coefficients are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// Each block at once.
    Sequential,
    /// Over several scans, with more and more precision.
    Progressive,
}

/// What the components stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    Grey,
    YCbCr,
    Rgb,
    Cmyk,
    /// Luma and chroma of the first three inks, and black.
    Ycck,
}

/// What the file is a picture of, before any of its data.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) process: Process,
    components: [Component; 4],
    count: usize,
    /// The largest sampling factors: blocks of an MCU, horizontally and vertically.
    pub(super) h: usize,
    pub(super) v: usize,
}

/// One of the channels as it is stored.
#[derive(Clone, Copy, Default)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Blocks of an MCU, horizontally and vertically.
    pub(super) h: usize,
    pub(super) v: usize,
    /// Index of its quantisation table.
    pub(super) quantisation: usize,
}

/// What application segments say about the colours.
#[derive(Clone, Copy, Default)]
pub(super) struct Application {
    /// A JFIF segment is there.
    pub(super) jfif: bool,
    /// The transform that an Adobe segment names.
    pub(super) adobe: Option<u8>,
}

impl Application {
    /// Takes note of a segment, if it is one of these.
    pub(super) fn note(&mut self, marker: u8, content: &[u8]) {
        match marker {
            0xe0 => self.jfif |= content.len() >= 14 && content.starts_with(b"JFIF\0"),
            0xee if content.starts_with(b"Adobe") => {
                self.adobe = content.get(11).copied().or(self.adobe);
            }
            _ => {}
        }
    }
}

impl Frame {
    /// Refuses sides that libjpeg refuses.
    pub(super) fn check_sides(&self) -> Result<(), Damage> {
        let (width, height) = (self.width, self.height);
        if width.max(height) > LONGEST {
            let message =
                format!("expected at most {LONGEST} pixels a side, found {width} x {height}");
            return Err(message.into());
        }
        Ok(())
    }

    pub(super) fn components(&self) -> &[Component] {
        &self.components[..self.count]
    }

    /// Reads a frame segment.
    pub(super) fn read(marker: u8, segment: &[u8]) -> Result<Self, Damage> {
        let process = match marker {
            0xc0 | 0xc1 => Process::Sequential,
            0xc2 => Process::Progressive,
            0xc3 => return Err("expected a lossy JPEG file, found a lossless one".into()),
            0xc9 | 0xca => return Err(ARITHMETIC.into()),
            _ => return Err("expected one picture, found a hierarchy of them".into()),
        };
        let &[bits, h1, h0, w1, w0, count, ref list @ ..] = segment else {
            return Err("the frame header breaks off".into());
        };
        if bits != 8 {
            return Err(format!("expected samples of 8 bits, found {bits}").into());
        }
        let count = usize::from(count);
        if !matches!(count, 1 | 3 | 4) {
            return Err(format!("expected 1, 3 or 4 components, found {count}").into());
        }
        if list.len() != 3 * count {
            let found = list.len();
            let expected = 3 * count;
            return Err(
                format!("expected {expected} bytes for {count} components, found {found}").into(),
            );
        }
        let mut components = [Component::default(); 4];
        for (component, bytes) in components.iter_mut().zip(list.chunks_exact(3)) {
            *component = Component {
                id: bytes[0],
                h: usize::from(bytes[1] >> 4),
                v: usize::from(bytes[1] & 15),
                quantisation: usize::from(bytes[2]),
            };
            let sampled = (1..=4).contains(&component.h) && (1..=4).contains(&component.v);
            if !sampled || component.quantisation > 3 {
                return Err(format!("impossible component {bytes:02x?}").into());
            }
        }
        if count == 1 {
            // A scan of one component has one block in each MCU, whatever its factors.
            (components[0].h, components[0].v) = (1, 1);
        }
        let [width, height] = [[w1, w0], [h1, h0]].map(|b| usize::from(u16::from_be_bytes(b)));
        if width == 0 || height == 0 {
            return Err(format!("expected a size, found {width} x {height}").into());
        }
        let used = &components[..count];
        let h = used.iter().map(|component| component.h).max().unwrap_or(1);
        let v = used.iter().map(|component| component.v).max().unwrap_or(1);
        let whole =
            |component: &Component| h.is_multiple_of(component.h) && v.is_multiple_of(component.v);
        if let Some(odd) = used.iter().find(|component| !whole(component)) {
            return Err(format!(
                "expected sampling factors that divide {h} x {v}, found {} x {}",
                odd.h, odd.v
            )
            .into());
        }
        Ok(Self {
            width,
            height,
            process,
            components,
            count,
            h,
            v,
        })
    }

    /// Columns and rows of blocks of a component, filled up to whole MCUs.
    pub(super) fn blocks(&self, component: &Component) -> (usize, usize) {
        let (across, down) = self.mcus();
        (across * component.h, down * component.v)
    }

    /// Columns and rows of MCUs of all components.
    pub(super) fn mcus(&self) -> (usize, usize) {
        (
            self.width.div_ceil(8 * self.h),
            self.height.div_ceil(8 * self.v),
        )
    }

    /// What libjpeg would take the components for.
    pub(super) fn colours(&self, application: Application) -> Colours {
        let ids = self.components.map(|component| component.id);
        match (self.count, application.jfif, application.adobe) {
            (1, ..) => Colours::Grey,
            (3, true, _) => Colours::YCbCr,
            (3, false, Some(0)) => Colours::Rgb,
            (3, false, None) if ids.starts_with(b"RGB") => Colours::Rgb,
            (3, ..) => Colours::YCbCr,
            (_, _, None | Some(0)) => Colours::Cmyk,
            _ => Colours::Ycck,
        }
    }
}
