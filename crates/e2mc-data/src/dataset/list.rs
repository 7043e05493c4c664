//! Text files that list images: one a line, with a label or without.
//!
//! `path<TAB>label`, `path,label` or `path label`, the same in all lines; paths are relative to the
//! file's folder. Empty lines and lines that start with `#` are skipped, and so is a header. A
//! table with a header may have more columns, among them pandas' index (see
//! [`table`](super::table)). Labels are whole numbers, or names of classes.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::index::{Index, Source};
use super::labels;
use super::lines::{damaged, is_image, lines};
use super::table::{self, Row, is_path_column};
use crate::Error;

/// The most bytes of a line: several times the longest path, so that what is no list is not
/// searched.
const LONGEST: usize = 1 << 14;

/// How many of a list's images may be missing at its start before it is another folder's list, or
/// none of images.
const SOUGHT: usize = 16;

/// The images of a list whose paths begin at its own folder.
///
/// # Errors
/// As [`read_list`]; there is none of the first images.
pub(super) fn read_list_of_folder(path: &Path) -> Result<Index, Error> {
    let folder = path.parent().unwrap_or(Path::new(""));
    read(path, |rows| {
        let there = |row: &Row<'_>| folder.join(row.path.as_ref()).symlink_metadata().is_ok();
        match rows.iter().take(SOUGHT).any(there) {
            true => Ok(()),
            false => {
                let expected = "an image's path, relative to the list's folder";
                let found = format!("{}, and there is no such file", rows[0].path);
                Err(damaged(path, rows[0].line, expected, &found))
            }
        }
    })
}

/// The images of a list.
///
/// # Errors
/// The file cannot be read or is no text, it lists nothing, or its lines are not alike: with a
/// label and without, or with numbers and with names.
pub(super) fn read_list(path: &Path) -> Result<Index, Error> {
    read(path, |_| Ok(()))
}

fn read(path: &Path, check: impl Fn(&[Row<'_>]) -> Result<(), Error>) -> Result<Index, Error> {
    let source = Source::of(path)?;
    let bytes = fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    let damaged = |line: usize, expected: &str, found: &str| damaged(path, line, expected, found);
    let text = str::from_utf8(&bytes).map_err(|error| {
        let line = 1 + memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count();
        damaged(line, "a list of images in UTF-8", "other bytes")
    })?;
    if let Some((number, line)) = lines(text).find(|(_, line)| line.len() > LONGEST) {
        let expected = format!("a path, or a path and a label, in at most {LONGEST} bytes");
        return Err(damaged(number, &expected, line));
    }
    let mut index = Index::default();
    let rows = match table::read(text, path)? {
        Some((rows, warnings)) => {
            index.warnings = warnings;
            rows
        }
        None => plain_rows(text, path, &mut index.warnings)?,
    };
    if rows.is_empty() {
        return Err(damaged(1, "a path", "an empty list"));
    }
    for row in &rows {
        index.names.push(OsStr::new(row.path.as_ref()));
    }
    let texts: Vec<_> = rows.iter().filter_map(|row| row.label.as_deref()).collect();
    if !texts.is_empty() {
        (index.labels, index.classes) = labels::from_texts(&texts)
            .map_err(|mix| damaged(rows[mix.place].line, &mix.expected(), texts[mix.place]))?;
    }
    check(&rows)?;
    index.names.shrink();
    index.sources.push(source);
    Ok(index)
}

/// The rows of a file without columns: paths may hold commas and blanks.
fn plain_rows<'a>(
    text: &'a str,
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Vec<Row<'a>>, Error> {
    let damaged = |line: usize, expected: &str, found: &str| damaged(path, line, expected, found);
    let folder = path.parent().unwrap_or(Path::new(""));
    let header = lines(text)
        .next()
        .filter(|(_, line)| is_header(line, folder));
    if let Some((_, line)) = header {
        warnings.push(table::header_warning(path, line));
    }
    let lines = || lines(text).skip(usize::from(header.is_some()));
    let separator = Separator::of(|| lines().map(|(_, line)| line));
    let mut rows = Vec::new();
    for (number, line) in lines() {
        let Some(separator) = separator else {
            let splits = |separator: &Separator| separator.split(line).is_some();
            if !is_image(line) && Separator::ALL.iter().any(splits) {
                return Err(damaged(number, "no label, as before", line));
            }
            rows.push(Row::new(number, line, None));
            continue;
        };
        let Some((name, label)) = separator.split(line) else {
            return Err(damaged(number, "a label, as before", line));
        };
        if name.is_empty() || label.is_empty() {
            return Err(damaged(number, "a path, or a path and a label", line));
        }
        if !is_image(name) && separator.pieces(name).any(is_image) {
            return Err(damaged(number, "a path and one label", line));
        }
        rows.push(Row::new(number, name, Some(label)));
    }
    Ok(rows)
}

/// Whether a first line names columns: it starts with the name of one, has no number, and there is
/// no such file.
fn is_header(line: &str, folder: &Path) -> bool {
    let mut fields = line
        .split(['\t', ',', ' '])
        .map(|field| field.trim().trim_matches('"'));
    let first = fields.next().unwrap_or_default();
    is_path_column(first)
        && fields.all(|field| field.parse::<f64>().is_err())
        && !folder.join(first).exists()
        && !folder.join(line).exists()
}

/// What stands between a path and its label.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Separator {
    Tab,
    Comma,
    Blank,
}

