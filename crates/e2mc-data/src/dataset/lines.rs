//! Lines of text files that list images.

use std::path::Path;

use super::files::is_candidate;
use crate::Error;

/// The most characters of a line that a message repeats.
const REPEATED: usize = 80;

/// A line that cannot be understood.
pub(super) fn damaged(path: &Path, line: usize, expected: &str, found: &str) -> Error {
    Error::List {
        path: path.to_owned(),
        line,
        expected: expected.to_owned(),
        found: match found.char_indices().nth(REPEATED) {
            Some((end, _)) => format!("{}…", &found[..end]),
            None => found.to_owned(),
        },
    }
}

/// The lines that say something, with their numbers from 1 on.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.trim_start_matches('\u{feff}').lines().zip(1..);
    let lines = lines.map(|(line, number)| (number, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Whether a text ends as an image's name does.
pub(super) fn is_image(text: &str) -> bool {
    is_candidate(Path::new(text))
}
