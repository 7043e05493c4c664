//! Folders of images: one folder per class, or all in one without labels.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::augment::crop::Region;
use crate::decode::{Wanted, decode_region};
use crate::{Dataset, Error, Image};

/// The extensions that make a file a candidate, in any case. What it is, its content tells.
const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];
const EXTENSION_LIST: &str = ".png, .jpg or .jpeg";

thread_local! {
    /// The bytes of the file that this thread reads; kept, so that reading allocates nothing.
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Images in the files of a folder.
#[derive(Debug)]
pub struct ImageFolder {
    root: PathBuf,
    /// Paths relative to the root, in the order of classes, then of names.
    files: Vec<Box<Path>>,
    /// Empty when there are no labels.
    labels: Vec<u32>,
    classes: Vec<String>,
    warnings: Vec<String>,
}

/// The visible entries of a folder, each kind sorted by name.
#[derive(Default)]
struct Listing {
    folders: Vec<PathBuf>,
    images: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

impl ImageFolder {
    /// Lists a folder of class folders, or a flat folder of images. Class folders are searched to
    /// the bottom; names that start with a dot are passed over.
    ///
    /// # Errors
    /// A folder cannot be listed, there are no images, a class has none, or images lie beside
    /// class folders.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let Listing {
            folders,
            images,
            others,
        } = list(root)?;
        let mut dataset = Self {
            root: root.to_owned(),
            files: Vec::new(),
            labels: Vec::new(),
            classes: Vec::new(),
            warnings: Vec::new(),
        };
        let mut skipped = others;
        let mut ancestors = vec![canonical(root)?];
        let mut empty = None;
        for folder in &folders {
            let before = dataset.files.len();
            dataset.add_tree(folder, &mut ancestors, &mut skipped)?;
            if dataset.files.len() == before {
                empty.get_or_insert(folder);
                continue;
            }
            let label = dataset.classes.len() as u32;
            dataset.labels.resize(dataset.files.len(), label);
            dataset.classes.push(file_name(folder));
        }
        match (images.first(), dataset.classes.first(), empty) {
            (Some(image), Some(class), _) => {
                let (image, class) = (file_name(image), format!("{class}/"));
                return Err(Error::MixedFolder {
                    path: root.to_owned(),
                    image,
                    class,
                });
            }
            (None, Some(_), Some(folder)) => {
                return Err(Error::EmptyClass {
                    path: folder.clone(),
                    extensions: EXTENSION_LIST,
                });
            }
            (None, None, _) => {
                return Err(Error::NoImages {
                    path: root.to_owned(),
                    extensions: EXTENSION_LIST,
                });
            }
            (Some(_), None, Some(folder)) => {
                dataset.warnings.push(format!(
                    "{} holds no images and was left out",
                    folder.display()
                ));
            }
            _ => {}
        }
        for image in images {
            dataset.push(&image);
        }
        if let Some(first) = skipped.first() {
            let (count, files) = (
                skipped.len(),
                if skipped.len() == 1 { "file" } else { "files" },
            );
            dataset.warnings.push(format!(
                "{count} {files} without the extension {EXTENSION_LIST} left out, the first {}",
                first.display()
            ));
        }
        Ok(dataset)
    }

    /// Adds all images below a folder. `ancestors` are the real paths of the folders around it.
    fn add_tree(
        &mut self,
        folder: &Path,
        ancestors: &mut Vec<PathBuf>,
        skipped: &mut Vec<PathBuf>,
    ) -> Result<(), Error> {
        let real = canonical(folder)?;
        if ancestors.contains(&real) {
            return Err(Error::LinkCycle {
                path: folder.to_owned(),
            });
        }
        ancestors.push(real);
        let Listing {
            folders,
            images,
            others,
        } = list(folder)?;
        for image in images {
            self.push(&image);
        }
        skipped.extend(others);
        for folder in folders {
            self.add_tree(&folder, ancestors, skipped)?;
        }
        ancestors.pop();
        Ok(())
    }

    fn push(&mut self, path: &Path) {
        self.files
            .push(path.strip_prefix(&self.root).unwrap_or(path).into());
    }
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), Error> {
        self.read_region(index, &mut Region::of_size, image)
    }

    fn read_region(
        &self,
        index: usize,
        wanted: Wanted<'_>,
        image: &mut Image,
    ) -> Result<(), Error> {
        let path = self.root.join(&self.files[index]);
        BYTES.with_borrow_mut(|bytes| {
            bytes.clear();
            File::open(&path)
                .and_then(|mut file| file.read_to_end(bytes))
                .map_err(|source| Error::Read {
                    path: path.clone(),
                    source,
                })?;
            decode_region(bytes, &path.display(), wanted, image)
        })
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.labels.get(index).map(|&label| label as usize)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        self.root
            .join(&self.files[index])
            .to_string_lossy()
            .into_owned()
    }

    fn native_size(&self) -> Option<(usize, usize)> {
        None
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn list(folder: &Path) -> Result<Listing, Error> {
    let fail = |source| Error::Read {
        path: folder.to_owned(),
        source,
    };
    let mut listing = Listing::default();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // The entry's own type spares a system call per file, but only links need following.
        let mut kind = entry.file_type().map_err(fail)?;
        if kind.is_symlink() {
            let followed = fs::metadata(&path);
            kind = followed
                .map_err(|source| Error::Read {
                    path: path.clone(),
                    source,
                })?
                .file_type();
        }
        if kind.is_dir() {
            listing.folders.push(path);
        } else if kind.is_file() && is_candidate(&path) {
            listing.images.push(path);
        } else {
            listing.others.push(path);
        }
    }
    for paths in [
        &mut listing.folders,
        &mut listing.images,
        &mut listing.others,
    ] {
        paths.sort_unstable();
    }
    Ok(listing)
}

fn is_candidate(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|found| {
        EXTENSIONS
            .iter()
            .any(|wanted| found.eq_ignore_ascii_case(wanted))
    })
}

fn canonical(path: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
