//! What models do with single images: classes that gain and lose, pairs that are confused, images
//! gained and lost, neighbours, and a map. The parts go into the pages of `inspect`, `report`,
//! `compare` and the demo.
//!
//! [`Images`] holds answers and neighbours by row number. Which images the parts will show is
//! [`Images::wanted`]; whoever can read them tells each one's name and [`Thumbnail`] in
//! [`Images::show`]. What is not told is shown in words.

mod choose;
mod classes;
mod results;
mod single;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use e2mc_eval::Answers;
use e2mc_eval::diagnostics::Surroundings;

use crate::page::Section;
use crate::picture::{Shot, Thumbnail};
use crate::text::class_name;
use crate::verdict::Finding;

pub use results::{Source, of_results, of_run};

/// What the page says where pictures are not wanted.
pub const WITHOUT: &str = "Pictures are left out, as requested.";

/// Which images of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Set {
    /// Those that are evaluated, or all that there are.
    Test,
    /// Those that were learned from.
    Train,
}

/// An image by its place in its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId {
    /// The set.
    pub set: Set,
    /// The row.
    pub row: usize,
}

/// What is known of an image beside its class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// What it is called, such as its file's name.
    pub name: String,
    /// The picture; none if it could not be read or is not wanted.
    pub thumbnail: Option<Thumbnail>,
}

/// A model and what it puts next to single images.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// What tables and charts call it.
    pub name: String,
    /// What it goes by on every page: see [`RunFolder::name_of`](e2mc_record::RunFolder::name_of);
    /// may be empty.
    pub identity: String,
    /// Where rows lie, and what is nearest to them.
    pub surroundings: Option<Surroundings>,
}

/// What a model says of images, beside what the first model says.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// The model, by its place in the list; 0 where the first is alone.
    pub model: usize,
    /// By what, as tables name it: `logistic, 10 % of labels`.
    pub line: String,
    /// The first model's answers and this one's.
    pub answers: Answers,
    /// The images that were asked, by their rows; empty for all in order.
    pub rows: Vec<usize>,
}

impl Judged {
    /// The image of an answer.
    fn row(&self, answer: usize) -> usize {
        self.rows.get(answer).copied().unwrap_or(answer)
    }
}

/// What models do with single images.
#[derive(Clone, Debug, Default)]
pub struct Images {
    /// The models; the first is what the others are compared with.
    pub models: Vec<Model>,
    /// Their answers; one entry a model but the first, or one of the first alone.
    pub judged: Vec<Judged>,
    /// What classes are called, by number.
    pub classes: Vec<String>,
    /// Where the images are, if that is known.
    pub source: Option<Source>,
    /// Whether nothing says that they are images: rows of embeddings in files.
    pub are_rows: bool,
    /// Why there are no pictures, as a sentence; empty where there are.
    pub missing: String,
    known: BTreeMap<ImageId, (String, Option<Arc<Thumbnail>>)>,
}

impl Picture {
    /// An image by its name, with width, height and bytes of a PNG or JPEG file where there is one.
    #[must_use]
    pub fn new(name: String, small: Option<(usize, usize, Vec<u8>)>) -> Self {
        Self {
            name,
            thumbnail: small.and_then(|(width, height, file)| Thumbnail::new(width, height, &file)),
        }
    }
}

impl Images {
    /// Models whose neighbours are known: where classes are known too, the majority of the
    /// neighbours answers for a model.
    #[must_use]
    pub fn of_surroundings(models: Vec<Model>, classes: Vec<String>) -> Self {
        let mut images = Self {
            models,
            classes,
            ..Self::default()
        };
        images.judged = choose::votes(&images.models);
        images
    }

    /// What models say of the same rows, each with its name; the first is what the others are
    /// compared with.
    #[must_use]
    pub fn of_predictions<'a>(
        labels: &[usize],
        models: impl Iterator<Item = (String, &'a [usize])>,
    ) -> Self {
        let mut images = Self {
            are_rows: true,
            ..Self::default()
        };
        let mut first = Vec::new();
        for (name, said) in models {
            images.models.push(Model {
                name,
                ..Model::default()
            });
            match images.models.len() - 1 {
                0 => first = said.to_vec(),
                model => images.judged.push(Judged {
                    model,
                    line: "predictions".to_owned(),
                    answers: Answers {
                        labels: labels.to_vec(),
                        first: vec![first.clone()],
                        second: vec![said.to_vec()],
                    },
                    rows: Vec::new(),
                }),
            }
        }
        images
    }

