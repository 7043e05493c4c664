//! Which program this process runs: those that compute a step together must do the very same.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::raw::libtorch_version;

/// What tells programs apart.
#[derive(Debug)]
pub(super) struct Program {
    /// Version, and the beginning of the SHA-256 of the program's file: any change to the code
    /// makes another one, whether or not somebody has given it another version.
    pub(super) build: String,
    /// The version of the libtorch that is loaded.
    pub(super) libtorch: String,
}

impl Program {
    /// The program of this process.
    ///
    /// # Errors
    /// Where the program's file cannot be read.
    pub(super) fn own() -> io::Result<Self> {
        let hash = sha256(File::open(own_file()?)?)?;
        let hash: String = hash[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            build: format!("{} ({hash})", env!("CARGO_PKG_VERSION")),
            libtorch: libtorch_version(),
        })
    }
}

/// The file that this process runs, even where another lies under its name by now.
fn own_file() -> io::Result<PathBuf> {
    match cfg!(target_os = "linux") {
        true => Ok("/proc/self/exe".into()),
        false => std::env::current_exe(),
    }
}

fn sha256(mut file: File) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 18];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(count) => hash.update(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_its_version_its_file_and_its_libtorch() {
        let own = Program::own().unwrap();
        let (version, hash) = own.build.split_once(" (").unwrap();
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
        assert_eq!(hash.len(), "0123456789ab)".len());
        // The series that torch-sys is made for.
        assert!(own.libtorch.starts_with("2.11."), "{}", own.libtorch);
    }

    #[test]
    fn the_hash_is_sha256() {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&path, "abc").unwrap();
        let hash = sha256(File::open(&path).unwrap()).unwrap();
        assert_eq!(hash[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
