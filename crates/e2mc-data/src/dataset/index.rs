//! What a data set of files knows about its images, and how that is kept from one run to the next.
//!
//! Listing a million files takes minutes on a busy network disk. The result can be kept in a cache
//! folder, in one file for each data set, together with the time of change (and for files the size)
//! of everything it was made from: every folder that was listed, every shard that was read. A cache
//! that does not match in all of these, or in its own check sum, is made anew.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Crc;

use super::labels;
use super::names::Names;
use crate::Error;

const MAGIC: &[u8; 16] = b"e2mc-index-v003\n";
/// What changed more recently may change again without its time of change showing it.
const SETTLED: Duration = Duration::from_secs(2);

/// The images of a data set: names, labels, and where in a shard they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) names: Names,
    /// One for each image, or none at all; or one for each of the first images, and the others have
    /// no label.
    pub(crate) labels: Vec<u32>,
    pub(crate) classes: Vec<String>,
    /// Where each image lies, if it is not a file of its own.
    pub(crate) extents: Vec<Extent>,
    pub(crate) warnings: Vec<String>,
    /// What the index was made from.
    pub(crate) sources: Vec<Source>,
}

/// The bytes of an image within a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) shard: u32,
    pub(crate) length: u32,
    pub(crate) start: u64,
}

/// A folder or file with its time of change (nanoseconds since 1970) and, for a file, its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    path: PathBuf,
    changed: i128,
    size: u64,
}

impl Source {
    /// The present state of a folder or file.
    pub(crate) fn of(path: &Path) -> Result<Self, Error> {
        let fail = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let metadata = fs::metadata(path).map_err(fail)?;
        let changed = match metadata
            .modified()
            .map_err(fail)?
            .duration_since(UNIX_EPOCH)
        {
            Ok(after) => after.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        };
        // The size of a folder means nothing.
        let size = if metadata.is_file() {
            metadata.len()
        } else {
            0
        };
        Ok(Self {
            path: path.to_owned(),
            changed,
            size,
        })
    }
}

impl Index {
    /// The index of `root` as it was kept in the folder `cache`, if it still holds; else what
    /// `make` makes, which is then kept. A cache that cannot be read or written is as good as none.
    pub(crate) fn cached(
        cache: Option<&Path>,
        root: &Path,
        make: impl FnOnce() -> Result<Self, Error>,
    ) -> Result<Self, Error> {
        let path = cache.and_then(|folder| Some(folder.join(file_name(root)?)));
        let kept = path.as_deref().and_then(|path| Self::load(path, root));
        if let Some(index) = kept.filter(Self::holds) {
            return Ok(index);
        }
        let started = SystemTime::now();
        let index = make()?;
        if let Some(path) = path
            && index.is_settled(started)
        {
            // The next run will list again, that is all.
            let _ = index.save(&path, root);
        }
        Ok(index)
    }

    /// Notes one more thing that it was made from.
    pub(crate) fn add_source(&mut self, path: &Path) -> Result<(), Error> {
        self.sources.push(Source::of(path)?);
        Ok(())
    }

    /// Takes the classes of another split of the data set into account, so that a label means the
    /// same in both.
    pub(crate) fn unite(&mut self, other: &[String]) {
        labels::unite(&mut self.labels, &mut self.classes, other);
    }

    /// Whether nothing has changed since.
    fn holds(&self) -> bool {
        let same = |source: &Source| Source::of(&source.path).is_ok_and(|now| now == *source);
        self.sources.iter().all(same)
    }

    fn is_settled(&self, started: SystemTime) -> bool {
        let limit = started.checked_sub(SETTLED);
        let limit = limit.and_then(|limit| limit.duration_since(UNIX_EPOCH).ok());
        limit.is_some_and(|limit| {
            let limit = limit.as_nanos() as i128;
            self.sources.iter().all(|source| source.changed < limit)
        })
    }

