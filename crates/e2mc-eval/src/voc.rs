//! The PASCAL VOC layout: which images a split has and what is in them.
//!
//! `ROOT/ImageSets/Main/SPLIT.txt` lists the images, `ROOT/Annotations/NAME.xml` says what each shows, and
//! `ROOT/JPEGImages/NAME.jpg` is the image. As in the challenge, an object that is marked `difficult` does not count: an
//! image that shows a class only by difficult objects neither has it nor lacks it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, MultiLabels, Presence};

/// The classes of VOC 2007, in the order of the labels.
pub const VOC_CLASSES: [&str; 20] = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

/// The images of a split and who shows which of [`VOC_CLASSES`].
#[derive(Clone, Debug, PartialEq)]
pub struct VocImages {
    /// The images' files, in the order of the split's list.
    pub files: Vec<PathBuf>,
    /// What they show.
    pub labels: MultiLabels,
}

/// Reads the split (`trainval`, `test`, ...) of a VOC folder.
///
/// # Errors
/// A list or annotation that cannot be read, is empty or is no XML of that kind, or an object of an unknown class.
pub fn read_voc(root: &Path, split: &str) -> Result<VocImages, Error> {
    let list = root.join("ImageSets/Main").join(format!("{split}.txt"));
    let (mut files, mut labels) = (Vec::new(), Vec::new());
    // A class's own list has a second column; the name is the first word.
    for name in read(&list)?
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        let annotation = root.join("Annotations").join(format!("{name}.xml"));
        labels.extend(presence(&annotation, &read(&annotation)?)?);
        files.push(root.join("JPEGImages").join(format!("{name}.jpg")));
    }
    if files.is_empty() {
        return Err(Error::Format {
            path: list,
            expected: "one image name a line".into(),
            found: "none".into(),
            hint: "take the lists that come with the data set",
        });
    }
    let labels = MultiLabels::new(labels, VOC_CLASSES.len())?;
    Ok(VocImages { files, labels })
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|cause| Error::Io {
        action: "read",
        path: path.into(),
        cause,
    })
}

fn presence(path: &Path, xml: &str) -> Result<[Presence; VOC_CLASSES.len()], Error> {
    let wrong = |expected: &str, found: String| Error::Format {
        path: path.into(),
        expected: expected.into(),
        found,
        hint: "take the annotations that come with the data set",
    };
    let document =
        roxmltree::Document::parse(xml).map_err(|e| wrong("an XML annotation", e.to_string()))?;
    let root = document.root_element();
    if !root.has_tag_name("annotation") {
        let found = format!("<{}>", root.tag_name().name());
        return Err(wrong("<annotation>", found));
    }
    let mut classes = [Presence::Absent; VOC_CLASSES.len()];
    // Parts of an object are named too, but are no children of the root.
    for object in root.children().filter(|node| node.has_tag_name("object")) {
        let text = |tag: &str| {
            let child = object.children().find(|node| node.has_tag_name(tag));
            child.and_then(|node| node.text()).map(str::trim)
        };
        let name = text("name").unwrap_or_default();
        let class = VOC_CLASSES.iter().position(|class| *class == name);
        let Some(class) = class else {
            return Err(wrong("an object of a VOC class", format!("{name:?}")));
        };
        let difficult = text("difficult") == Some("1");
        classes[class] = match (difficult, classes[class]) {
            (false, _) => Presence::Present,
            (true, Presence::Absent) => Presence::Ignored,
            (true, before) => before,
        };
    }
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str, difficult: u8) -> String {
        format!(
            "<object><name>{name}</name><difficult>{difficult}</difficult>\
             <part><name>head</name></part><bndbox><xmin>1</xmin></bndbox></object>"
        )
    }

    fn folder(images: &[(&str, String)], list: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let (sets, annotations) = (
            folder.path().join("ImageSets/Main"),
            folder.path().join("Annotations"),
        );
        fs::create_dir_all(&sets).unwrap();
        fs::create_dir_all(&annotations).unwrap();
        fs::write(sets.join("trainval.txt"), list).unwrap();
        for (name, objects) in images {
            let xml = format!("<annotation><filename>x</filename>{objects}</annotation>");
            fs::write(annotations.join(format!("{name}.xml")), xml).unwrap();
        }
        folder
    }

    #[test]
    fn difficult_objects_neither_count_nor_contradict() {
        let images = [
            ("000001", object("dog", 0) + &object("person", 1)),
            (
                "000002",
                object("dog", 1) + &object("dog", 0) + &object("dog", 1),
            ),
            ("000003", String::new()),
        ];
        let folder = folder(&images, "000001\n000002  1\n\n000003\n");
        let voc = read_voc(folder.path(), "trainval").unwrap();
        assert_eq!(voc.files.len(), 3);
        assert!(voc.files[1].ends_with("JPEGImages/000002.jpg"));
        let column = |name: &str| {
            let class = VOC_CLASSES.iter().position(|class| *class == name).unwrap();
            voc.labels.column(class)
        };
        use Presence::{Absent, Ignored, Present};
        assert_eq!(column("dog"), [Present, Present, Absent]);
        assert_eq!(column("person"), [Ignored, Absent, Absent]);
        assert_eq!(column("cat"), [Absent; 3]);
    }

    #[test]
    fn what_is_not_voc_is_named() {
        let text = |objects: String| {
            let folder = folder(&[("1", objects)], "1\n");
            read_voc(folder.path(), "trainval").unwrap_err().to_string()
        };
        assert!(text(object("unicorn", 0)).contains("1.xml: expected an object of a VOC class"));
        assert!(text("<object>".into()).contains("1.xml: expected an XML annotation"));
        let empty = folder(&[], "\n");
        let error = read_voc(empty.path(), "trainval").unwrap_err().to_string();
        assert!(
            error.contains("trainval.txt: expected one image name a line"),
            "{error}"
        );
        let error = read_voc(empty.path(), "val").unwrap_err().to_string();
        assert!(
            error.starts_with("cannot read ") && error.contains("val.txt"),
            "{error}"
        );
    }
}
