//! Tables of images, as pandas and spreadsheets write them: fields between commas or tabs, in
//! quotes where they hold such, under a header that names them.

use std::borrow::Cow;
use std::path::Path;

use super::lines::{damaged, is_image, lines};
use crate::Error;

/// What the column of paths may be called.
const PATHS: [&str; 19] = [
    "path",
    "paths",
    "file",
    "files",
    "filename",
    "filenames",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "images",
    "image_path",
    "image_name",
    "img",
    "img_path",
    "img_name",
    "name",
    "id",
    "image_id",
];
/// What the column of labels may be called.
const LABELS: [&str; 18] = [
    "label",
    "labels",
    "class",
    "classes",
    "class_id",
    "class_name",
    "classid",
    "classname",
    "label_id",
    "label_name",
    "category",
    "category_id",
    "target",
    "targets",
    "y",
    "species",
    "diagnosis",
    "breed",
];
/// What pandas calls the column of row numbers.
const INDICES: [&str; 4] = ["", "unnamed: 0", "index", "level_0"];

/// An image of a list.
pub(super) struct Row<'a> {
    /// The line's number, from 1 on.
    pub(super) line: usize,
    pub(super) path: Cow<'a, str>,
    pub(super) label: Option<Cow<'a, str>>,
}

impl<'a> Row<'a> {
    pub(super) fn new(line: usize, path: &'a str, label: Option<&'a str>) -> Self {
        Self {
            line,
            path: path.into(),
            label: label.map(Cow::from),
        }
    }
}

/// Whether a column of this name holds paths.
pub(super) fn is_path_column(name: &str) -> bool {
    PATHS.iter().any(|path| name.eq_ignore_ascii_case(path))
}

pub(super) fn header_warning(path: &Path, line: &str) -> String {
    format!(
        "{}: the first line, {line:?}, was taken for a header",
        path.display()
    )
}

/// The rows of a table, and what the user should know of it.
type Table<'a> = (Vec<Row<'a>>, Vec<String>);

/// The rows of a table, and what the user should know of it; `None` for a file that is none: it has
/// neither quoted fields nor a header of other columns than a path and a label behind it.
///
/// # Errors
/// Rows have not as many fields as the header, or it is unclear which column holds the paths or the
/// labels.
pub(super) fn read<'a>(text: &'a str, path: &Path) -> Result<Option<Table<'a>>, Error> {
    let Some((number, _)) = lines(text).next() else {
        return Ok(None);
    };
    // With the blanks at its ends, of which a tab may stand behind a column without a name.
    let first = text.trim_start_matches('\u{feff}').lines().nth(number - 1);
    let first = first.unwrap_or_default();
    let Some(separator) = ['\t', ','].into_iter().find(|&found| first.contains(found)) else {
        return Ok(None);
    };
    let inner = [format!("{separator}\""), format!("{separator} \"")];
    let quoted = |line: &str| {
        line.starts_with('"') || inner.iter().any(|start| line.contains(start.as_str()))
    };
    let any_quoted = lines(text).any(|(_, line)| quoted(line));
    let head = records(first, separator, path)?;
    let Some((_, first_fields)) = head.first() else {
        return Ok(None);
    };
    let header = is_header(first_fields, path);
    let columns = first_fields.len();
    let boxed = !header && is_boxed(first_fields);
    // A plain list has its paths first.
    let listed = columns < 3
        && first_fields
            .first()
            .is_some_and(|name| is_path_column(name));
    if !any_quoted && !boxed && (!header || listed) {
        return Ok(None);
    }
    let records = records(text, separator, path)?;
    let mut warnings = Vec::new();
    let (paths, labels) = if header {
        warnings.push(header_warning(path, first));
        let after = records.get(1).map(|(_, fields)| &fields[..]);
        let (paths, labels, left) = columns_of(first_fields, after.unwrap_or_default())
            .map_err(|expected| damaged(path, 1, expected, first))?;
        if !left.is_empty() {
            warnings.push(format!(
                "{}: columns that are neither path nor label are left out: {}",
                path.display(),
                left.join(", ")
            ));
        }
        (paths, labels)
    } else {
        match columns {
            2 => (0, Some(1)),
            _ if boxed => (0, Some(1)),
            _ => return Ok(None),
        }
    };
    let mut rows = Vec::new();
    for (line, fields) in records.into_iter().skip(usize::from(header)) {
        if fields.len() != columns {
            let expected = format!("{columns} fields, as in the first line");
            return Err(damaged(path, line, &expected, &fields.join(",")));
        }
        let label = labels.map(|column| fields[column].clone());
        let name = fields[paths].clone();
        if name.is_empty() || label.as_ref().is_some_and(String::is_empty) {
            let expected = "a path, or a path and a label";
            return Err(damaged(path, line, expected, &fields.join(",")));
        }
        rows.push(Row {
            line,
            path: name.into(),
            label: label.map(Cow::from),
        });
    }
    Ok(Some((rows, warnings)))
}

/// Whether a record is an image, its label and the four numbers of a box, as Tiny ImageNet has
/// them.
fn is_boxed(fields: &[String]) -> bool {
    let [image, label, sides @ ..] = fields else {
        return false;
    };
    let is_number = |text: &String| text.parse::<f64>().is_ok();
    is_image(image) && !is_image(label) && sides.len() == 4 && sides.iter().all(is_number)
}

