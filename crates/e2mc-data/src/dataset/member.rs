//! What lies in a tar file of the WebDataset convention.
//!
//! Files whose names agree up to the first dot belong together: `000017.jpg`, with its
//! label in `000017.cls` or `000017.cls.txt` (a whole number, or a class's name) or in
//! `000017.json` (the first of some keys such as `label`). A name may have dots of its own,
//! `2024.01.05.png`: it is an image where its label has them too, or where nothing else of its kind
//! is there. Links are read as what they lead to. Images of other formats, with holes, or beside a
//! sample's image, are counted.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use tar::EntryType;

use super::index::Extent;
use super::names::Names;
use crate::Error;

/// The longest label.
const LABEL_LIMIT: u64 = 1024;
/// The longest JSON file that is searched for a label.
const JSON_LIMIT: u64 = 1 << 20;
/// Keys of a label in a JSON file; the first that is there counts.
const KEYS: [&str; 8] = [
    "label",
    "cls",
    "class",
    "class_id",
    "label_id",
    "target",
    "category",
    "class_name",
];
/// The extensions of images that can be read.
const READ: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
/// Those of images that cannot.
const OTHER: [&str; 17] = [
    "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm", "pnm", "jp2", "j2k", "heic", "heif", "avif",
    "jxl", "ico", "tga", "jfif",
];
/// How many links may lead to one another.
const MOST_LINKS: usize = 8;

/// What one archive holds.
#[derive(Default)]
pub(super) struct Shard {
    pub(super) names: Names,
    pub(super) extents: Vec<Extent>,
    /// The text of each image's label.
    pub(super) labels: Vec<Option<String>>,
    pub(super) left_out: LeftOut,
}

/// Why an image is left out.
#[derive(Clone, Copy)]
enum Reason {
    Format,
    Link,
    Holes,
    Beside,
}

impl Reason {
    const ALL: [Self; 4] = [Self::Format, Self::Link, Self::Holes, Self::Beside];

    fn text(self) -> &'static str {
        match self {
            Self::Format => "of other formats than JPEG, PNG and WebP",
            Self::Link => "as links to what is no image there",
            Self::Holes => "with holes (sparse)",
            Self::Beside => "as further fields of a sample",
        }
    }
}

/// Images that are left out: for each reason how many, and the first.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOut([(usize, Option<PathBuf>); 4]);

impl LeftOut {
    fn note(&mut self, reason: Reason, path: PathBuf) {
        let (count, first) = &mut self.0[reason as usize];
        *count += 1;
        first.get_or_insert(path);
    }

    pub(super) fn add(&mut self, other: Self) {
        for ((count, first), (more, next)) in self.0.iter_mut().zip(other.0) {
            *count += more;
            *first = first.take().or(next);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|(count, _)| count).sum()
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut start = "";
        for (reason, (count, first)) in Reason::ALL.into_iter().zip(&self.0) {
            if let Some(first) = first {
                let (text, first) = (reason.text(), first.display());
                write!(f, "{start}{count} {text}, the first {first}")?;
                start = "; ";
            }
        }
        Ok(())
    }
}

/// The files of an archive that matter, before it is known which are images with labels.
#[derive(Default)]
struct Members {
    /// By extension images, in the archive's order.
    images: Vec<(PathBuf, Place)>,
    /// Labels by what their files' names have in common with the image's.
    labels: HashMap<PathBuf, String>,
    /// Those in JSON files.
    json: HashMap<PathBuf, String>,
    left_out: Vec<(Reason, PathBuf)>,
}

/// Where an image lies.
enum Place {
    Here(Extent),
    /// Where another file of the archive does.
    At(PathBuf),
}

