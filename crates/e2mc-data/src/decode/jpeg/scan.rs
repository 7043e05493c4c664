//! The header of a scan, and the compressed data behind it (ITU-T T.81, B.2.3).

use super::damage::Damage;
use super::frame::{Frame, Process};
use super::huffman::Bits;

/// The most blocks in an MCU of several components (B.2.3).
const MOST_BLOCKS: usize = 10;

/// Which components a scan holds, and how much of them.
pub(super) struct Scan {
    components: [ScanComponent; 4],
    count: usize,
    /// First and last coefficient, in zigzag order.
    pub(super) first: usize,
    pub(super) last: usize,
    /// Bits that lie below those which came before; 0: none came before.
    pub(super) high: u32,
    /// Bits that lie below those which come now.
    pub(super) low: u32,
    /// MCUs between restart markers.
    pub(super) restart: usize,
}

/// A component of a scan.
#[derive(Clone, Copy, Default)]
pub(super) struct ScanComponent {
    /// Which of the frame's.
    pub(super) component: usize,
    /// Indices of its Huffman tables.
    pub(super) dc: usize,
    pub(super) ac: usize,
}

impl Scan {
    /// Reads a scan segment. `restart`: MCUs between restart markers, 0 for none.
    pub(super) fn read(segment: &[u8], frame: &Frame, restart: usize) -> Result<Self, Damage> {
        let count = segment.first().copied().unwrap_or_default();
        let count = usize::from(count);
        if !(1..=frame.components().len()).contains(&count) || segment.len() != 4 + 2 * count {
            return Err("impossible scan header".into());
        }
        let mut components = [ScanComponent::default(); 4];
        let mut taken = [false; 4];
        for (number, (coded, bytes)) in components
            .iter_mut()
            .zip(segment[1..].chunks_exact(2))
            .take(count)
            .enumerate()
        {
            // In the frame's order; of components with the same name, those that libjpeg takes.
            let mut places = frame.components().iter().enumerate();
            let place =
                places.position(|(place, component)| component.id == bytes[0] && place >= number);
            let component = place.filter(|&place| !taken[place]).ok_or_else(|| {
                format!(
                    "expected the components of a scan in the frame's order, found {}",
                    bytes[0]
                )
            })?;
            taken[component] = true;
            let (dc, ac) = (usize::from(bytes[1] >> 4), usize::from(bytes[1] & 15));
            if dc > 3 || ac > 3 {
                return Err("impossible Huffman table in a scan".into());
            }
            *coded = ScanComponent { component, dc, ac };
        }
        let blocks = components[..count].iter().map(|coded| {
            let component = &frame.components()[coded.component];
            component.h * component.v
        });
        let blocks: usize = blocks.sum();
        if count > 1 && blocks > MOST_BLOCKS {
            return Err(format!(
                "expected at most {MOST_BLOCKS} blocks in an MCU of a scan, found {blocks}"
            )
            .into());
        }
        let [first, last, bits] = segment[1 + 2 * count..] else {
            return Err("impossible scan header".into());
        };
        let scan = Self {
            components,
            count,
            first: usize::from(first),
            last: usize::from(last),
            high: u32::from(bits >> 4),
            low: u32::from(bits & 15),
            restart: if restart > 0 { restart } else { usize::MAX },
        };
        if frame.process == Process::Progressive {
            scan.check_progression()?;
        }
        Ok(scan)
    }

    fn check_progression(&self) -> Result<(), Damage> {
        let band = if self.first == 0 {
            self.last == 0
        } else {
            self.first <= self.last && self.last < 64 && self.count == 1
        };
        if !band || self.low > 13 || (self.high > 0 && self.high != self.low + 1) {
            return Err(format!(
                "impossible progressive scan: coefficients {} to {}, bits {} to {}",
                self.first, self.last, self.high, self.low
            )
            .into());
        }
        Ok(())
    }

    pub(super) fn components(&self) -> &[ScanComponent] {
        &self.components[..self.count]
    }

    /// Whether it holds all components of a frame, in the frame's order.
    pub(super) fn is_whole(&self, frame: &Frame) -> bool {
        let coded = self.components().iter();
        self.count == frame.components().len()
            && coded
                .enumerate()
                .all(|(place, coded)| coded.component == place)
    }
}

/// The compressed data of a scan; keeps its buffers.
#[derive(Default)]
pub(super) struct Compressed {
    /// Without stuffing and markers.
    clean: Vec<u8>,
    /// What lies between restart markers.
    intervals: Vec<(usize, usize)>,
    /// How many of them were led to by restart markers in their order.
    ordered: usize,
    /// Fill bytes precede a stuffed one.
    filled: bool,
}

impl Compressed {
    /// Takes the stuffing out of the data that comes next and notes its intervals; how many bytes
    /// it is.
    pub(super) fn fill(&mut self, all: &[u8]) -> usize {
        self.clean.clear();
        self.intervals.clear();
        self.ordered = 0;
        self.filled = false;
        let mut start = 0;
        let mut data = all;
        let rest = loop {
            let end = memchr::memchr(0xff, data).unwrap_or(data.len());
            self.clean.extend_from_slice(&data[..end]);
            match data[end..] {
                [0xff, 0, ..] => {
                    self.clean.push(0xff);
                    data = &data[end + 2..];
                }
                // Not before a marker: the standard forbids it, and what libjpeg makes of it depends
                // on how many bytes follow.
                [0xff, 0xff, 0, ..] => {
                    self.filled = true;
                    data = &data[end + 1..];
                }
                // Fill bytes before a marker.
                [0xff, 0xff, ..] => data = &data[end + 1..],
                [0xff, marker @ 0xd0..=0xd7, ..] => {
                    let number = self.intervals.len();
                    if self.ordered == number && usize::from(marker & 7) == number & 7 {
                        self.ordered += 1;
                    }
                    self.intervals.push((start, self.clean.len()));
                    start = self.clean.len();
                    data = &data[end + 2..];
                }
                ref rest => break rest.len(),
            }
        };
        self.intervals.push((start, self.clean.len()));
        all.len() - rest
    }

    /// The bits of each interval, of which so many are needed. More do no harm: some encoders write
    /// a restart marker behind the last MCU too.
    pub(super) fn intervals(
        &self,
        needed: usize,
    ) -> Result<impl Iterator<Item = Bits<'_>>, Damage> {
        if self.filled {
            return Err("expected a marker behind fill bytes, found compressed data".into());
        }
        let found = self.intervals.len();
        if found < needed {
            return Err(format!(
                "expected {needed} intervals between restart markers, found {found}"
            )
            .into());
        }
        // The first has no marker before it.
        if self.ordered + 1 < needed {
            return Err("expected restart markers in their order".into());
        }
        let bits = |&(from, to): &(usize, usize)| Bits::new(&self.clean[from..to]);
        Ok(self.intervals.iter().map(bits))
    }
}