/// Records of fields with the numbers of their lines; those that are empty or start with `#` are
/// skipped.
fn records(text: &str, separator: char, path: &Path) -> Result<Vec<(usize, Vec<String>)>, Error> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator as u8)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    let mut lines = Lines {
        text,
        byte: 0,
        line: 1,
    };
    for record in reader.records() {
        let record = record.map_err(|error| {
            let byte = error.position().map_or(0, csv::Position::byte);
            let line = lines.of_record(byte);
            damaged(path, line, "fields in UTF-8", &error.to_string())
        })?;
        let line = lines.of_record(record.position().map_or(0, csv::Position::byte));
        let fields: Vec<String> = record.iter().map(str::to_owned).collect();
        if fields.iter().any(|field| !field.is_empty()) {
            records.push((line, fields));
        }
    }
    Ok(records)
}

/// Counts lines as records are read.
struct Lines<'a> {
    text: &'a str,
    byte: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of a record that the reader began to look for at this byte: what it passes over, it
    /// counts to the record.
    fn of_record(&mut self, byte: u64) -> usize {
        let bytes = self.text.as_bytes();
        let mut start = usize::try_from(byte).unwrap_or(usize::MAX).min(bytes.len());
        loop {
            match bytes.get(start) {
                Some(b'\r' | b'\n') => start += 1,
                Some(b'#') => {
                    let rest = &bytes[start..];
                    start += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                }
                _ => break,
            }
        }
        self.line += memchr::memchr_iter(b'\n', &bytes[self.byte..start.max(self.byte)]).count();
        self.byte = start.max(self.byte);
        self.line
    }
}

/// Whether a first record names columns: one of paths, none by a number, and none is an image's
/// name or a file's.
fn is_header(fields: &[String], path: &Path) -> bool {
    let folder = path.parent().unwrap_or(Path::new(""));
    let is_data = |field: &String| {
        field.parse::<f64>().is_ok()
            || is_image(field)
            || !field.is_empty() && is_path_column(field) && folder.join(field).is_file()
    };
    fields.iter().any(|field| is_path_column(field)) && !fields.iter().any(is_data)
}

/// Which columns hold paths and labels, and the names of the others but for pandas' index. `after`:
/// the first record below the header.
///
/// # Errors
/// What was expected.
fn columns_of<'a>(
    header: &'a [String],
    after: &[String],
) -> Result<(usize, Option<usize>, Vec<&'a str>), &'static str> {
    let mut paths: Vec<usize> = (0..header.len())
        .filter(|&column| is_path_column(&header[column]))
        .collect();
    // Of several columns, keep those that name images: `id` beside `path` does not.
    let named = |column: &usize| after.get(*column).is_some_and(|field| is_image(field));
    if paths.iter().any(named) {
        paths.retain(named);
    }
    let &[paths] = &paths[..] else {
        return Err("one column of paths");
    };
    let is_index = |name: &str| INDICES.iter().any(|index| name.eq_ignore_ascii_case(index));
    let others: Vec<usize> = (0..header.len())
        .filter(|&column| column != paths && !(column == 0 && is_index(&header[0])))
        .collect();
    let is_label = |column: &&usize| {
        let name = &header[**column];
        LABELS.iter().any(|label| name.eq_ignore_ascii_case(label))
    };
    let known: Vec<usize> = others.iter().filter(is_label).copied().collect();
    let labels = match (&known[..], &others[..]) {
        (&[label], _) => Some(label),
        ([], []) => None,
        ([], &[label]) => Some(label),
        _ => return Err("one column of labels beside that of paths"),
    };
    let left = others.iter().filter(|&&column| Some(column) != labels);
    Ok((
        paths,
        labels,
        left.map(|&column| header[column].as_str()).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(usize, String, Option<String>)> {
        let table = read(text, Path::new("train.csv")).unwrap();
        let (rows, _) = table.expect("it is a table");
        let owned = |row: Row<'_>| {
            let label = row.label.map(Cow::into_owned);
            (row.line, row.path.into_owned(), label)
        };
        rows.into_iter().map(owned).collect()
    }

    #[test]
    fn the_index_and_other_columns_of_pandas_are_left_out() {
        let row = |line, path: &str, label: &str| (line, path.to_owned(), Some(label.to_owned()));
        let wanted = [row(2, "a.png", "x"), row(3, "b.png", "y")];
        assert_eq!(rows(",path,label\n0,a.png,x\n1,b.png,y\n"), wanted);
        assert_eq!(
            rows("Unnamed: 0,label,file\n0,x,a.png\n1,y,b.png\n"),
            wanted
        );
        assert_eq!(rows("label,path\nx,a.png\ny,b.png\n"), wanted);
        assert_eq!(
            rows("id,image,class,set\n7,a.png,x,t\n8,b.png,y,t\n"),
            wanted
        );
        assert_eq!(
            rows("path\tlabel\twidth\na.png\tx\t3\nb.png\ty\t4\n"),
            wanted
        );
        assert_eq!(
            rows("path,label,who\r\n\"a, \"\"1\"\".png\",\"big, dog\",\"me\"\r\n"),
            [row(2, "a, \"1\".png", "big, dog")]
        );
        assert_eq!(
            rows("\"a,1.png\",\"x\"\n# no\nb.png,\"y\"\n"),
            [row(1, "a,1.png", "x"), row(3, "b.png", "y")]
        );
    }

    #[test]
    fn plain_lists_are_no_tables_and_unclear_columns_are_refused() {
        let read = |text| read(text, Path::new("train.csv"));
        for text in [
            "a,b.jpg\nc.jpg\n",
            "path,label\na.jpg,1\n",
            "a.jpg 1\n",
            "# x\n",
            "",
        ] {
            assert!(read(text).unwrap().is_none(), "{text}");
        }
        for (text, expected) in [
            ("path,label,class\na.jpg,1,2\n", "one column of labels"),
            ("path,image,label\na.jpg,b.jpg,2\n", "one column of paths"),
            ("path,label,x\na.jpg,1,2\nb.jpg,1\n", "3 fields"),
        ] {
            let Err(error) = read(text) else {
                panic!("{text}")
            };
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