    /// Writes beside the place and renames, so that nobody reads half a file.
    fn save(&self, path: &Path, root: &Path) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        e2mc_base::write_atomically_with(path, |file| self.write(file, root))
    }

    fn write(&self, file: &mut File, root: &Path) -> std::io::Result<()> {
        let mut out = Writer {
            out: BufWriter::new(file),
            sum: Crc::new(),
        };
        out.bytes(MAGIC)?;
        out.text(root.as_os_str().as_encoded_bytes())?;
        out.number(self.sources.len() as u64)?;
        for source in &self.sources {
            out.text(source.path.as_os_str().as_encoded_bytes())?;
            out.bytes(&source.changed.to_le_bytes())?;
            out.number(source.size)?;
        }
        for list in [&self.classes, &self.warnings] {
            out.number(list.len() as u64)?;
            list.iter().try_for_each(|text| out.text(text.as_bytes()))?;
        }
        out.number(self.labels.len() as u64)?;
        for label in &self.labels {
            out.bytes(&label.to_le_bytes())?;
        }
        out.number(self.extents.len() as u64)?;
        for extent in &self.extents {
            out.bytes(&extent.shard.to_le_bytes())?;
            out.bytes(&extent.length.to_le_bytes())?;
            out.number(extent.start)?;
        }
        let (bytes, ends) = self.names.raw();
        out.number(ends.len() as u64)?;
        ends.iter().try_for_each(|&end| out.number(end))?;
        out.text(bytes)?;
        let sum = out.sum.sum();
        out.bytes(&sum.to_le_bytes())?;
        out.out.flush()
    }

    /// `None` if there is no such file, or it is damaged or of another root or version.
    fn load(path: &Path, root: &Path) -> Option<Self> {
        let mut bytes = Vec::new();
        File::open(path).ok()?.read_to_end(&mut bytes).ok()?;
        let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        let mut check = Crc::new();
        check.update(content);
        if check.sum().to_le_bytes() != sum {
            return None;
        }
        let mut rest = Reader(content);
        if rest.bytes(MAGIC.len())? != MAGIC || rest.text()? != root.as_os_str().as_encoded_bytes()
        {
            return None;
        }
        let mut index = Self::default();
        for _ in 0..rest.number()? {
            index.sources.push(Source {
                path: PathBuf::from(rest.string()?),
                changed: i128::from_le_bytes(rest.bytes(16)?.try_into().ok()?),
                size: rest.number()?,
            });
        }
        for list in [&mut index.classes, &mut index.warnings] {
            for _ in 0..rest.number()? {
                list.push(rest.string()?);
            }
        }
        let labels = rest.count(4)?;
        let number = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
        index.labels = rest
            .bytes(4 * labels)?
            .as_chunks()
            .0
            .iter()
            .map(number)
            .collect();
        let extents = rest.count(16)?;
        let extent = |bytes: &[u8; 16]| {
            let all = u128::from_le_bytes(*bytes);
            Extent {
                shard: all as u32,
                length: (all >> 32) as u32,
                start: (all >> 64) as u64,
            }
        };
        index.extents = rest
            .bytes(16 * extents)?
            .as_chunks()
            .0
            .iter()
            .map(extent)
            .collect();
        let names = rest.count(8)?;
        let end = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        let ends = rest
            .bytes(8 * names)?
            .as_chunks()
            .0
            .iter()
            .map(end)
            .collect();
        index.names = Names::from_raw(rest.text()?.to_vec(), ends)?;
        let fits = |length: usize| length == 0 || length == names;
        let labelled = index
            .labels
            .iter()
            .all(|&label| (label as usize) < index.classes.len());
        (rest.0.is_empty() && fits(labels) && fits(extents) && labelled).then_some(index)
    }
}

/// Where lists of files are kept between runs: `e2mc/index` in the user's cache folder
/// (`XDG_CACHE_HOME`, or `~/.cache`); `None` where neither is an absolute path.
pub fn cache_folder() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Some(cache?.join("e2mc").join("index"))
}

/// The name of a root's file in the cache folder; `None` where there is no such root.
fn file_name(root: &Path) -> Option<String> {
    let root = match fs::canonicalize(root) {
        Ok(root) => root,
        Err(_) => fs::canonicalize(root.parent()?)
            .ok()?
            .join(root.file_name()?),
    };
    // A split of a folder of shards is named below the folder, where nothing needs to be.
    // FNV-1a: a different root with the same sum is told by its name in the file.
    let sum = root
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum: u64, &byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    Some(format!("{sum:016x}.index"))
}

/// Writes and sums up.
struct Writer<W> {
    out: W,
    sum: Crc,
}

impl<W: Write> Writer<W> {
    fn bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.sum.update(bytes);
        self.out.write_all(bytes)
    }

    fn number(&mut self, number: u64) -> std::io::Result<()> {
        self.bytes(&number.to_le_bytes())
    }

    fn text(&mut self, text: &[u8]) -> std::io::Result<()> {
        self.number(text.len() as u64)?;
        self.bytes(text)
    }
}

/// Reads what is left, as far as it goes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }

    /// A number of items of a size, as many as there can be.
    fn count(&mut self, size: usize) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len() / size).then_some(count)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.count(1)?;
        self.bytes(length)
    }

    fn string(&mut self) -> Option<String> {
        String::from_utf8(self.text()?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    fn index(root: &Path) -> Index {
        let mut names = Names::default();
        names.push(OsStr::new("a/1.jpg"));
        names.push(OsStr::new("b/2.jpg"));
        Index {
            names,
            labels: vec![0, 1],
            classes: vec!["a".to_owned(), "b".to_owned()],
            extents: vec![
                Extent {
                    shard: 3,
                    length: 4,
                    start: 1 << 40,
                };
                2
            ],
            warnings: vec!["odd".to_owned()],
            sources: vec![Source::of(root).unwrap()],
        }
    }

    /// Dates a folder back, so that it counts as settled.
    fn age(path: &Path, seconds: u64) {
        let then = SystemTime::now() - Duration::from_secs(seconds);
        File::open(path).unwrap().set_modified(then).unwrap();
    }

    #[test]
    fn an_index_is_kept_until_its_source_changes() {
        let (root, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        age(root.path(), 60);
        let get = |made: &mut usize| {
            let cached = Index::cached(Some(cache.path()), root.path(), || {
                *made += 1;
                Ok(index(root.path()))
            });
            assert_eq!(cached.unwrap(), index(root.path()));
        };
        let mut made = 0;
        get(&mut made);
        get(&mut made);
        assert_eq!(made, 1);
        age(root.path(), 50);
        get(&mut made);
        get(&mut made);
        assert_eq!(made, 2);
        // What has just changed may change again unseen, and is not kept.
        age(root.path(), 0);
        get(&mut made);
        get(&mut made);
        assert_eq!(made, 4);
    }

    #[test]
    fn damaged_files_are_as_good_as_none() {
        let (root, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = cache.path().join("x");
        index(root.path()).save(&path, root.path()).unwrap();
        assert!(Index::load(&path, root.path()).is_some());
        assert!(Index::load(&path, cache.path()).is_none());
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(Index::load(&path, root.path()).is_none(), "{length}");
        }
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x40;
            fs::write(&path, &bytes).unwrap();
            assert!(Index::load(&path, root.path()).is_none(), "{place}");
        }
    }
}
