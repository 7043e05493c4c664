//! What can go wrong between the disk and a batch.

use std::io;
use std::path::PathBuf;

/// A failure to find, read, decode or batch images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file or folder.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder holds nothing that could be used.
    #[error("no images in {}: expected IDX files, tar shards, lists, class folders of images, or \
             images ({extensions})", path.display())]
    NoImages {
        /// The folder.
        path: PathBuf,
        /// The file extensions looked for.
        extensions: &'static str,
    },
    /// A class folder holds no images.
    #[error("class folder {} holds no images: expected at least one \
             ({extensions})", path.display())]
    EmptyClass {
        /// The class folder.
        path: PathBuf,
        /// The file extensions looked for.
        extensions: &'static str,
    },
    /// A folder holds both loose images and class folders.
    #[error("{} holds loose images (such as {image}) beside class folders (such as {class}): \
             expected one or the other", path.display())]
    MixedFolder {
        /// The folder.
        path: PathBuf,
        /// One of the loose images.
        image: String,
        /// One of the class folders.
        class: String,
    },
    /// A folder is divided into splits, but not into the one that was asked for.
    #[error("no {split} images in {}: expected {expected}", path.display())]
    MissingSplit {
        /// The folder.
        path: PathBuf,
        /// The split that was asked for.
        split: &'static str,
        /// The file or folder names looked for.
        expected: &'static str,
    },
    /// A link leads to what is not there.
    #[error("{} is a link to {}: expected a file or folder there, found \
             none", path.display(), target.display())]
    DanglingLink {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Tar files hold images, but none that can be read in place.
    #[error("no images in {} that can be read: expected {expected}, found {found}", path.display())]
    LeftOut {
        /// The first of the files.
        path: PathBuf,
        /// What can be read.
        expected: &'static str,
        /// What there is: how many of each kind, and one of them.
        found: String,
    },
    /// A folder links back to one that holds it.
    #[error("{} links back to a folder that holds it", path.display())]
    LinkCycle {
        /// The link.
        path: PathBuf,
    },
    /// A picture where a data set is expected.
    #[error(
        "{} is a picture, expected a data set: a folder of images, a list or an IDX file",
        path.display()
    )]
    OnePicture {
        /// The file.
        path: PathBuf,
    },
    /// A file is not an IDX file, or is damaged.
    #[error("{} is not a valid IDX file: expected {expected}, found {found}", path.display())]
    Idx {
        /// The file.
        path: PathBuf,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A list of images has a line that cannot be understood.
    #[error("{}, line {line}: expected {expected}, found {found:?}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1 on.
        line: usize,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A list or an annotation of a VOC folder is not what it should be.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Voc {
        /// The file.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A tar file cannot be read through.
    #[error("{} is not a complete tar file: {source}", path.display())]
    Shard {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: io::Error,
    },
    /// A label is a number where others are names, or the other way round.
    #[error("{name} has the label {found:?}: expected {expected}")]
    Label {
        /// The image.
        name: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A folder holds two things, each of which could be the data set.
    #[error("{} holds {first} beside {second}: expected {expected}", path.display())]
    Ambiguous {
        /// The folder.
        path: PathBuf,
        /// One of them.
        first: String,
        /// The other.
        second: String,
        /// What can be told apart.
        expected: &'static str,
    },
    /// An IDX label file does not belong to its image file.
    #[error("{} does not fit {}: expected {images} labels, found \
             {labels}", path.display(), images_path.display())]
    LabelCount {
        /// The label file.
        path: PathBuf,
        /// The image file.
        images_path: PathBuf,
        /// Number of images.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
    /// An image cannot be decoded.
    #[error("cannot decode {name}: {reason}")]
    Decode {
        /// The image.
        name: String,
        /// What the decoder said.
        reason: String,
    },
    /// An image has more pixels than any photograph, so that decoding it could exhaust the memory.
    #[error("{name} has {width} x {height} pixels: expected at most {limit} in all")]
    ImageTooLarge {
        /// The image.
        name: String,
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// The most pixels that are decoded.
        limit: usize,
    },
    /// An image file is larger than any photograph, so that reading it could exhaust the memory.
    #[error("{name} has {found} bytes: expected at most {limit}")]
    FileTooLarge {
        /// The image.
        name: String,
        /// Its bytes.
        found: u64,
        /// The most bytes that are read.
        limit: u64,
    },
    /// An image has another size than the preprocessing takes.
    #[error("{name} has {} x {} pixels: expected {} x \
             {}", found.0, found.1, expected.0, expected.1)]
    ImageSize {
        /// The image.
        name: String,
        /// Width and height that are wanted.
        expected: (usize, usize),
        /// Width and height of the image.
        found: (usize, usize),
    },
    /// A field of an augmentation or preprocessing recipe is out of range.
    #[error("recipe field `{field}`: expected {expected}, found {found}")]
    Recipe {
        /// The field, such as `views[1].jitter.hue`.
        field: String,
        /// Its valid range.
        expected: String,
        /// Its value.
        found: String,
    },
    /// A setting of the loader is out of range.
    #[error("loader setting `{field}`: expected {expected}, found {found}")]
    Loader {
        /// The setting.
        field: &'static str,
        /// Its valid range.
        expected: String,
        /// Its value.
        found: usize,
    },
    /// A batch is larger than the data set, so that an epoch would have no batch.
    #[error("batch of {batch} from {images} images: expected a batch no larger than the data set")]
    BatchTooLarge {
        /// The batch size.
        batch: usize,
        /// Number of images in the data set.
        images: usize,
    },
    /// Labels are needed but there are none.
    #[error("{name} has no label: expected a labelled data set")]
    Unlabelled {
        /// The first image without a label.
        name: String,
    },
    /// A subset of a data set cannot be taken.
    #[error("cannot select {what} of {images} images: expected {expected}")]
    Subset {
        /// What was asked for.
        what: String,
        /// Number of images there are.
        images: usize,
        /// What can be taken.
        expected: &'static str,
    },
    /// A test split was to be set apart where there is one.
    #[error("{} has a test split: expected none, because one is to be held out", path.display())]
    TestSplit {
        /// Where the images are.
        path: PathBuf,
    },
    /// Names of a subset that no image has, or more than one.
    #[error(
        "{list}: {count} of {names} names do not match exactly one image: the first, {first}, \
         matches {found}"
    )]
    Names {
        /// Where the names are from.
        list: String,
        /// How many there are.
        names: usize,
        /// How many of them do not fit.
        count: usize,
        /// The first of these.
        first: String,
        /// How many images it fits.
        found: usize,
    },
    /// The fraction of the images that may be bad is out of range.
    #[error("largest fraction of bad images: expected 0 to 1, found {found}")]
    MaxBad {
        /// What was asked for.
        found: f64,
    },
    /// More images cannot be used than was allowed for.
    #[error(
        "{count} images cannot be read so far: expected at most {allowed} of {images}; the last \
         failure: {last}"
    )]
    TooManyBad {
        /// How many were met so far.
        count: usize,
        /// Number of images in the data set.
        images: usize,
        /// How many are allowed.
        allowed: usize,
        /// What was wrong with the last of them.
        last: String,
    },
    /// An image cannot be used, and no other of its class can take its place.
    #[error(
        "{name} cannot be read: expected a replacement of its class, found none among {others}; \
         the last failure: {last}"
    )]
    NoSubstitute {
        /// The image.
        name: String,
        /// How many others of its class there are; none of them can be used either.
        others: usize,
        /// What was wrong with the last that was tried.
        last: String,
    },
    /// The system refused a thread.
    #[error("cannot start loader thread {thread}: {source}")]
    Thread {
        /// Which thread.
        thread: usize,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Whether the image itself is at fault, so that another may take its place.
    pub fn is_bad_image(&self) -> bool {
        matches!(
            self,
            Self::Read { .. }
                | Self::DanglingLink { .. }
                | Self::Decode { .. }
                | Self::ImageTooLarge { .. }
                | Self::FileTooLarge { .. }
        )
    }

    /// What the user can do about it, in one line, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "check the path; a data set is a folder or an IDX file"
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "check the permissions of the file and of the folders above it"
            }
            Self::Read { .. } => "check that the disk is mounted and readable",
            Self::NoImages { .. } => "give a folder of images, or of class folders",
            Self::EmptyClass { .. } => "remove the empty folder or put its images back",
            Self::MixedFolder { .. } => {
                "move the loose images into class folders, or all images into one folder"
            }
            Self::MissingSplit { .. } => {
                "give the folder of images itself, add the missing split, or hold one out"
            }
            Self::DanglingLink { .. } => {
                "restore the file that the link leads to, or remove the link"
            }
            Self::LeftOut { .. } => "write the tar files again, without links and sparse files",
            Self::LinkCycle { .. } => "remove the link",
            Self::OnePicture { .. } => "give the folder that holds the images",
            Self::Idx { .. } => "download the file again; keep the .gz name of compressed files",
            Self::List { .. } => {
                "write one image a line: its path, then a tab, a comma or a space, then its label"
            }
            Self::Voc { .. } => "use the lists and annotations that come with the data set",
            Self::Shard { .. } => "download or write the file again",
            Self::Label { .. } => "label all images by numbers from 0 on, or all by names",
            Self::Ambiguous { .. } => "give the intended folder, or move other files out of it",
            Self::LabelCount { .. } => "put the right label file beside the images",
            Self::Decode { .. } => "replace or remove the file; JPEG, PNG and WebP can be read",
            Self::ImageTooLarge { .. } => "scale the image down or remove it",
            Self::FileTooLarge { .. } => "remove the file or replace it by an image",
            Self::ImageSize { .. } => "set `resize` so that images of every size are accepted",
            Self::Recipe { .. } => "correct the recipe",
            Self::Loader { .. } => "correct the setting",
            Self::BatchTooLarge { .. } => "use a smaller batch or more images",
            Self::Unlabelled { .. } => {
                "use class folders, a list with labels, or a label file beside the images"
            }
            Self::Subset { .. } => "choose another number or fraction of images",
            Self::TestSplit { .. } => "omit the fraction, or give the folder of the train split",
            Self::Names { .. } => "use a list of images in the train split",
            Self::MaxBad { .. } => "give a fraction: 0.001 allows one image in a thousand",
            Self::TooManyBad { .. } => "replace or remove the files, or allow more of them",
            Self::NoSubstitute { .. } => {
                "replace the files of this class, or remove the whole class"
            }
            Self::Thread { .. } => "use fewer loader threads",
        };
        Some(hint.to_owned())
    }
}
