//! Small pictures inside a page: each is in the file once, and shown wherever it is named.
//!
//! A picture is an SVG symbol whose image is a data URI, so that the page still loads nothing. All
//! pictures of a page together stay below [`BUDGET`]; those beyond it are left out, and the page
//! says how many.

use std::collections::HashSet;
use std::sync::Arc;

use crc32c::crc32c;

use crate::text::escape;

/// Bytes of all data URIs of a page, so that the page stays below 5 MB.
const BUDGET: usize = 3_000_000;

/// A small picture as a page holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    id: String,
    width: usize,
    height: usize,
    uri: String,
}

impl Thumbnail {
    /// A picture of that size in pixels from the bytes of a PNG or JPEG file; `None` of anything
    /// else.
    #[must_use]
    pub fn new(width: usize, height: usize, bytes: &[u8]) -> Option<Self> {
        let mime = match bytes {
            [0x89, b'P', b'N', b'G', ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            _ => return None,
        };
        // The same picture has the same name, and two pictures of one page hardly ever share one.
        let id = format!("p{:08x}{:x}", crc32c(bytes), bytes.len());
        (width > 0 && height > 0).then(|| Self {
            id,
            width,
            height,
            uri: format!("data:{mime};base64,{}", base64(bytes)),
        })
    }

    /// The symbol's name.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    fn symbol(&self) -> String {
        let Self {
            id,
            width,
            height,
            uri,
        } = self;
        format!(
            "<symbol id=\"{id}\" viewBox=\"0 0 {width} {height}\">\
             <image href=\"{uri}\" width=\"{width}\" height=\"{height}\"/></symbol>"
        )
    }
}

/// An image that is shown: its picture where there is one, and what it is called.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shot {
    /// What the image is called, such as its file's name.
    pub name: String,
    /// What its class is called; empty where it is not known.
    pub class: String,
    /// The picture.
    pub thumbnail: Option<Arc<Thumbnail>>,
}

impl Shot {
    /// The picture alone; nothing where there is none. Its words are for the title and for those
    /// who hear the page.
    pub(crate) fn html(&self, sprites: &Sprites) -> String {
        let shown = self.thumbnail.as_ref();
        let Some(thumbnail) = shown.filter(|thumbnail| sprites.holds(thumbnail)) else {
            return String::new();
        };
        let words = escape(&self.words());
        format!(
            "<svg class=\"shot\" viewBox=\"0 0 {w} {h}\" role=\"img\" aria-label=\"{words}\">\
             <title>{words}</title><use href=\"#{id}\"/></svg>",
            w = thumbnail.width,
            h = thumbnail.height,
            id = thumbnail.id,
        )
    }

    fn words(&self) -> String {
        match self.class.as_str() {
            "" => self.name.clone(),
            class => format!("{}, {class}", self.name),
        }
    }

    /// The class, or the name where none is known.
    pub(crate) fn caption(&self) -> &str {
        match self.class.as_str() {
            "" => &self.name,
            class => class,
        }
    }
}

/// The pictures that a page holds.
#[derive(Debug, Default)]
pub(crate) struct Sprites {
    held: HashSet<String>,
    symbols: String,
    /// Pictures beyond the budget.
    left_out: usize,
}

impl Sprites {
    /// The pictures in the order in which they matter.
    pub(crate) fn of<'a>(pictures: impl Iterator<Item = &'a Arc<Thumbnail>>) -> Self {
        let (mut sprites, mut beyond) = (Self::default(), HashSet::new());
        for picture in pictures {
            if sprites.held.contains(&picture.id) {
                continue;
            }
            let symbol = picture.symbol();
            if sprites.symbols.len() + symbol.len() > BUDGET {
                beyond.insert(&picture.id);
            } else {
                sprites.symbols.push_str(&symbol);
                sprites.held.insert(picture.id.clone());
            }
        }
        sprites.left_out = beyond.len();
        sprites
    }

    fn holds(&self, picture: &Thumbnail) -> bool {
        self.held.contains(&picture.id)
    }

    /// The symbols, defined once a page.
    pub(crate) fn definitions(&self) -> String {
        match self.symbols.as_str() {
            "" => String::new(),
            symbols => format!(
                "<svg class=\"defs\" width=\"0\" height=\"0\" \
                 aria-hidden=\"true\"><defs>{symbols}</defs></svg>\n"
            ),
        }
    }

    /// What the page says of pictures that it does not hold.
    pub(crate) fn remark(&self) -> Option<String> {
        (self.left_out > 0).then(|| {
            format!(
                "{} of {} pictures are left out, so that the page stays below 5 MB.",
                self.left_out,
                self.left_out + self.held.len()
            )
        })
    }
}

/// Standard base64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, &byte| group << 8 | u32::from(byte));
        let group = group << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = ALPHABET[(group >> (18 - 6 * place) & 63) as usize];
            match place <= chunk.len() {
                true => out.push(letter.into()),
                false => out.push('='),
            }
        }
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A picture of so many bytes that is unlike those of another seed.
    pub(crate) fn picture(seed: u32, bytes: usize) -> Arc<Thumbnail> {
        let mut file = vec![0xff, 0xd8, 0xff];
        let mut state = seed;
        while file.len() < bytes {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            file.push((state >> 24) as u8);
        }
        Arc::new(Thumbnail::new(56, 56, &file).unwrap())
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        for (text, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn only_png_and_jpeg_are_pictures() {
        assert!(Thumbnail::new(1, 1, b"<svg onload=alert(1)>").is_none());
        assert!(Thumbnail::new(0, 1, b"\x89PNG....").is_none());
        let png = Thumbnail::new(2, 3, b"\x89PNG....").unwrap();
        assert!(png.symbol().contains("data:image/png;base64,iVBORy4uLi4="));
        assert_ne!(png.id(), Thumbnail::new(2, 3, b"\x89PNG...!").unwrap().id());
    }

    #[test]
    fn a_picture_is_in_the_page_once_and_names_are_text() {
        let shot = Shot {
            name: "a\"><script>'.png".to_owned(),
            class: "<b>".to_owned(),
            thumbnail: Some(picture(1, 40)),
        };
        let twin = picture(1, 40);
        let sprites = Sprites::of([shot.thumbnail.as_ref().unwrap(), &twin].into_iter());
        assert_eq!(sprites.definitions().matches("<symbol").count(), 1);
        let html = shot.html(&sprites);
        assert!(
            html.contains("a&quot;&gt;&lt;script&gt;&#39;.png, &lt;b&gt;"),
            "{html}"
        );
        assert!(!html.contains("<script") && sprites.remark().is_none());
        assert_eq!(
            shot.html(&Sprites::default()),
            "",
            "a picture that is not there"
        );
    }

    #[test]
    fn pictures_beyond_the_budget_are_left_out_and_counted() {
        let pictures: Vec<_> = (0..40).map(|seed| picture(seed, 100_000)).collect();
        let sprites = Sprites::of(pictures.iter().chain(&pictures));
        assert!(sprites.definitions().len() < BUDGET + 200);
        let held = pictures
            .iter()
            .filter(|picture| sprites.holds(picture))
            .count();
        let remark = sprites.remark().unwrap();
        assert!(
            remark.starts_with(&format!("{} of 40 pictures", 40 - held)),
            "{remark}"
        );
        assert!(sprites.holds(&pictures[0]) && !sprites.holds(&pictures[39]));
    }
}
