//! NumPy's `.npy` format, versions 1 to 3: magic bytes, a header that is a Python dictionary, the
//! values.
//!
//! The header's three entries are parsed here without a general parser of Python literals: nothing
//! in it can recurse, overflow, or make the reader allocate more than the file holds.

use std::io::{self, Read};
use std::path::Path;

use e2mc::Matrix;

use super::integers::Integers;
use super::source;
use super::values::{self, Endian, Float, Layout, Located, TRUNCATED};
use crate::Error;

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longer than the header of any plain array; one of a record array may be longer, but is no
/// matrix.
const LONGEST_HEADER: usize = 1 << 16;

/// Reads a float matrix.
pub(super) fn read_matrix(path: &Path) -> Result<Matrix, Error> {
    Array::open(path, "a float matrix in .npy format")?.into_matrix()
}

/// Reads a float tensor of `rank` dimensions, and its shape.
pub(super) fn read_tensor(path: &Path, rank: usize) -> Result<(Matrix, Vec<usize>), Error> {
    Array::open(path, "a float tensor in .npy format")?.into_tensor(rank)
}

/// Reads one `T` for each integer of an array of `rank` dimensions.
pub(super) fn read_integers<T>(
    path: &Path,
    rank: usize,
    convert: impl FnMut(usize, i128) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    Array::open(path, "a list of integers in .npy format")?.into_integers(rank, convert)
}

/// The shape of the array, and whether it holds floats.
pub(super) fn shape(path: &Path) -> Result<(Vec<usize>, bool), Error> {
    Ok(Array::open(path, "a list of integers in .npy format")?.into_shape())
}

/// Where the rows of a float matrix lie in the file, for reading some of them.
pub(super) fn locate(path: &Path) -> Result<Located, Error> {
    let array = Array::open(path, "a float matrix in .npy format")?;
    let (layout, offset) = (array.layout()?, array.offset);
    Ok(Located {
        path: path.into(),
        offset,
        layout,
    })
}

impl Array<'_> {
    /// The array as a float matrix of at least one row and column.
    pub(super) fn into_matrix(self) -> Result<Matrix, Error> {
        Ok(self.into_tensor(2)?.0)
    }

    /// The array as a matrix whose rows are the entries of the first dimension, and its shape.
    pub(super) fn into_tensor(mut self, rank: usize) -> Result<(Matrix, Vec<usize>), Error> {
        let layout = self.layout_of(rank)?;
        values::check_unpacked::<f32>(layout.rows * layout.cols, self.stored, self.path)?;
        let matrix = values::read_matrix(&mut self.reader, self.path, layout)?;
        self.check_end()?;
        Ok((matrix, self.shape))
    }

    fn layout(&self) -> Result<Layout, Error> {
        self.layout_of(2)
    }

    fn layout_of(&self, rank: usize) -> Result<Layout, Error> {
        let float = match (self.kind, self.size) {
            ('f', 2) => Float::F16,
            ('f', 4) => Float::F32,
            ('f', 8) => Float::F64,
            _ => {
                let expected = "float16, float32 or float64 values";
                return Err(self.wrong_type(
                    expected,
                    "convert it with .astype('float32') and save it again",
                ));
            }
        };
        if self.shape.len() != rank || (rank > 2 && self.by_columns) {
            let found = self.shape_text();
            return Err(self.wrong(
                values::expected(rank),
                found,
                "save one row per image, in C order",
            ));
        }
        let rows = self.shape[0];
        let cols = values::product(&self.shape[1..]);
        if rows == 0 || cols == 0 {
            let found = self.shape_text();
            return Err(self.wrong(
                "at least 1 row and 1 dimension",
                found,
                "embed at least one image",
            ));
        }
        self.check_length()?;
        Ok(Layout {
            rows,
            cols,
            float,
            endian: self.endian,
            by_columns: self.by_columns,
        })
    }

    /// The shape, and whether the values are floats.
    pub(super) fn into_shape(self) -> (Vec<usize>, bool) {
        (self.shape, self.kind == 'f')
    }

    /// One `T` for each integer of the array, which has `rank` dimensions; truth values are 0
    /// and 1.
    pub(super) fn into_integers<T>(
        mut self,
        rank: usize,
        convert: impl FnMut(usize, i128) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        if !matches!(self.kind, 'i' | 'u' | 'b') {
            let hint = "save the class numbers with .astype('int64')";
            return Err(self.wrong_type("integer labels", hint));
        }
        if self.by_columns && self.shape.len() > 1 {
            let found = format!("{} in Fortran order", self.shape_text());
            let hint = "save numpy.ascontiguousarray(labels)";
            return Err(self.wrong("labels in C order", found, hint));
        }
        self.check_length()?;
        let integers = Integers {
            path: self.path,
            reader: &mut self.reader,
            size: self.size,
            signed: self.kind == 'i',
            endian: self.endian,
            shape: &self.shape,
            stored: self.stored,
        };
        let values = integers.decode(rank, convert)?;
        self.check_end()?;
        Ok(values)
    }
}

