//! Examples: single images with what models say of them.

use std::fmt::{self, Write};
use std::sync::Arc;

use crate::ink::{self, Inks};
use crate::picture::{Shot, Sprites, Thumbnail};
use crate::text::{escape, prose};

/// Images with what was said of them.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    /// What is shown, in a few words.
    pub title: String,
    /// How the images were chosen.
    pub caption: String,
    /// The images.
    pub cards: Vec<ExampleCard>,
}

/// An image and what was said of it.
#[derive(Clone, Debug, Default)]
pub struct ExampleCard {
    /// The image with its class.
    pub shot: Shot,
    /// What each model says of it.
    pub said: Vec<Said>,
}

/// What a model says of an image.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The model's name, which decides its ink.
    pub model: String,
    /// What it says: a class, perhaps with how often.
    pub words: String,
    /// Whether that is right.
    pub right: bool,
}

impl Examples {
    pub(crate) fn names(&self) -> Vec<&str> {
        let said = self.cards.iter().flat_map(|card| &card.said);
        said.map(|said| said.model.as_str()).collect()
    }

    pub(crate) fn pictures(&self) -> impl Iterator<Item = &Arc<Thumbnail>> {
        let cards = self.cards.iter();
        cards.filter_map(|card| card.shot.thumbnail.as_ref())
    }

    pub(crate) fn render(&self, out: &mut String, inks: &Inks, sprites: &Sprites) -> fmt::Result {
        write!(
            out,
            "<figure class=\"examples\"><h3>{}</h3>\n<ul>",
            prose(&self.title)
        )?;
        for card in &self.cards {
            write!(
                out,
                "<li>{}<div><b>{}</b>",
                card.shot.html(sprites),
                escape(card.shot.caption())
            )?;
            for said in &card.said {
                let (class, mark, heard) = match said.right {
                    true => ("right", "✓", "right"),
                    false => ("wrong", "✗", "wrong"),
                };
                let model = escape(&said.model);
                write!(
                    out,
                    "<span class=\"{class}\" title=\"{model}\">{}<span class=\"heard\">{model}, \
                     {heard}: </span>\
                     <b aria-hidden=\"true\">{mark}</b> {}</span>",
                    ink::glyph(inks.slot(&said.model)),
                    escape(&said.words)
                )?;
            }
            out.write_str("</div></li>\n")?;
        }
        out.write_str("</ul>")?;
        if !self.caption.is_empty() {
            write!(out, "<figcaption>{}</figcaption>", prose(&self.caption))?;
        }
        out.write_str("</figure>\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_says_who_is_right_in_marks_and_in_words() {
        let said = |model: &str, words: &str, right| Said {
            model: model.to_owned(),
            words: words.to_owned(),
            right,
        };
        let examples = Examples {
            title: "Gained".to_owned(),
            caption: String::new(),
            cards: vec![ExampleCard {
                shot: Shot {
                    name: "a.png".to_owned(),
                    class: "<cat>".to_owned(),
                    thumbnail: None,
                },
                said: vec![said("ba\"se", "dog", false), said("after", "<cat>", true)],
            }],
        };
        let mut out = String::new();
        let inks = Inks::with_base("ba\"se");
        examples
            .render(&mut out, &inks, &Sprites::default())
            .unwrap();
        roxmltree::Document::parse(&out).expect("well-formed");
        assert!(
            out.contains("<li><div><b>&lt;cat&gt;</b><span class=\"wrong\" title=\"ba&quot;se\">"),
            "{out}"
        );
        assert!(out.contains("after, right: </span>"), "{out}");
        assert!(out.contains("✗</b> dog</span>") && !out.contains("<figcaption>"));
    }
}
