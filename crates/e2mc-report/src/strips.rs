//! Strips: single images with those that models put next to them, right and wrong ones marked.

use std::fmt::{self, Write};
use std::sync::Arc;

use crate::ink::{self, Inks};
use crate::picture::{Shot, Sprites, Thumbnail};
use crate::text::{escape, prose};

/// Images with their neighbours.
#[derive(Clone, Debug, Default)]
pub struct Strips {
    /// What is shown, in a few words.
    pub title: String,
    /// How the images were chosen, and what the marks say.
    pub caption: String,
    /// The images.
    pub queries: Vec<StripQuery>,
}

/// An image and what is next to it.
#[derive(Clone, Debug, Default)]
pub struct StripQuery {
    /// The image.
    pub shot: Shot,
    /// One a model.
    pub rows: Vec<StripRow>,
}

/// What one model puts next to an image.
#[derive(Clone, Debug, Default)]
pub struct StripRow {
    /// The model's name, which decides its ink.
    pub model: String,
    /// A few words, such as how many are right.
    pub note: String,
    /// The neighbours, nearest first, and whether each is of the image's class, where classes are
    /// known.
    pub near: Vec<(Shot, Option<bool>)>,
}

impl Strips {
    pub(crate) fn names(&self) -> Vec<&str> {
        let rows = self.queries.iter().flat_map(|query| &query.rows);
        rows.map(|row| row.model.as_str()).collect()
    }

    pub(crate) fn pictures(&self) -> impl Iterator<Item = &Arc<Thumbnail>> {
        self.queries.iter().flat_map(|query| {
            let near = query.rows.iter().flat_map(|row| &row.near);
            let near = near.filter_map(|(shot, _)| shot.thumbnail.as_ref());
            query.shot.thumbnail.iter().chain(near)
        })
    }

    pub(crate) fn render(&self, out: &mut String, inks: &Inks, sprites: &Sprites) -> fmt::Result {
        write!(
            out,
            "<figure class=\"strips\"><h3>{}</h3>\n<ul>",
            prose(&self.title)
        )?;
        for query in &self.queries {
            write!(
                out,
                "<li class=\"query\"><div class=\"asked\">{}<span>{}</span></div><div \
                 class=\"rows\">",
                query.shot.html(sprites),
                escape(query.shot.caption())
            )?;
            for row in &query.rows {
                row.render(out, inks, sprites)?;
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

impl StripRow {
    fn render(&self, out: &mut String, inks: &Inks, sprites: &Sprites) -> fmt::Result {
        write!(
            out,
            "<div><p class=\"model\">{}<span>{}</span> <span class=\"at\">{}</span></p><ol>",
            ink::glyph(inks.slot(&self.model)),
            escape(&self.model),
            escape(&self.note)
        )?;
        for (shot, right) in &self.near {
            let (class, mark, words) = match right {
                Some(true) => ("right", "✓", "right: "),
                Some(false) => ("wrong", "✗", "wrong: "),
                None => ("", "", ""),
            };
            write!(
                out,
                "<li class=\"{class}\">{}<span class=\"of\"><b aria-hidden=\"true\">{mark}</b>\
                 <span class=\"heard\">{words}</span>{}</span></li>",
                shot.html(sprites),
                escape(shot.caption())
            )?;
        }
        out.write_str("</ol></div>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::picture;

    fn strips() -> Strips {
        let shot = |name: &str, class: &str, seed| Shot {
            name: name.to_owned(),
            class: class.to_owned(),
            thumbnail: Some(picture(seed, 60)),
        };
        let row = |model: &str, right| StripRow {
            model: model.to_owned(),
            note: "1 of 2 right".to_owned(),
            near: vec![
                (shot("n1.png", "cat", 2), Some(right)),
                (shot("<i>n2</i>.png", "\"dog\" & <script>", 3), Some(!right)),
            ],
        };
        Strips {
            title: "Neighbours".to_owned(),
            caption: "Drawn evenly.".to_owned(),
            queries: vec![StripQuery {
                shot: shot("q.png", "cat", 1),
                rows: vec![row("base", false), row("after", true)],
            }],
        }
    }

    fn html(strips: &Strips, sprites: &Sprites) -> String {
        let mut out = String::new();
        let inks = Inks::with_base("base");
        strips.render(&mut out, &inks, sprites).unwrap();
        roxmltree::Document::parse(&out).expect("well-formed");
        out
    }

    #[test]
    fn right_and_wrong_are_marks_words_and_classes() {
        let strips = strips();
        let sprites = Sprites::of(strips.pictures());
        let html = html(&strips, &sprites);
        assert_eq!(html.matches("<li class=\"right\">").count(), 2);
        assert_eq!(
            html.matches("<b aria-hidden=\"true\">✗</b><span class=\"heard\">wrong: </span>")
                .count(),
            2
        );
        assert_eq!(html.matches("class=\"shot\"").count(), 5);
        assert!(html.contains("aria-label=\"q.png, cat\""));
        assert!(html.contains("class=\"glyph s0\"") && html.contains("class=\"glyph s1\""));
        assert_eq!(strips.names(), ["base", "after"]);
    }

    #[test]
    fn without_pictures_the_words_remain_and_hostile_names_are_text() {
        let html = html(&strips(), &Sprites::default());
        assert!(!html.contains("class=\"shot\"") && !html.contains("<script"));
        assert!(
            html.contains("&quot;dog&quot; &amp; &lt;script&gt;</span></li>"),
            "{html}"
        );
        assert!(html.contains("<div class=\"asked\"><span>cat</span></div>"));
    }
}
