//! Every variant of an enum of errors with its message and hint, as the text of a snapshot.

use std::collections::BTreeSet;
use std::error::Error;

/// The messages and hints of `errors`, at least one of each variant of the enum that `source`
/// declares; `left_out` are variants that cannot be made here.
///
/// # Panics
/// Where a variant is missing: a new one needs an example.
pub(crate) fn catalogue<E: Error>(
    source: &str,
    declaration: &str,
    errors: impl IntoIterator<Item = E>,
    left_out: &[&str],
    hint: impl Fn(E) -> Option<String>,
) -> String {
    let mut text = String::new();
    let mut shown = BTreeSet::new();
    for error in errors {
        let (debugged, message) = (format!("{error:?}"), error.to_string());
        let hint = hint(error).unwrap_or_else(|| "-".to_owned());
        let variant = name(&debugged);
        text.push_str(&format!("{variant}\n  error: {message}\n  hint: {hint}\n"));
        shown.insert(variant.to_owned());
    }
    let declared: BTreeSet<_> = variants(source, declaration)
        .filter(|name| !left_out.contains(name))
        .map(str::to_owned)
        .collect();
    assert_eq!(declared, shown, "the variants of `{declaration}`");
    text
}

/// The names of the variants between the braces of a declaration.
fn variants<'a>(source: &'a str, declaration: &str) -> impl Iterator<Item = &'a str> {
    let start = source.find(declaration).expect("the enum is declared");
    let body = source[start..].split("\n}").next().unwrap_or_default();
    let lines = body
        .lines()
        .filter_map(|line| line.strip_prefix("    ").map(name));
    lines.filter(|name| name.starts_with(char::is_uppercase))
}

/// The identifier that a text begins with.
fn name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric());
    &text[..end.unwrap_or(text.len())]
}