/// What an archive holds; `number`: which it is.
///
/// # Errors
/// The archive cannot be read or is damaged.
pub(super) fn read_shard(path: &Path, number: u32) -> Result<Shard, Error> {
    let fail = |source| Error::Shard {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    let length = file.metadata().map_err(fail)?.len();
    let mut archive = tar::Archive::new(BufReader::new(file));
    let mut members = Members::default();
    for entry in archive.entries_with_seek().map_err(fail)? {
        let mut entry = entry.map_err(fail)?;
        let pax_name = sparse_name(&mut entry).map_err(fail)?;
        let kind = entry.header().entry_type();
        let holes = pax_name.is_some() || kind == EntryType::GNUSparse;
        let name = match pax_name {
            Some(name) => name,
            None => entry.path().map_err(fail)?.into_owned(),
        };
        let Some(what) = What::of(&name) else {
            continue;
        };
        match (what, kind) {
            (_, EntryType::Directory) => {}
            (What::Other, _) => members.left_out.push((Reason::Format, name)),
            (What::Image, _) if holes => members.left_out.push((Reason::Holes, name)),
            (What::Image, EntryType::Symlink | EntryType::Link) => {
                let target = entry.link_name().map_err(fail)?.unwrap_or_default();
                let from = match kind {
                    EntryType::Symlink => name.parent().unwrap_or(Path::new("")),
                    _ => Path::new(""),
                };
                let target = resolved(&from.join(target));
                members.images.push((name, Place::At(target)));
            }
            (What::Image, EntryType::Regular | EntryType::Continuous) => {
                let (start, size) = (entry.raw_file_position(), entry.size());
                let whole = start.checked_add(size).is_some_and(|end| end <= length);
                let Some(size) = u32::try_from(size).ok().filter(|_| whole) else {
                    let message = format!("{} breaks off", name.display());
                    return Err(fail(std::io::Error::other(message)));
                };
                let extent = Extent {
                    shard: number,
                    length: size,
                    start,
                };
                members.images.push((name, Place::Here(extent)));
            }
            (What::Label(key), EntryType::Regular | EntryType::Continuous) if !holes => {
                let mut text = String::new();
                let mut start = (&mut entry).take(LABEL_LIMIT);
                start.read_to_string(&mut text).map_err(fail)?;
                members.labels.insert(key, text.trim().to_owned());
            }
            // A label of its own comes first, in the order of names too.
            (What::Json(key), EntryType::Regular | EntryType::Continuous)
                if !holes && entry.size() <= JSON_LIMIT && !members.labels.contains_key(&key) =>
            {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(fail)?;
                if let Some(label) = label_in_json(&bytes) {
                    members.json.insert(key, label);
                }
            }
            _ => {}
        }
    }
    Ok(members.sort_out(path))
}

/// The name of a file with holes that a PAX header describes.
fn sparse_name<R: Read>(entry: &mut tar::Entry<'_, R>) -> std::io::Result<Option<PathBuf>> {
    let Some(extensions) = entry.pax_extensions()? else {
        return Ok(None);
    };
    let (mut sparse, mut name) = (false, None);
    for extension in extensions.filter_map(Result::ok) {
        sparse |= extension.key_bytes().starts_with(b"GNU.sparse.");
        if extension.key_bytes() == b"GNU.sparse.name" {
            name = extension.value().ok().map(PathBuf::from);
        }
    }
    let own = || {
        entry
            .path()
            .map(|path| path.into_owned())
            .unwrap_or_default()
    };
    Ok(sparse.then(|| name.unwrap_or_else(own)))
}

impl Members {
    fn sort_out(self, path: &Path) -> Shard {
        let mut shard = Shard::default();
        for (reason, name) in self.left_out {
            shard.left_out.note(reason, path.join(name));
        }
        let label = |key: &Path| self.labels.get(key).or_else(|| self.json.get(key));
        let places: HashMap<PathBuf, &Place> = self
            .images
            .iter()
            .map(|(name, place)| (resolved(name), place))
            .collect();
        // What samples have as their image, and those of which there is a label.
        let plain: HashMap<PathBuf, ()> = self
            .images
            .iter()
            .filter_map(|(name, _)| Some((plain_key(name)?, ())))
            .collect();
        for (name, place) in &self.images {
            let stem = name.with_extension("");
            let sample = sample_key(name);
            let is_image = plain_key(name).is_some()
                || label(&stem).is_some()
                || !plain.contains_key(&sample) && label(&sample).is_none() && has_number(&stem);
            if !is_image {
                shard.left_out.note(Reason::Beside, path.join(name));
                continue;
            }
            let mut place = Some(place);
            for _ in 0..MOST_LINKS {
                if let Some(Place::At(target)) = place {
                    place = places.get(target).copied();
                }
            }
            let Some(Place::Here(extent)) = place else {
                shard.left_out.note(Reason::Link, path.join(name));
                continue;
            };
            shard.names.push(name.as_os_str());
            shard.extents.push(*extent);
            shard.labels.push(label(&stem).cloned());
        }
        shard
    }
}

/// What a file is, by its name.
enum What {
    Image,
    /// An image that cannot be read.
    Other,
    Label(PathBuf),
    Json(PathBuf),
}

impl What {
    /// `None` for what does not matter.
    fn of(name: &Path) -> Option<Self> {
        let file = name.file_name()?.to_str()?;
        if file.starts_with('.') {
            return None;
        }
        let (stem, extension) = file.rsplit_once('.')?;
        let extension = extension.to_ascii_lowercase();
        match extension.as_str() {
            "cls" => Some(Self::Label(name.with_file_name(stem))),
            "txt" => {
                let stem = stem.strip_suffix(".cls").or(stem.strip_suffix(".CLS"))?;
                Some(Self::Label(name.with_file_name(stem)))
            }
            "json" => Some(Self::Json(name.with_file_name(stem))),
            read if READ.contains(&read) => Some(Self::Image),
            other if OTHER.contains(&other) => Some(Self::Other),
            _ => None,
        }
    }
}

/// What the files of a sample have in common: the name up to its first dot.
fn sample_key(name: &Path) -> PathBuf {
    let file = name.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let stem = file.split_once('.').map_or(file, |(stem, _)| stem);
    name.with_file_name(stem)
}

/// The same for an image with one dot, which is its sample's.
fn plain_key(name: &Path) -> Option<PathBuf> {
    let key = sample_key(name);
    (key == name.with_extension("")).then_some(key)
}

/// Whether what stands behind the first dot of a name holds a number, as dates and versions do.
fn has_number(stem: &Path) -> bool {
    let file = stem.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let behind = file.split_once('.').map_or("", |(_, behind)| behind);
    behind.bytes().any(|byte| byte.is_ascii_digit())
}

/// A path without `.` and `..`.
fn resolved(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                whole.pop();
            }
            Component::Normal(name) => whole.push(name),
            _ => {}
        }
    }
    whole
}

/// A label in a JSON file: that of the first known key, or all that there is.
fn label_in_json(bytes: &[u8]) -> Option<String> {
    use serde_json::Value;
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let value = match &value {
        Value::Object(fields) => KEYS.iter().find_map(|key| fields.get(*key))?,
        other => other,
    };
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_in_json_are_numbers_or_texts() {
        let label = |text: &str| label_in_json(text.as_bytes());
        assert_eq!(label("{\"label\": 3}").as_deref(), Some("3"));
        assert_eq!(
            label("{\"x\": 1, \"cls\": \" cat \"}").as_deref(),
            Some("cat")
        );
        assert_eq!(label("7").as_deref(), Some("7"));
        for none in [
            "{}",
            "{\"caption\": \"x\"}",
            "{\"label\": [1]}",
            "{",
            "",
            "null",
        ] {
            assert_eq!(label(none), None, "{none}");
        }
    }

    #[test]
    fn paths_of_links_are_resolved() {
        assert_eq!(
            resolved(Path::new("./a/../b/./c.png")),
            Path::new("b/c.png")
        );
        assert_eq!(resolved(Path::new("../../c.png")), Path::new("c.png"));
    }
}