impl Separator {
    const ALL: [Self; 3] = [Self::Tab, Self::Comma, Self::Blank];

    fn is(self, found: char) -> bool {
        match self {
            Self::Tab => found == '\t',
            Self::Comma => found == ',',
            Self::Blank => found.is_whitespace(),
        }
    }

    /// A line's path and label, divided at the last separator: what ends like an image is no label.
    fn split(self, line: &str) -> Option<(&str, &str)> {
        let (path, label) = line.rsplit_once(|found| self.is(found))?;
        let (path, label) = (path.trim(), label.trim());
        (!is_image(label)).then_some((path, label))
    }

    /// What stands between separators.
    fn pieces(self, text: &str) -> impl Iterator<Item = &str> {
        text.split(move |found| self.is(found))
    }

    /// What these lines have, `None` for paths alone. Paths may hold commas and blanks, so that all
    /// lines decide together: the first separator that leaves paths which end like images; or else
    /// the first that all lines have; or else what the first line has, and the others will be
    /// refused.
    fn of<'a, L: Iterator<Item = &'a str>>(lines: impl Fn() -> L) -> Option<Self> {
        if lines().all(is_image) {
            return None;
        }
        let fits = |separator: &Self, of_images: bool| {
            lines().all(|line| {
                let fields = separator.split(line);
                fields.is_some_and(|(path, label)| {
                    !label.is_empty() && !path.is_empty() && (!of_images || is_image(path))
                })
            })
        };
        let find = |of_images| {
            let mut all = Self::ALL.into_iter();
            all.find(|separator| fits(separator, of_images))
        };
        find(true).or_else(|| find(false)).or_else(|| {
            let first = lines().next().filter(|line| !is_image(line))?;
            let mut all = Self::ALL.into_iter();
            all.find(|separator| separator.split(first).is_some())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lines_decide_on_the_separator() {
        let of = |lines: &[&'static str]| Separator::of(|| lines.iter().copied());
        assert_eq!(of(&["a,b.jpg", "c d.png"]), None);
        assert_eq!(of(&["a,b.jpg 1", "c.png 0"]), Some(Separator::Blank));
        assert_eq!(
            of(&["a b.jpg,big dog", "c.png,cat"]),
            Some(Separator::Comma)
        );
        assert_eq!(of(&["a.jpg\tx, y", "c.png\tcat"]), Some(Separator::Tab));
        assert_eq!(of(&["a.jpg\tdog", "c.png cat"]), Some(Separator::Blank));
        // Names that do not end like images.
        assert_eq!(of(&["0001 3", "0002 4"]), Some(Separator::Blank));
        assert_eq!(of(&["0001,a b", "0002,c d"]), Some(Separator::Comma));
        assert_eq!(of(&["0001", "0002"]), None);
    }
}
