//! Images in files of their own, or in shards, by an index.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::index::{Extent, Index};
use super::options::{OnBad, OpenOptions};
use crate::decode::{Wanted, decode_region};
use crate::geometry::Region;
use crate::{Dataset, Error, Image};

/// The most bytes that are read of an image: several times what
/// [`PIXEL_LIMIT`](crate::decode::PIXEL_LIMIT) pixels take without compression.
const FILE_LIMIT: u64 = 1 << 30;

thread_local! {
    /// The path and the bytes of the image that this thread reads; kept, so that reading allocates
    /// nothing.
    static SCRATCH: RefCell<(PathBuf, Vec<u8>)> = RefCell::default();
}

/// Images that were found in folders, in a list or in shards.
pub struct ImageFiles {
    /// What names are relative to.
    root: PathBuf,
    index: Index,
    /// The shards, open.
    shards: Vec<(PathBuf, File)>,
    max_bad: f64,
    /// Called once for each bad image.
    on_bad: Option<OnBad>,
    bad: Mutex<BTreeSet<usize>>,
}

impl fmt::Debug for ImageFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ImageFiles");
        debug.field("root", &self.root).field("images", &self.len());
        debug.finish_non_exhaustive()
    }
}

impl ImageFiles {
    /// Each image a file below `root`.
    pub(super) fn in_folder(root: &Path, index: Index, options: &OpenOptions<'_>) -> Self {
        Self {
            root: root.to_owned(),
            index,
            shards: Vec::new(),
            max_bad: options.max_bad,
            on_bad: options.on_bad.clone(),
            bad: Mutex::default(),
        }
    }

    /// Images in shards, which the index's extents refer to.
    pub(super) fn in_shards(
        paths: &[PathBuf],
        index: Index,
        options: &OpenOptions<'_>,
    ) -> Result<Self, Error> {
        let open = |path: &PathBuf| {
            let file = File::open(path).map_err(|source| Error::Read {
                path: path.clone(),
                source,
            });
            Ok((path.clone(), file?))
        };
        Ok(Self {
            shards: paths.iter().map(open).collect::<Result<_, Error>>()?,
            ..Self::in_folder(Path::new(""), index, options)
        })
    }

    /// Appends the path of an image; of one in a shard, the shard's and its own.
    fn path(&self, index: usize, path: &mut PathBuf) {
        path.clear();
        match self.index.extents.get(index) {
            Some(extent) => path.push(&self.shards[extent.shard as usize].0),
            None => path.push(&self.root),
        }
        path.push(self.index.names.get(index));
    }
}

impl Dataset for ImageFiles {
    fn len(&self) -> usize {
        self.index.names.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), Error> {
        self.read_region(index, &mut Region::of_size, image)
    }

    fn read_region(
        &self,
        index: usize,
        wanted: Wanted<'_>,
        image: &mut Image,
    ) -> Result<(), Error> {
        SCRATCH.with_borrow_mut(|(path, bytes)| {
            self.path(index, path);
            let read = match self.index.extents.get(index) {
                Some(extent) => read_extent(&self.shards[extent.shard as usize].1, *extent, bytes),
                None => read_file(path, bytes),
            };
            read.map_err(|failure| match failure {
                Failure::Io(source) if leads_nowhere(path, &source) => Error::DanglingLink {
                    target: fs::read_link(&path).unwrap_or_default(),
                    path: path.clone(),
                },
                Failure::Io(source) => Error::Read {
                    path: path.clone(),
                    source,
                },
                Failure::TooLarge(found) => Error::FileTooLarge {
                    name: path.display().to_string(),
                    found,
                    limit: FILE_LIMIT,
                },
            })?;
            decode_region(bytes, &path.display(), wanted, image)
        })
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.index.labels.get(index).map(|&label| label as usize)
    }

    fn classes(&self) -> &[String] {
        &self.index.classes
    }

    fn name(&self, index: usize) -> String {
        let mut path = PathBuf::new();
        self.path(index, &mut path);
        path.to_string_lossy().into_owned()
    }

    fn native_size(&self) -> Option<(usize, usize)> {
        None
    }

    fn bad_allowed(&self) -> usize {
        (self.max_bad * self.len() as f64) as usize
    }

    fn note_bad(&self, index: usize, reason: &str) {
        let mut bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
        if bad.insert(index)
            && let Some(on_bad) = &self.on_bad
        {
            on_bad(reason);
        }
    }

    fn warnings(&self) -> &[String] {
        &self.index.warnings
    }
}

/// Whether a failure to read says that a path is a link to what is not there.
pub(super) fn leads_nowhere(path: &Path, error: &io::Error) -> bool {
    // Too many links, which has no stable name yet.
    const LOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };
    let missing = matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    );
    (missing || error.raw_os_error() == Some(LOOP))
        && fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

/// Why a file cannot be read.
enum Failure {
    Io(io::Error),
    TooLarge(u64),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn check_length(length: u64) -> Result<(), Failure> {
    if length > FILE_LIMIT {
        return Err(Failure::TooLarge(length));
    }
    Ok(())
}

fn read_file(path: &Path, bytes: &mut Vec<u8>) -> Result<(), Failure> {
    bytes.clear();
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    // A device has no length that could be checked, and perhaps no end.
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file").into());
    }
    check_length(metadata.len())?;
    file.read_to_end(bytes)?;
    Ok(())
}

/// Reads an extent of a shard, whatever other threads read of it.
fn read_extent(shard: &File, extent: Extent, bytes: &mut Vec<u8>) -> Result<(), Failure> {
    check_length(u64::from(extent.length))?;
    bytes.resize(extent.length as usize, 0);
    #[cfg(unix)]
    std::os::unix::fs::FileExt::read_exact_at(shard, bytes, extent.start)?;
    #[cfg(windows)]
    {
        use std::os::windows::fs::FileExt;
        let mut done = 0;
        while done < bytes.len() {
            match shard.seek_read(&mut bytes[done..], extent.start + done as u64)? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                count => done += count,
            }
        }
    }
    Ok(())
}

/// The extensions that make a file a candidate, in any case. What it is, its content tells.
const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];
pub(super) const EXTENSION_LIST: &str = ".png, .jpg, .jpeg or .webp";

/// Whether a name looks like an image's.
pub(super) fn is_candidate(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|found| {
        EXTENSIONS
            .iter()
            .any(|wanted| found.eq_ignore_ascii_case(wanted))
    })
}