/// An array whose header has been read.
pub(super) struct Array<'a> {
    path: &'a Path,
    /// At the first value.
    reader: Box<dyn Read + 'a>,
    /// Bytes before the first value.
    offset: u64,
    /// Bytes from there to the end.
    remaining: u64,
    /// Bytes that the array takes in the file, which are fewer where an archive has shrunk it.
    stored: u64,
    /// The type as the file writes it, such as `<f4`.
    description: String,
    /// `f` for float, `i` and `u` for integers, `b` for truth values, `?` if the values are no
    /// plain numbers.
    kind: char,
    /// Bytes of one value.
    size: usize,
    endian: Endian,
    by_columns: bool,
    pub(super) shape: Vec<usize>,
}

impl<'a> Array<'a> {
    fn open(path: &'a Path, expected: &str) -> Result<Self, Error> {
        let (file, length) = source::open(path, expected)?;
        Self::from_reader(path, Box::new(file), (length, length))
    }

    /// Reads the header; `length` is that of the whole array with its header, `stored` what it
    /// takes in the file, in bytes.
    pub(super) fn from_reader(
        path: &'a Path,
        mut reader: Box<dyn Read + 'a>,
        (length, stored): (u64, u64),
    ) -> Result<Self, Error> {
        let wrong = |expected: String, found: String, hint| Error::Format {
            path: path.into(),
            expected,
            found,
            hint,
        };
        let mut take = |count: usize| -> Result<Vec<u8>, Error> {
            let mut bytes = vec![0; count];
            match reader.read_exact(&mut bytes) {
                Ok(()) => Ok(bytes),
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(wrong(
                    "an .npy header".into(),
                    format!("the end of the file after {length} bytes"),
                    TRUNCATED,
                )),
                Err(cause) => Err(Error::Io {
                    action: "read",
                    path: path.into(),
                    cause,
                }),
            }
        };
        let start = take(length.min(MAGIC.len() as u64 + 2) as usize)?;
        if !start.starts_with(MAGIC) {
            let (found, hint) = if start.starts_with(b"PK") {
                ("a zip archive", "give it a name that ends in .npz")
            } else {
                ("another kind of file", "write it with numpy.save")
            };
            return Err(wrong("the magic bytes of .npy".into(), found.into(), hint));
        }
        let (version, header_length) = match start.get(MAGIC.len()) {
            Some(&version @ 1) => (version, take(2)?),
            Some(&version @ (2 | 3)) => (version, take(4)?),
            Some(version) => {
                let found = format!("version {version}");
                return Err(wrong(
                    ".npy version 1, 2 or 3".into(),
                    found,
                    "write it with numpy.save",
                ));
            }
            None => (0, take(1)?), // reports the end of the file
        };
        let header_length = header_length
            .iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        let offset = MAGIC.len() + 2 + if version == 1 { 2 } else { 4 } + header_length;
        if header_length > LONGEST_HEADER || offset as u64 > length {
            return Err(wrong(
                format!("a header of at most {LONGEST_HEADER} bytes within the file's {length}"),
                format!("a header of {header_length} bytes"),
                TRUNCATED,
            ));
        }
        let text = take(header_length)?;
        let header = Header::parse(&text).ok_or_else(|| {
            let text = String::from_utf8_lossy(&text[..text.len().min(80)]);
            let expected = "an .npy header with descr, fortran_order and shape".into();
            wrong(
                expected,
                format!("{:?}", text.trim_end()),
                "write it with numpy.save",
            )
        })?;
        Ok(Self {
            path,
            reader,
            offset: offset as u64,
            remaining: length - offset as u64,
            stored,
            kind: header.kind,
            size: header.size,
            endian: header.endian,
            description: header.description,
            by_columns: header.by_columns,
            shape: header.shape,
        })
    }

    /// The values fill the file exactly.
    fn check_length(&self) -> Result<(), Error> {
        let bytes = self
            .shape
            .iter()
            .try_fold(self.size, |product, &length| product.checked_mul(length));
        if bytes.map(|b| b as u64) == Some(self.remaining) {
            return Ok(());
        }
        let count = bytes.map_or("more than 2^64".into(), |b| b.to_string());
        Err(self.wrong(
            &format!("{count} bytes of values for {}", self.shape_text()),
            format!("{} bytes", self.remaining),
            TRUNCATED,
        ))
    }

    /// After the last value comes the end; an archive compares its checksum there.
    fn check_end(&mut self) -> Result<(), Error> {
        match self.reader.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.wrong("the end of the values", "more bytes".into(), TRUNCATED)),
            Err(cause) => Err(self.io(cause)),
        }
    }

    fn wrong(&self, expected: &str, found: String, hint: &'static str) -> Error {
        Error::Format {
            path: self.path.into(),
            expected: expected.into(),
            found,
            hint,
        }
    }

    fn wrong_type(&self, expected: &str, hint: &'static str) -> Error {
        let found = match self.description.as_str() {
            "|O" | "O" => "Python objects".into(),
            description => format!("dtype {description}"),
        };
        self.wrong(expected, found, hint)
    }

    /// `dtype <f4 of shape (2, 3)`
    fn shape_text(&self) -> String {
        let lengths: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        let comma = if lengths.len() == 1 { "," } else { "" };
        format!(
            "dtype {} of shape ({}{comma})",
            self.description,
            lengths.join(", ")
        )
    }

    fn io(&self, cause: io::Error) -> Error {
        Error::Io {
            action: "read",
            path: self.path.into(),
            cause,
        }
    }
}

