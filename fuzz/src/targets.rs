//! Readers of files that need no libtorch, each as the program calls it. A test of the program
//! gives them the corpora, too.

use std::cell::OnceCell;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use e2mc_data::decode::{decode, decode_region};
use e2mc_data::geometry::Region;
use e2mc_data::{Dataset, Image, Split};
use tempfile::TempDir;

/// Images with more pixels are skipped: the program takes more, in more memory than a fuzzer
/// has.
const PIXELS: usize = 4 << 20;

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

/// Does something with a file of that name and content. Its folder holds nothing else that matters.
pub fn with_file<T>(name: &str, bytes: &[u8], work: impl FnOnce(&Path) -> T) -> T {
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| {
            // In memory, where there is such a place.
            let memory = Path::new("/dev/shm");
            let made = match memory.is_dir() {
                true => tempfile::tempdir_in(memory),
                false => tempfile::tempdir(),
            };
            made.expect("a temporary folder")
        });
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("a file in it");
        work(&path)
    })
}

/// IDX files: the length of the images' in four bytes, the images', the labels'.
pub fn idx(bytes: &[u8]) {
    let (length, rest) = bytes.split_first_chunk().unwrap_or((&[0; 4], bytes));
    let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
    let (images, labels) = rest.split_at(length);
    with_file("train-images-idx3-ubyte", images, |images| {
        with_file("train-labels-idx1-ubyte", labels, |labels| {
            for labels in [None, Some(labels)] {
                if let Ok(found) = e2mc_data::dataset::IdxImages::open(images, labels) {
                    look_at(&found);
                }
            }
        });
    });
}

/// Images in a tar file.
pub fn tar(bytes: &[u8]) {
    with_file("shard.tar", bytes, |path| {
        if let Ok(found) = e2mc_data::open(path, Split::Train) {
            look_at(&*found);
        }
    });
}

/// Reads some images, their labels and names.
fn look_at(dataset: &dyn Dataset) {
    let mut image = Image::default();
    for index in (0..dataset.len()).take(20) {
        let label = dataset.label(index);
        assert!(label.is_none_or(|label| label < dataset.classes().len()));
        let _ = dataset.name(index);
        let _ = match dataset.native_size() {
            Some(_) => dataset.read(index, &mut image),
            None => dataset.read_region(index, &mut small, &mut image),
        };
    }
}

/// All of an image. Reading a larger one ends here, as any error of a decoder does.
fn small(width: usize, height: usize) -> Region {
    if width.saturating_mul(height) > PIXELS {
        std::panic::resume_unwind(Box::new("large"));
    }
    Region::of_size(width, height)
}

/// A JPEG file, whole and in part; the image, where it can be read.
pub fn jpeg(bytes: &[u8]) -> Option<Image> {
    if !bytes.starts_with(b"\xff\xd8\xff") {
        return None;
    }
    let mut image = Image::default();
    decode_region(bytes, &"a.jpg", &mut small, &mut image).ok()?;
    let middle = |side: usize| (side / 3, (side / 3).max(1));
    let mut part = Image::default();
    let mut region = Region::of_size(1, 1);
    let mut wanted = |width, height| {
        let ((left, width), (top, height)) = (middle(width), middle(height));
        region = Region {
            left,
            top,
            width,
            height,
        };
        region
    };
    decode_region(bytes, &"a.jpg", &mut wanted, &mut part).expect("as the whole");
    for (whole, part) in image.planes().zip(part.planes()) {
        for row in region.top..region.top + region.height {
            let row = row * image.width + region.left..;
            let row = row.start..row.start + region.width;
            assert_eq!(whole[row.clone()], part[row], "within {region:?}");
        }
    }
    Some(image)
}

/// A PNG or WebP file.
fn foreign(bytes: &[u8]) {
    let reader = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let size = reader.ok().and_then(|reader| reader.into_dimensions().ok());
    let pixels = size.map(|(width, height)| u64::from(width) * u64::from(height));
    if pixels.is_none_or(|pixels| pixels <= PIXELS as u64) {
        let mut image = Image::default();
        if decode(bytes, &"a", &mut image).is_ok() {
            let samples = image.width * image.height * image.channels;
            assert_eq!(image.pixels.len(), samples);
        }
    }
}

/// A PNG file.
pub fn png(bytes: &[u8]) {
    if bytes.starts_with(b"\x89PNG") {
        foreign(bytes);
    }
}

/// A WebP file.
pub fn webp(bytes: &[u8]) {
    if bytes.starts_with(b"RIFF") {
        foreign(bytes);
    }
}

/// A list of images: the first byte chooses the kind.
pub fn lists(bytes: &[u8]) {
    let Some((kind, text)) = bytes.split_first() else {
        return;
    };
    let name = ["train.txt", "train.csv", "train.tsv"][usize::from(*kind) % 3];
    // A list without any of its first images is refused.
    with_file("a.jpg", b"", |_| ());
    with_file(name, text, |path| {
        if let Ok(found) = e2mc_data::open(path, Split::Train) {
            // The images are any file of the machine: they are not opened.
            for index in 0..found.len() {
                let label = found.label(index);
                assert!(label.is_none_or(|label| label < found.classes().len()));
                let _ = found.name(index);
            }
        }
    });
}

/// A recipe, and behind a line `---` changes, one a line.
pub fn recipe(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (recipe, changes) = text.split_once("\n---\n").unwrap_or((&text, ""));
    with_file("recipe.toml", recipe.as_bytes(), |path| {
        let path = path.to_string_lossy();
        let _ = e2mc_recipe::augmentation(&path);
        let Ok(mut table) = e2mc_recipe::load(&path) else {
            return;
        };
        for change in changes.lines() {
            if let Ok((key, value)) = e2mc_recipe::parse_change(change) {
                let _ = e2mc_recipe::set(&mut table, &key, value);
            }
        }
        let mut below = e2mc_recipe::load("vicreg-small").expect("a built-in recipe");
        e2mc_recipe::overlay(&mut below, table);
    });
}

/// The files of results, of `improve` and of a run's settings.
pub fn results(bytes: &[u8]) {
    with_file("run.json", bytes, |path| {
        let folder = path.parent().expect("a folder");
        let _ = e2mc_record::RunSettings::read(&e2mc_record::RunFolder::new(folder));
        let _ = e2mc_record::Improvement::read(path);
        if let Ok(result) = e2mc_record::EvaluationResult::read(path) {
            for fit in result.fits() {
                let _ = (fit.key.percent(), fit.key.row_name());
            }
            let _ = (
                result.rows().filter_map(|row| row.noise()).count(),
                result.rows().count(),
                result.files().count(),
            );
        }
    });
}

/// The log of a run.
pub fn events(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(log) = e2mc_record::RunLog::parse(&text, Path::new("metrics.jsonl")) {
        let terms = log.terms();
        for term in &terms {
            assert!(!log.term_by_step(term).is_empty());
        }
        let _ = (
            log.step(),
            log.planned_epochs(),
            log.time_left(),
            log.epoch_ends(),
        );
        let _ = log.by_epoch(|epoch| Some(epoch.epoch as f64));
    }
}
