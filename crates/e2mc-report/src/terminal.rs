//! Text that fits a terminal: sentences broken between words, wide tables in parts.

use crate::verdict::Finding;

/// `text` in lines that end before column `width`, where the first begins in column `indent` and
/// the others begin with as many blanks. A longer word has a line of its own.
fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let (mut out, mut column) = (String::new(), indent);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// The columns of a table as groups that fit into `width`, the first column in each; `widths` are
/// those of the columns, and `gap` lies between two. A column that is too wide has a group of its
/// own.
fn groups(widths: &[usize], gap: usize, width: usize) -> Vec<Vec<usize>> {
    let Some((first, _)) = widths.split_first() else {
        return Vec::new();
    };
    let (mut groups, mut column) = (vec![vec![0]], *first);
    for (index, own) in widths.iter().enumerate().skip(1) {
        let last = groups.len() - 1;
        if column + gap + own > width && groups[last].len() > 1 {
            groups.push(vec![0, index]);
            column = first + gap + own;
        } else {
            groups[last].push(index);
            column += gap + own;
        }
    }
    groups
}

/// Findings: the verdict, then the sentence, in lines that end before column `width`.
#[must_use]
pub fn findings(findings: &[Finding], width: usize) -> String {
    let words = |finding: &Finding| finding.verdict.words();
    let verdicts = findings.iter().map(|finding| words(finding).len()).max();
    let verdicts = verdicts.unwrap_or(0);
    let line = |finding: &Finding| {
        let text = wrapped(&finding.text, verdicts + 2, width);
        format!("{:<verdicts$}  {text}\n", words(finding))
    };
    findings.iter().map(line).collect()
}

/// A [`table`] in parts that end before column `width`, each with the first column.
#[must_use]
pub fn fitting_table(rows: &[Vec<String>], width: usize) -> String {
    let groups = groups(&widths(rows), GAP.len(), width);
    let part = |columns: &Vec<usize>| {
        let row = |row: &Vec<String>| {
            let cells = columns.iter().map(|&column| row.get(column).cloned());
            cells.map(Option::unwrap_or_default).collect()
        };
        table(&rows.iter().map(row).collect::<Vec<_>>())
    };
    groups.iter().map(part).collect::<Vec<_>>().join("\n")
}

/// Between two columns.
const GAP: &str = "   ";

/// The width of each column.
fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    (0..columns).map(width).collect()
}

/// Lines up columns: the first to the left, the others to the right; one line a row.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let widths = widths(rows);
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                if column == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        let line: Vec<_> = cells.collect();
        text.push_str(line.join(GAP).trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["a".into(), "1".into()],
            vec!["bb".into(), "10 ± 2".into()],
        ];
        assert_eq!(table(&rows), "a         1\nbb   10 ± 2\n");
    }

    #[test]
    fn findings_and_wide_tables_fit_eighty_columns() {
        let finding = Finding {
            verdict: Verdict::NoDifference,
            text: "a sentence that is longer than one line ".repeat(5),
        };
        let text = findings(&[finding], 80);
        assert!(text.lines().count() > 2 && text.lines().all(|l| l.chars().count() <= 80));
        let hang = " ".repeat("Within noise  ".len());
        assert!(
            text.lines().skip(1).all(|line| line.starts_with(&hang)),
            "{text}"
        );
        let row = |cell: &str| (0..9).map(|i| format!("{cell} {i}")).collect();
        let rows: [Vec<String>; 2] = [row("linear 1 % (logistic)"), row("79.31 ± 0.22")];
        let text = fitting_table(&rows, 80);
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        for column in 0..9 {
            assert!(text.contains(&format!("79.31 ± 0.22 {column}")), "{text}");
        }
    }

    #[test]
    fn lines_break_between_words_and_hang_under_the_first() {
        let text = wrapped("one two  three four", 7, 16);
        assert_eq!(text, "one two\n       three\n       four");
        assert_eq!(
            wrapped("averylongwordindeed x", 2, 10),
            "averylongwordindeed\n  x"
        );
        let long = wrapped(&"word ".repeat(99), 4, 80);
        assert!(long.lines().all(|line| line.chars().count() <= 80));
        assert_eq!(wrapped("", 4, 80), "");
    }

    #[test]
    fn wide_tables_come_in_parts_with_the_first_column_in_each() {
        assert_eq!(groups(&[5, 10, 10, 10], 3, 80), [[0, 1, 2, 3]]);
        assert_eq!(groups(&[5, 10, 10, 10], 3, 31), [vec![0, 1, 2], vec![0, 3]]);
        assert_eq!(groups(&[5, 90, 10], 3, 31), [vec![0, 1], vec![0, 2]]);
        assert!(groups(&[], 3, 10).is_empty());
    }
}
