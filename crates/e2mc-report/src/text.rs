//! Text into HTML: escaping, prose with code in it, anchors.

/// `text` made safe for HTML content and for attribute values in double or single quotes.
///
/// Control characters, which neither HTML nor XML allows, become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            '\u{FFFE}' | '\u{FFFF}' => out.push('\u{FFFD}'),
            c if c.is_control() => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

/// Escaped `text` in which pairs of backticks become code; a lone backtick stays what it is.
/// Outside code, no line breaks around "±" or before "%".
pub(crate) fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let paired = (parts.len() - 1) / 2 * 2;
    let mut out = String::with_capacity(text.len());
    for (i, part) in parts.iter().enumerate() {
        if i % 2 == 1 && i < paired {
            out.push_str("<code>");
            out.push_str(&escape(part));
            out.push_str("</code>");
        } else {
            if i > paired {
                out.push('`');
            }
            let tied = part
                .replace(" ± ", "\u{a0}±\u{a0}")
                .replace(" %", "\u{a0}%");
            out.push_str(&escape(&tied));
        }
    }
    out
}

/// `text` for a terminal: control characters, which could steer it, become U+FFFD.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(char::is_control, "\u{FFFD}")
}

/// `text` without the backticks that set code.
pub(crate) fn plain(text: &str) -> String {
    text.replace('`', "")
}

/// About the width of a chart's text in pixels, for the usual system fonts at the size that
/// `drawing.css` gives it.
pub(crate) fn text_width(text: &str) -> f64 {
    6.3 * text.chars().count() as f64
}

/// An anchor for the heading at `index`: unique by its number, readable by its words.
pub(crate) fn anchor(index: usize, heading: &str) -> String {
    let words: Vec<String> = heading
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    format!("s{}-{}", index + 1, words.join("-"))
}

/// `text` cut to `limit` characters, the last of them an ellipsis where something was cut.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(limit.saturating_sub(1)).collect();
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}

/// What a class is called among others; a bare number says what it is.
pub(crate) fn class_name(classes: &[String], class: usize) -> String {
    match classes.get(class) {
        Some(name) if name.chars().all(|letter| letter.is_ascii_digit()) => format!("class {name}"),
        Some(name) => name.clone(),
        None => format!("class {class}"),
    }
}

/// Escaped `text` that breaks between words only, not at hyphens; a very long word may.
pub(crate) fn whole_words(text: &str) -> String {
    const LONG: usize = 40;
    let words = text
        .split(' ')
        .map(|word| match word.contains('-') && word.len() <= LONG {
            true => format!("<span class=\"word\">{}</span>", escape(word)),
            false => escape(word),
        });
    words.collect::<Vec<_>>().join(" ")
}

/// The text with its first letter as a capital.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_markup_quotes_and_control_characters() {
        assert_eq!(
            escape("a<b> & \"c\" 'd'\0\u{1b}\n"),
            "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;\u{FFFD}\u{FFFD}\n"
        );
        assert_eq!(escape("±σ→"), "±σ→");
    }

    #[test]
    fn prose_turns_paired_backticks_into_code() {
        assert_eq!(prose("run `a <b>` now"), "run <code>a &lt;b&gt;</code> now");
        assert_eq!(prose("one ` alone"), "one ` alone");
        assert_eq!(prose("`a` and `b"), "<code>a</code> and `b");
        assert_eq!(prose("`a``b`"), "<code>a</code><code>b</code>");
        assert_eq!(prose(""), "");
        assert_eq!(prose("79.3 ± 0.3 %"), "79.3\u{a0}±\u{a0}0.3\u{a0}%");
    }

    #[test]
    fn anchors_are_unique_and_plain() {
        assert_eq!(
            anchor(0, "What we found: 1% & more"),
            "s1-what-we-found-1-more"
        );
        assert_ne!(anchor(1, "same"), anchor(2, "same"));
    }

    #[test]
    fn classes_that_are_numbers_say_what_they_are() {
        let classes = ["cat", "7"].map(str::to_owned);
        let names = [0, 1, 9].map(|class| class_name(&classes, class));
        assert_eq!(names, ["cat", "class 7", "class 9"]);
    }

    #[test]
    fn shortening_counts_characters_not_bytes() {
        assert_eq!(shorten("größer", 6), "größer");
        assert_eq!(shorten("größer als", 7), "größer…");
    }
}