/// The header's dictionary.
#[derive(Debug, PartialEq)]
struct Header {
    description: String,
    kind: char,
    size: usize,
    endian: Endian,
    by_columns: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`, its entries in any
    /// order.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut text = Cursor(std::str::from_utf8(text).ok()?);
        let (mut description, mut by_columns, mut shape) = (None, None, None);
        text.expect("{")?;
        while text.expect("}").is_none() {
            let key = text.string()?;
            text.expect(":")?;
            match key {
                "descr" => description = Some(text.type_description()?),
                "fortran_order" => by_columns = Some(text.truth()?),
                "shape" => shape = Some(text.lengths()?),
                _ => return None,
            }
            if text.expect(",").is_none() {
                text.expect("}")?;
                break;
            }
        }
        if !text.0.trim().is_empty() {
            return None;
        }
        let (description, by_columns, shape) = (description?, by_columns?, shape?);
        let (endian, kind, size) = number_type(description).unwrap_or((Endian::Little, '?', 1));
        Some(Self {
            description: description.into(),
            kind,
            size,
            endian,
            by_columns,
            shape,
        })
    }
}

/// `<f4` is little-endian, float, 4 bytes; none if not a plain number.
fn number_type(description: &str) -> Option<(Endian, char, usize)> {
    let mut characters = description.chars();
    let endian = match characters.next()? {
        '<' => Endian::Little,
        '>' => Endian::Big,
        '|' => Endian::Little, // single bytes
        _ => return None,
    };
    let kind = characters
        .next()
        .filter(|k| matches!(k, 'f' | 'i' | 'u' | 'b'))?;
    let size = characters
        .as_str()
        .parse()
        .ok()
        .filter(|&s| matches!(s, 1 | 2 | 4 | 8) && (kind != 'b' || s == 1))?;
    Some((endian, kind, size))
}

/// The unread rest of the header; every method skips white space first and reads nothing if it
/// returns none.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn expect(&mut self, mark: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(mark)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let quote = text.chars().next().filter(|q| matches!(q, '\'' | '"'))?;
        let (string, rest) = text[1..].split_once(quote)?;
        self.0 = rest;
        Some(string)
    }

    /// A string; or a list up to its last bracket, which describes records.
    fn type_description(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        if !text.starts_with('[') {
            return self.string();
        }
        let (records, rest) = text.split_at(text.rfind(']')? + 1);
        self.0 = rest;
        Some(records)
    }

    fn truth(&mut self) -> Option<bool> {
        if self.expect("True").is_some() {
            return Some(true);
        }
        self.expect("False").map(|()| false)
    }

    /// `(2, 3)`, `(2,)` or `()`; Python 2 wrote `(2L, 3L)`.
    fn lengths(&mut self) -> Option<Vec<usize>> {
        self.expect("(")?;
        let (inside, rest) = self.0.split_once(')')?;
        self.0 = rest;
        let inside = inside.trim().trim_end_matches(',');
        if inside.is_empty() {
            return Some(Vec::new());
        }
        inside
            .split(',')
            .map(|length| length.trim().trim_end_matches('L').parse().ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_every_writer_parse() {
        let parse = |text: &str| Header::parse(text.as_bytes());
        let plain =
            parse("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n").unwrap();
        assert_eq!(
            (plain.kind, plain.size, plain.endian),
            ('f', 4, Endian::Little)
        );
        assert_eq!((plain.by_columns, &plain.shape[..]), (false, &[2, 3][..]));
        let other = parse("{\"shape\":(7L,),\"descr\":\">i8\",\"fortran_order\":True}").unwrap();
        assert_eq!(
            (other.kind, other.size, other.endian),
            ('i', 8, Endian::Big)
        );
        assert_eq!((other.by_columns, &other.shape[..]), (true, &[7][..]));
        let scalar = parse("{'descr': '|u1', 'fortran_order': False, 'shape': ()}").unwrap();
        assert_eq!((scalar.kind, scalar.shape.len()), ('u', 0));
        let records = parse(
            "{'descr': [('a', '<f4'), ('b', '<i8', (2,))], 'fortran_order': False, 'shape': (3,)}",
        );
        assert_eq!(records.unwrap().kind, '?');
        assert_eq!(
            parse("{'descr': '|O', 'fortran_order': False, 'shape': (3,)}")
                .unwrap()
                .kind,
            '?'
        );
    }

    #[test]
    fn anything_else_does_not() {
        for text in [
            "",
            "{",
            "{}",
            "{'descr': '<f4'}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,,2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': ((((((1,)",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} trailing",
            "{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}",
            "{'other': '<f4', 'fortran_order': False, 'shape': (1,)}",
        ] {
            assert_eq!(Header::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Header::parse(b"\xff\xfe"), None);
    }
}