    /// The images that the parts show, each once, those that are seen first before the others.
    #[must_use]
    pub fn wanted(&self) -> Vec<ImageId> {
        let mut wanted: Vec<ImageId> = Vec::new();
        let test = |row| ImageId {
            set: Set::Test,
            row,
        };
        for judged in &self.judged {
            let examples = single::chosen(&judged.answers);
            let rows = examples.iter().flat_map(|(_, examples)| examples);
            wanted.extend(rows.map(|example| test(judged.row(example.row))));
        }
        for group in choose::groups(&self.models) {
            for row in group.rows {
                wanted.push(test(row));
                for model in &self.models {
                    let asked = model
                        .surroundings
                        .iter()
                        .filter_map(|s| choose::asked(s, row));
                    wanted.extend(asked.flat_map(|(asked, set)| {
                        let near = asked.nearest.iter().take(choose::SHOWN);
                        near.map(move |&(row, _)| ImageId { set, row })
                    }));
                }
            }
        }
        let placed = self
            .models
            .iter()
            .filter_map(|model| model.surroundings.as_ref());
        wanted.extend(placed.flat_map(|s| s.placed.iter().map(|placed| test(placed.row))));
        let mut seen = std::collections::HashSet::new();
        wanted.retain(|id| seen.insert(*id));
        wanted
    }

    /// Takes what `tell` knows of each image that is wanted.
    pub fn show(&mut self, mut tell: impl FnMut(ImageId) -> Option<Picture>) {
        for id in self.wanted() {
            if let Some(picture) = tell(id) {
                let thumbnail = picture.thumbnail.map(Arc::new);
                self.known.insert(id, (picture.name, thumbnail));
            }
        }
    }

    /// The parts, as sections of a page; none if there is nothing to show.
    #[must_use]
    pub fn sections(&self) -> Vec<Section> {
        let mut sections = Vec::new();
        let by_class = classes::blocks(self);
        if !by_class.is_empty() {
            sections.push(super::section("Classes", by_class));
        }
        let blocks = single::blocks(self);
        if !blocks.is_empty() {
            let pictures = match self.missing.as_str() {
                "" => Vec::new(),
                missing => vec![missing.to_owned()],
            };
            sections.push(Section {
                prose: pictures,
                ..super::section(&format!("Single {}", self.things()), blocks)
            });
        }
        sections
    }

    /// What the parts find, in a sentence each; nothing of a single model.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let judged = self
            .judged
            .iter()
            .filter(|judged| !judged.answers.second.is_empty());
        judged.map(|judged| single::finding(self, judged)).collect()
    }

    /// What one of them is called.
    fn thing(&self) -> &'static str {
        match self.are_rows {
            true => "row",
            false => "image",
        }
    }

    fn things(&self) -> String {
        format!("{}s", self.thing())
    }

    /// Those that are judged, in words: without a word for the set where there is one set alone.
    fn judged_ones(&self) -> String {
        let within = |model: &Model| model.surroundings.as_ref().is_some_and(|s| s.within);
        match self.models.iter().any(within) {
            true => self.things(),
            false => format!("test {}", self.things()),
        }
    }

    fn name(&self, model: usize) -> &str {
        self.models.get(model).map_or("", |model| &model.name)
    }

    /// A model in a sentence: its state where its name begins with one.
    fn short(&self, model: usize) -> &str {
        super::embedding::short(self.name(model))
    }

    /// What a class is called.
    fn class(&self, class: usize) -> String {
        class_name(&self.classes, class)
    }

    fn shot(&self, id: ImageId, class: Option<usize>) -> Shot {
        let known = self.known.get(&id);
        let unnamed = || match id.set {
            Set::Test => format!("{} {}", self.thing(), id.row),
            Set::Train => format!("training {} {}", self.thing(), id.row),
        };
        Shot {
            name: known.map_or_else(unnamed, |(name, _)| name.clone()),
            class: class.map_or_else(String::new, |class| self.class(class)),
            thumbnail: known.and_then(|(_, thumbnail)| thumbnail.clone()),
        }
    }
}
