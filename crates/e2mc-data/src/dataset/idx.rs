//! IDX files, the format of MNIST and Fashion-MNIST, plain or gzipped.
//!
//! Big-endian: two zero bytes, the type (8: unsigned byte), the number of dimensions, each
//! dimension as a `u32`, then the bytes. Images have three dimensions `(n, height, width)`, labels
//! one. The whole file is kept in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::labels;
use crate::{Dataset, Error, Image};

/// The most bytes that a compressed file may unpack to.
const UNPACKED_LIMIT: u64 = 4 << 30;

/// Grey images of one IDX file, with the labels of another.
#[derive(Debug)]
pub struct IdxImages {
    name: String,
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    labels: Option<Vec<u8>>,
    classes: Vec<String>,
}

impl IdxImages {
    /// Reads an image file and, if given, its label file. Classes are named by their numbers.
    ///
    /// # Errors
    /// A file cannot be read, is no IDX file of the right kind, is cut off or too long, has no
    /// images, or the counts of images and labels differ.
    pub fn open(images: &Path, labels: Option<&Path>) -> Result<Self, Error> {
        let ([count, height, width], pixels) = Contents::open(images)?.read()?;
        if pixels.is_empty() {
            let found = format!("{count} of {width} x {height} pixels");
            let expected = "at least one image".to_owned();
            return Err(Error::Idx {
                path: images.to_owned(),
                expected,
                found,
            });
        }
        let labels = match labels {
            Some(path) => {
                let contents = Contents::<1>::open(path)?;
                let [number] = contents.dimensions;
                if number != count {
                    let (path, images_path) = (path.to_owned(), images.to_owned());
                    return Err(Error::LabelCount {
                        path,
                        images_path,
                        images: count,
                        labels: number,
                    });
                }
                Some(contents.read()?.1)
            }
            None => None,
        };
        Ok(Self {
            name: images
                .file_name()
                .unwrap_or(images.as_os_str())
                .to_string_lossy()
                .into_owned(),
            width,
            height,
            pixels,
            classes: labels.as_deref().map_or_else(Vec::new, classes),
            labels,
        })
    }

    /// Takes the labels of another split's images into account, so that both have the same classes.
    /// What is wrong with that split, it tells when it is opened itself.
    pub(super) fn unite(&mut self, images: &Path, labels: &Path) {
        let other = || {
            let [count, ..] = Contents::<3>::open(images).ok()?.dimensions;
            let contents = Contents::<1>::open(labels).ok()?;
            (contents.dimensions == [count]).then_some(())?;
            Some(classes(&contents.read().ok()?.1))
        };
        if let Some(other) = other() {
            labels::unite(&mut [], &mut self.classes, &other);
        }
    }
}

/// Numbers up to the highest label.
fn classes(labels: &[u8]) -> Vec<String> {
    let highest = labels.iter().max();
    let count = highest.map_or(0, |&label| usize::from(label) + 1);
    (0..count).map(|class| class.to_string()).collect()
}

impl Dataset for IdxImages {
    fn len(&self) -> usize {
        self.pixels.len() / (self.width * self.height)
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), Error> {
        let size = self.width * self.height;
        image.reshape(self.width, self.height, 1);
        image
            .pixels
            .copy_from_slice(&self.pixels[index * size..][..size]);
        Ok(())
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.labels
            .as_ref()
            .map(|labels| usize::from(labels[index]))
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        format!("{}[{index}]", self.name)
    }

    fn native_size(&self) -> Option<(usize, usize)> {
        Some((self.width, self.height))
    }
}

/// An IDX file of unsigned bytes with `D` dimensions, whose header was read.
struct Contents<'a, const D: usize> {
    path: &'a Path,
    dimensions: [usize; D],
    size: usize,
    rest: Box<dyn Read>,
}

impl<'a, const D: usize> Contents<'a, D> {
    fn open(path: &'a Path) -> Result<Self, Error> {
        let fail = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = BufReader::new(File::open(path).map_err(fail)?);
        let gzipped = file.fill_buf().map_err(fail)?.starts_with(&[0x1f, 0x8b]);
        let mut rest: Box<dyn Read> = if gzipped {
            Box::new(MultiGzDecoder::new(file))
        } else {
            Box::new(file)
        };
        let magic = [0, 0, 8, D as u8];
        let header = read_at_most(&mut rest, 4 + 4 * D, path)?;
        if header.len() >= 4 && header[..4] != magic {
            let expected = format!("the start {magic:02x?}, for {D} dimensions of unsigned bytes");
            return Err(damaged(path, expected, format!("{:02x?}", &header[..4])));
        }
        if header.len() < 4 + 4 * D {
            let expected = format!("a header of {} bytes", 4 + 4 * D);
            return Err(damaged(path, expected, header.len().to_string()));
        }
        let mut dimensions = [0; D];
        for (dimension, bytes) in dimensions.iter_mut().zip(header[4..].chunks_exact(4)) {
            *dimension = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        }
        let size = dimensions
            .iter()
            .try_fold(1, |size: usize, &dimension| size.checked_mul(dimension));
        let size = size.filter(|&size| size < isize::MAX as usize);
        let size = size.ok_or_else(|| {
            let expected = "dimensions that fit into memory".to_owned();
            damaged(path, expected, format!("{dimensions:?}"))
        })?;
        if gzipped && size as u64 > UNPACKED_LIMIT {
            let expected = format!("at most {UNPACKED_LIMIT} bytes in a compressed file");
            return Err(damaged(path, expected, format!("{dimensions:?}")));
        }
        Ok(Self {
            path,
            dimensions,
            size,
            rest,
        })
    }

    /// The dimensions and the bytes.
    fn read(mut self) -> Result<([usize; D], Vec<u8>), Error> {
        let Self {
            path,
            dimensions,
            size,
            ..
        } = self;
        // The buffer grows with what is really there, whatever the header claims, and no more is
        // unpacked than it claims.
        let data = read_at_most(&mut self.rest, size + 1, path)?;
        if data.len() != size {
            let found = if data.len() > size {
                "more".to_owned()
            } else {
                data.len().to_string()
            };
            let expected = format!("{size} bytes after the header, for {dimensions:?}");
            return Err(damaged(path, expected, found));
        }
        Ok((dimensions, data))
    }
}

fn damaged(path: &Path, expected: String, found: String) -> Error {
    Error::Idx {
        path: path.to_owned(),
        expected,
        found,
    }
}

/// Up to `limit` bytes; a compressed stream that breaks off counts as ending there.
fn read_at_most(reader: &mut impl Read, limit: usize, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match reader.take(limit as u64).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(bytes),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
            ) =>
        {
            Err(Error::Idx {
                path: path.to_owned(),
                expected: "an intact gzip stream".to_owned(),
                found: error.to_string(),
            })
        }
        Err(source) => Err(Error::Read {
            path: PathBuf::from(path),
            source,
        }),
    }
}
