//! TensorBoard event files, written beside `metrics.jsonl` so that `tensorboard --logdir RUN` shows
//! a run.
//!
//! A file is a sequence of records (TFRecord): the length as a little-endian u64, its masked
//! CRC-32C, the bytes, their masked CRC-32C. The bytes are an `Event` in protocol buffers:
//! `wall_time` (1, double), `step` (2, int64), and one of `file_version` (3, string), `summary`
//! (5), `session_log` (7). A summary holds values (1) with `tag` (1, string) and `simple_value` (2,
//! float).

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;

/// How TensorBoard knows an event file.
const START: &str = "events.out.tfevents.";

/// An event file that grows.
#[derive(Debug)]
pub struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// A new file in `folder`. After a resume TensorBoard drops what earlier files say of later
    /// steps than `resumed_at`.
    ///
    /// # Errors
    /// Where the folder does not take it.
    pub fn create(folder: &Path, resumed_at: Option<u64>) -> Result<Self, Error> {
        let (mut second, mut new) = (now().floor() as u64, None);
        // One name a second is not enough for a run that is resumed at once.
        while new.is_none() {
            let path = folder.join(format!("{START}{second:010}.e2mc"));
            match File::create_new(&path) {
                Ok(file) => new = Some((file, path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => second += 1,
                Err(source) => return Err(cannot_write(&path, source)),
            }
        }
        let (file, path) = new.expect("the loop ends with a file");
        let mut events = Self { file, path };
        events.record(&event(now(), 0, &text(3, "brain.Event:2")))?;
        if let Some(step) = resumed_at {
            // SessionLog { status: START }
            events.record(&event(now(), step + 1, &bytes(7, &varint_field(1, 1))))?;
        }
        Ok(events)
    }

    /// Whether a file was written here, by its name.
    pub fn is_ours(path: &Path) -> bool {
        let name = path.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name.starts_with(START) && name.ends_with(".e2mc"))
    }

    /// Appends the values of one step, all under one time.
    ///
    /// # Errors
    /// Where the disk does not take them.
    pub fn write<'a>(
        &mut self,
        step: u64,
        values: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> Result<(), Error> {
        let summary: Vec<u8> = values
            .into_iter()
            .flat_map(|(tag, value)| {
                let mut entry = text(1, tag);
                entry.push(2 << 3 | 5);
                entry.extend((value as f32).to_le_bytes());
                bytes(1, &entry)
            })
            .collect();
        self.record(&event(now(), step, &bytes(5, &summary)))
    }

    fn record(&mut self, data: &[u8]) -> Result<(), Error> {
        let length = (data.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked_crc(&length).to_le_bytes());
        record.extend(data);
        record.extend(masked_crc(data).to_le_bytes());
        // One write a record: a reader may come at any time.
        let written = self.file.write_all(&record);
        written.map_err(|source| cannot_write(&self.path, source))
    }
}

fn cannot_write(path: &Path, source: std::io::Error) -> Error {
    Error::Write {
        what: "events",
        path: path.to_owned(),
        source,
    }
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// The checksum as records store it: rotated and moved, because checksums of data that hold
/// checksums are weak.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

fn event(time: f64, step: u64, what: &[u8]) -> Vec<u8> {
    let mut out = vec![1 << 3 | 1];
    out.extend(time.to_le_bytes());
    out.extend(varint_field(2, step));
    out.extend(what);
    out
}

fn text(field: u8, value: &str) -> Vec<u8> {
    bytes(field, value.as_bytes())
}

fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    varint(&mut out, value.len() as u64);
    out.extend(value);
    out
}

fn varint_field(field: u8, value: u64) -> Vec<u8> {
    let mut out = vec![field << 3];
    varint(&mut out, value);
    out
}

/// Seven bits a byte, the lowest first.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a file, with both checksums checked.
    fn records(mut data: &[u8]) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        while !data.is_empty() {
            let length = u64::from_le_bytes(data[..8].try_into().unwrap()) as usize;
            let crc = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
            assert_eq!(crc(8), masked_crc(&data[..8]));
            assert_eq!(crc(12 + length), masked_crc(&data[12..12 + length]));
            records.push(data[12..12 + length].to_vec());
            data = &data[16 + length..];
        }
        records
    }

    /// `(field, wire type, value)` of a message; groups of bytes as they are, numbers as eight
    /// bytes.
    fn fields(mut data: &[u8]) -> Vec<(u8, Vec<u8>)> {
        fn number(data: &mut &[u8]) -> u64 {
            let (mut value, mut shift) = (0, 0);
            loop {
                let byte = data[0];
                *data = &data[1..];
                value |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    return value;
                }
            }
        }
        let mut found = Vec::new();
        while !data.is_empty() {
            let key = data[0];
            data = &data[1..];
            let value = match key & 7 {
                0 => number(&mut data).to_le_bytes().to_vec(),
                wire => {
                    let length = match wire {
                        1 => 8,
                        5 => 4,
                        2 => number(&mut data) as usize,
                        other => panic!("wire type {other}"),
                    };
                    let (value, rest) = data.split_at(length);
                    data = rest;
                    value.to_vec()
                }
            };
            found.push((key >> 3, value));
        }
        found
    }

    #[test]
    fn the_checksum_is_that_of_the_format() {
        // CRC-32C of "123456789" is the standard's check value.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(
            masked_crc(b"123456789"),
            0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8)
        );
    }

    #[test]
    fn what_is_written_reads_back_with_its_frames_and_checksums() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(folder.path(), Some(299)).unwrap();
        events
            .write(300, [("loss", 0.25), ("terms/entropy", -1.5)])
            .unwrap();
        let other = EventFile::create(folder.path(), None).unwrap();
        assert_ne!(other.path, events.path);
        let records = records(&std::fs::read(&events.path).unwrap());
        assert_eq!(records.len(), 3);
        let version = fields(&records[0]);
        assert_eq!(version[2], (3, b"brain.Event:2".to_vec()));
        let start = fields(&records[1]);
        assert_eq!(start[1], (2, 300_u64.to_le_bytes().to_vec()));
        assert_eq!(fields(&start[2].1), [(1, 1_u64.to_le_bytes().to_vec())]);
        let step = fields(&records[2]);
        assert_eq!(step[1], (2, 300_u64.to_le_bytes().to_vec()));
        let time = f64::from_le_bytes(step[0].1.clone().try_into().unwrap());
        assert!(time > 1.7e9, "{time}");
        let values: Vec<Vec<(u8, Vec<u8>)>> =
            fields(&step[2].1).iter().map(|v| fields(&v.1)).collect();
        assert_eq!(
            values[0],
            [(1, b"loss".to_vec()), (2, 0.25_f32.to_le_bytes().to_vec())]
        );
        assert_eq!(
            values[1],
            [
                (1, b"terms/entropy".to_vec()),
                (2, (-1.5_f32).to_le_bytes().to_vec())
            ]
        );
    }

    #[test]
    fn long_numbers_take_several_bytes() {
        let mut out = Vec::new();
        varint(&mut out, 300);
        assert_eq!(out, [0xac, 0x02]);
        assert_eq!(
            fields(&varint_field(2, u64::MAX))[0].1,
            u64::MAX.to_le_bytes()
        );
    }
}
