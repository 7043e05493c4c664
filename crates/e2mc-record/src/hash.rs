//! Hashes that say whether two results are of the same checkpoint, the same images, the same
//! labels.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Error;

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// Where the file cannot be read.
pub fn sha256(path: &Path) -> Result<String, Error> {
    sha256_joined(&[path])
}

/// The SHA-256 of files, one behind the other, in hexadecimal.
///
/// # Errors
/// Where one cannot be read.
pub fn sha256_joined(paths: &[impl AsRef<Path>]) -> Result<String, Error> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    for path in paths.iter().map(AsRef::as_ref) {
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        loop {
            let count = file.read(&mut piece).map_err(Error::io("read", path))?;
            if count == 0 {
                break;
            }
            hash.update(&piece[..count]);
        }
    }
    Ok(hexadecimal(hash))
}

/// The SHA-256 of a data set's image names and labels, in hexadecimal: the same list of images with
/// the same classes has the same fingerprint. It does not look at pixels.
pub fn data_fingerprint<N: AsRef<str>>(
    images: impl IntoIterator<Item = (N, Option<usize>)>,
) -> String {
    let mut hash = Sha256::new();
    for (name, label) in images {
        let name = name.as_ref();
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update(label.map_or(-1, |label| label as i64).to_le_bytes());
    }
    hexadecimal(hash)
}

/// The SHA-256 of a label subset, in hexadecimal: of the number of training rows and of the rows
/// that are learned from, in their order.
pub fn subset_fingerprint(train_rows: usize, rows: &[usize]) -> String {
    let mut hash = Sha256::new();
    hash.update((train_rows as u64).to_le_bytes());
    for &row in rows {
        hash.update((row as u64).to_le_bytes());
    }
    hexadecimal(hash)
}

fn hexadecimal(hash: Sha256) -> String {
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_hash_of_the_standard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&path).unwrap(), expected);
        let error = sha256(&folder.path().join("other")).unwrap_err();
        assert!(error.to_string().starts_with("cannot read "), "{error}");
    }

    #[test]
    fn fingerprints_tell_names_labels_and_orders_apart() {
        let of = |images: &[(&str, Option<usize>)]| data_fingerprint(images.iter().copied());
        let base = of(&[("a", Some(0)), ("b", Some(1))]);
        assert_eq!(base, of(&[("a", Some(0)), ("b", Some(1))]));
        for other in [
            of(&[("a", Some(0)), ("b", Some(0))]),
            of(&[("a", Some(0)), ("b", None)]),
            of(&[("b", Some(1)), ("a", Some(0))]),
            of(&[("a", Some(0))]),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(
            subset_fingerprint(9, &[1, 2]),
            subset_fingerprint(9, &[1, 2])
        );
        assert_ne!(
            subset_fingerprint(9, &[1, 2]),
            subset_fingerprint(8, &[1, 2])
        );
        assert_ne!(
            subset_fingerprint(9, &[1, 2]),
            subset_fingerprint(9, &[1, 3])
        );
    }
}
