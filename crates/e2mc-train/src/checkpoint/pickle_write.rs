//! Writing what `torch.load(..., weights_only=True)` reads: PyTorch's ZIP format.
//!
//! `data.pkl` is a pickle of protocol 2 that names each tensor's storage, shape and strides; the
//! numbers are entries of their own, aligned as `torch.save` aligns them. The pickle has only what
//! the safe loader allows: dictionaries, strings, whole numbers and `_rebuild_tensor_v2`.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use safetensors::{Dtype, View};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::layout::STATE_DICT;
use super::save::Stored;

/// Where the numbers of an entry start: at a multiple of this.
const ALIGNMENT: u16 = 64;

/// Writes tensors by name: as one dictionary, or as the dictionary `state_dict` of another that
/// holds the texts too. `note` is an entry of the archive beside them, which PyTorch passes over.
pub(super) fn write(
    file: &mut File,
    tensors: &[(String, Stored)],
    texts: Option<&[(&str, &str)]>,
    note: Option<(&str, &str)>,
) -> io::Result<()> {
    let mut zip = ZipWriter::new(BufWriter::new(file));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .with_alignment(ALIGNMENT);
    zip.start_file("archive/data.pkl", options)?;
    zip.write_all(&pickle(tensors, texts)?)?;
    zip.start_file("archive/byteorder", options)?;
    zip.write_all(b"little")?;
    for (index, (_, tensor)) in tensors.iter().enumerate() {
        let large = tensor.data_len() > u32::MAX as usize;
        zip.start_file(format!("archive/data/{index}"), options.large_file(large))?;
        zip.write_all(&tensor.data())?;
    }
    if let Some((name, text)) = note {
        zip.start_file(format!("archive/{name}"), options)?;
        zip.write_all(text.as_bytes())?;
    }
    zip.start_file("archive/version", options)?;
    zip.write_all(b"3\n")?;
    zip.finish()?.flush()
}

fn pickle(tensors: &[(String, Stored)], texts: Option<&[(&str, &str)]>) -> io::Result<Vec<u8>> {
    let mut pickle = Pickle(vec![0x80, 2]);
    if let Some(texts) = texts {
        pickle.0.extend(b"}(");
        for (key, text) in texts {
            pickle.text(key)?;
            pickle.text(text)?;
        }
        pickle.text(STATE_DICT)?;
    }
    pickle.0.extend(b"}(");
    for (index, (name, tensor)) in tensors.iter().enumerate() {
        pickle.text(name)?;
        pickle.tensor(index, tensor)?;
    }
    pickle.0.push(b'u');
    if texts.is_some() {
        pickle.0.push(b'u');
    }
    pickle.0.push(b'.');
    Ok(pickle.0)
}

/// A pickle as it grows.
struct Pickle(Vec<u8>);

impl Pickle {
    fn text(&mut self, text: &str) -> io::Result<()> {
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        self.0.push(b'X');
        self.0.extend(length.to_le_bytes());
        self.0.extend(text.as_bytes());
        Ok(())
    }

    fn whole(&mut self, number: usize) {
        match i32::try_from(number) {
            Ok(number) => {
                self.0.push(b'J');
                self.0.extend(number.to_le_bytes());
            }
            Err(_) => {
                self.0.extend([0x8a, 8]);
                self.0.extend((number as i64).to_le_bytes());
            }
        }
    }

    fn tuple(&mut self, numbers: &[usize]) {
        self.0.push(b'(');
        numbers.iter().for_each(|&number| self.whole(number));
        self.0.push(b't');
    }

    /// `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)`.
    fn tensor(&mut self, index: usize, tensor: &Stored) -> io::Result<()> {
        let storage: &[u8] = match tensor.dtype() {
            Dtype::F16 => b"HalfStorage",
            Dtype::F32 => b"FloatStorage",
            Dtype::F64 => b"DoubleStorage",
            Dtype::I64 => b"LongStorage",
            other => return Err(io::Error::other(format!("{other:?} is not stored"))),
        };
        let shape = tensor.shape();
        self.0.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        self.text("storage")?;
        self.0.extend(b"ctorch\n");
        self.0.extend(storage);
        self.0.push(b'\n');
        self.text(&index.to_string())?;
        self.text("cpu")?;
        self.whole(shape.iter().product());
        self.0.extend(b"tQ");
        self.whole(0);
        self.tuple(shape);
        self.tuple(&strides(shape));
        self.0.extend(b"\x89ccollections\nOrderedDict\n)RtR");
        Ok(())
    }
}

/// Steps between neighbours of a row-major tensor, in numbers.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides: Vec<usize> = shape
        .iter()
        .rev()
        .scan(1, |step, &size| {
            let stride = *step;
            *step *= size.max(1);
            Some(stride)
        })
        .collect();
    strides.reverse();
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_those_of_row_major_tensors() {
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(strides(&[]), [0; 0]);
        assert_eq!(strides(&[5, 1]), [1, 1]);
    }

    #[test]
    fn numbers_beyond_32_bits_are_written_whole() {
        let mut pickle = Pickle(Vec::new());
        pickle.whole(7);
        pickle.whole(1 << 40);
        let expected = [b'J', 7, 0, 0, 0, 0x8a, 8, 0, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(pickle.0, expected);
    }
}
