//! The PASCAL VOC layout: which images a split has and what is in them.
//!
//! `ROOT/ImageSets/Main/SPLIT.txt` lists the images, `ROOT/Annotations/NAME.xml` says what each
//! shows, and `ROOT/JPEGImages/NAME.jpg` is the image. As in the challenge, an object that is
//! marked `difficult` does not count: an image that shows a class only by difficult objects neither
//! has it nor lacks it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::decode::decode;
use crate::{Dataset, Error, Image};

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

/// Whether an image shows each of [`VOC_CLASSES`]; `None` where neither counts.
pub type VocShown = [Option<bool>; VOC_CLASSES.len()];

/// The images of a split of a VOC folder. Each may show several classes, so a single
/// [`label`](Dataset::label) is not among what it knows.
#[derive(Clone, Debug)]
pub struct VocImages {
    files: Vec<PathBuf>,
    shown: Vec<VocShown>,
}

/// Whether a folder is laid out as VOC's.
pub fn is_voc(folder: &Path) -> bool {
    folder.join("Annotations").is_dir() && folder.join("ImageSets/Main").is_dir()
}

impl VocImages {
    /// Reads the list and the annotations of the split (`trainval`, `test`, ...) of a VOC folder.
    ///
    /// # Errors
    /// A list or annotation that cannot be read, is empty or is no XML of that kind, or an object
    /// of an unknown class. Each names the file.
    pub fn open(root: &Path, split: &str) -> Result<Self, Error> {
        let list = root.join("ImageSets/Main").join(format!("{split}.txt"));
        let (mut files, mut shown) = (Vec::new(), Vec::new());
        // A class's own list has a second column; the name is the first word.
        for name in text(&list)?
            .lines()
            .filter_map(|line| line.split_whitespace().next())
        {
            let annotation = root.join("Annotations").join(format!("{name}.xml"));
            shown.push(read_annotation(&annotation, &text(&annotation)?)?);
            files.push(root.join("JPEGImages").join(format!("{name}.jpg")));
        }
        if files.is_empty() {
            return Err(Error::Voc {
                path: list,
                expected: "one image name a line",
                found: "none".into(),
            });
        }
        Ok(Self { files, shown })
    }

    /// What each image shows, in the order of the split's list.
    pub fn shown(&self) -> &[VocShown] {
        &self.shown
    }
}

impl Dataset for VocImages {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), Error> {
        let path = &self.files[index];
        let bytes = fs::read(path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        decode(&bytes, &path.display(), image)
    }

    fn label(&self, _: usize) -> Option<usize> {
        None
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn name(&self, index: usize) -> String {
        self.files[index].display().to_string()
    }

    fn native_size(&self) -> Option<(usize, usize)> {
        None
    }
}

fn text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.into(),
        source,
    })
}

fn read_annotation(path: &Path, xml: &str) -> Result<VocShown, Error> {
    let wrong = |expected, found| Error::Voc {
        path: path.into(),
        expected,
        found,
    };
    let document =
        roxmltree::Document::parse(xml).map_err(|e| wrong("an XML annotation", e.to_string()))?;
    let root = document.root_element();
    if !root.has_tag_name("annotation") {
        let found = format!("<{}>", root.tag_name().name());
        return Err(wrong("<annotation>", found));
    }
    let mut shown = [Some(false); VOC_CLASSES.len()];
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
        shown[class] = match (difficult, shown[class]) {
            (false, _) => Some(true),
            (true, Some(false)) => None,
            (true, before) => before,
        };
    }
    Ok(shown)
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
        assert!(!is_voc(folder.path()));
        fs::create_dir_all(&annotations).unwrap();
        assert!(is_voc(folder.path()));
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
        let voc = VocImages::open(folder.path(), "trainval").unwrap();
        assert_eq!(voc.len(), 3);
        assert!(voc.name(1).ends_with("JPEGImages/000002.jpg"));
        let column = |name: &str| {
            let class = VOC_CLASSES.iter().position(|class| *class == name).unwrap();
            let of_images: Vec<_> = voc.shown().iter().map(|shown| shown[class]).collect();
            of_images
        };
        assert_eq!(column("dog"), [Some(true), Some(true), Some(false)]);
        assert_eq!(column("person"), [None, Some(false), Some(false)]);
        assert_eq!(column("cat"), [Some(false); 3]);
    }

    #[test]
    fn the_images_are_read_and_have_no_single_label() {
        let folder = folder(&[("1", object("dog", 0))], "1\n");
        let voc = VocImages::open(folder.path(), "trainval").unwrap();
        let mut image = Image::default();
        let error = voc.read(0, &mut image).unwrap_err();
        assert!(error.is_bad_image(), "{error}");
        assert!(error.to_string().contains("1.jpg"), "{error}");
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/source.jpg");
        fs::create_dir(folder.path().join("JPEGImages")).unwrap();
        fs::copy(&golden, folder.path().join("JPEGImages/1.jpg")).unwrap();
        voc.read(0, &mut image).unwrap();
        let mut wanted = Image::default();
        decode(&fs::read(golden).unwrap(), &"source.jpg", &mut wanted).unwrap();
        assert_eq!(image.pixels, wanted.pixels);
        assert_eq!((voc.label(0), voc.classes().len()), (None, 0));
    }

    #[test]
    fn what_is_not_voc_is_named() {
        let text = |objects: String| {
            let folder = folder(&[("1", objects)], "1\n");
            let error = VocImages::open(folder.path(), "trainval").unwrap_err();
            error.to_string()
        };
        assert!(text(object("unicorn", 0)).contains("1.xml: expected an object of a VOC class"));
        assert!(text("<object>".into()).contains("1.xml: expected an XML annotation"));
        let empty = folder(&[], "\n");
        let error = VocImages::open(empty.path(), "trainval").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("trainval.txt: expected one image name a line"),
            "{error}"
        );
        let error = VocImages::open(empty.path(), "val")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("cannot read ") && error.contains("val.txt"),
            "{error}"
        );
    }
}
