//! Names of images: many in one buffer, and one as a line of text.
//!
//! In the buffer there are 8 bytes beside each name, where a `PathBuf` takes 24 and an allocation.

use std::borrow::Cow;
use std::ffi::OsStr;

/// A name as one line of text, so that a file of names has a line for each: `\n`, `\r` and `\t`
/// stand for a line feed, a carriage return and a tab, `\u{…}` for another control character or a
/// separator of lines or paragraphs by its number in hexadecimal, `\\` for a backslash. Every other
/// name is its own line. [`unescaped_name`] takes it back.
///
/// ```
/// use e2mc_data::dataset::{escaped_name, unescaped_name};
///
/// assert_eq!(escaped_name("cat/new\nline.png"), r"cat/new\nline.png");
/// assert_eq!(escaped_name("cat/ü 1.png"), "cat/ü 1.png");
/// assert_eq!(unescaped_name(r"cat/new\nline.png").as_deref(), Some("cat/new\nline.png"));
/// ```
pub fn escaped_name(name: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| {
        letter != '\\' && !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}')
    };
    if name.chars().all(is_plain) {
        return name.into();
    }
    let mut line = String::with_capacity(name.len() + 8);
    for letter in name.chars() {
        if is_plain(letter) {
            line.push(letter);
        } else {
            line.extend(letter.escape_default());
        }
    }
    line.into()
}

/// The name that [`escaped_name`] made a line of; `None` for what it does not make.
pub fn unescaped_name(line: &str) -> Option<Cow<'_, str>> {
    if !line.contains('\\') {
        return Some(line.into());
    }
    let mut name = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            name.push(letter);
            continue;
        }
        name.push(match letters.next()? {
            '\\' => '\\',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (number, rest) = letters.as_str().strip_prefix('{')?.split_once('}')?;
                letters = rest.chars();
                char::from_u32(u32::from_str_radix(number, 16).ok()?)?
            }
            _ => return None,
        });
    }
    Some(name.into())
}

/// Names by index, as the operating system has them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    /// Where each name ends.
    ends: Vec<u64>,
}

impl Names {
    pub(crate) fn push(&mut self, name: &OsStr) {
        self.bytes.extend_from_slice(name.as_encoded_bytes());
        self.ends.push(self.bytes.len() as u64);
    }

    pub(crate) fn append(&mut self, other: &Self) {
        let start = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| start + end));
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, index: usize) -> &OsStr {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let name = &self.bytes[start as usize..self.ends[index] as usize];
        // SAFETY: `push` is the only way in, and each name comes out as it went in; what was read
        // from a file went in through `from_raw`, whose caller vouches for it.
        unsafe { OsStr::from_encoded_bytes_unchecked(name) }
    }

    /// Gives back what growing has left over.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// The buffer and the ends, to be written to a file.
    pub(crate) fn raw(&self) -> (&[u8], &[u64]) {
        (&self.bytes, &self.ends)
    }

    /// Names that were written to a file. `None` where they cannot be such: only names that are
    /// UTF-8 are taken back, which are valid on every system.
    pub(crate) fn from_raw(bytes: Vec<u8>, ends: Vec<u64>) -> Option<Self> {
        let text = std::str::from_utf8(&bytes).ok()?;
        let whole = ends.last().copied().unwrap_or(0) == bytes.len() as u64;
        let sound = ends.is_sorted() && ends.iter().all(|&end| text.is_char_boundary(end as usize));
        (whole && sound).then_some(Self { bytes, ends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_out_as_they_went_in() {
        let mut names = Names::default();
        let list = ["a/b.jpg", "", "ü.png"];
        list.iter().for_each(|name| names.push(OsStr::new(name)));
        let mut twice = Names::default();
        twice.append(&names);
        twice.append(&names);
        assert_eq!(twice.len(), 6);
        assert!((0..6).all(|index| twice.get(index) == list[index % 3]));
        let (bytes, ends) = twice.raw();
        let again = Names::from_raw(bytes.to_vec(), ends.to_vec());
        assert_eq!(again, Some(twice));
    }

    #[test]
    fn every_name_is_one_line_and_comes_back() {
        for name in [
            "a\nb",
            "a\\nb",
            "\r\n",
            "tab\t",
            "\u{85}\u{2028}x",
            "plain ü.png",
            "\\",
            "",
        ] {
            let line = escaped_name(name);
            let breaks = |letter: char| letter.is_control() || letter == '\u{2028}';
            assert!(!line.contains(breaks), "{line}");
            assert_eq!(unescaped_name(&line).as_deref(), Some(name));
        }
        assert!(matches!(escaped_name("a/b.png"), Cow::Borrowed(_)));
        for line in ["\\", "a\\x", "\\u{", "\\u{d800}", "\\u{zz}"] {
            assert_eq!(unescaped_name(line), None, "{line}");
        }
    }

    #[test]
    fn buffers_that_do_not_fit_are_refused() {
        let refused = |bytes: &[u8], ends: &[u64]| {
            assert_eq!(Names::from_raw(bytes.to_vec(), ends.to_vec()), None);
        };
        refused(b"abc", &[2]);
        refused(b"abc", &[2, 1, 3]);
        refused("ü".as_bytes(), &[1, 2]);
        refused(b"\xff", &[1]);
    }
}
