//! What `open` makes of files and folders.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use e2mc_data::{Dataset, Error, Image, OpenOptions, Selection, Split, open, open_with, subset};
use flate2::{Compression, write::GzEncoder};
use tempfile::{TempDir, tempdir};

/// An IDX file's bytes.
fn idx(dimensions: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    bytes.extend(
        dimensions
            .iter()
            .flat_map(|dimension| dimension.to_be_bytes()),
    );
    bytes.extend(data);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `count` images of 3 x 2 pixels with bytes that count up, and their labels.
fn images(count: u32) -> Vec<u8> {
    idx(
        &[count, 2, 3],
        &(0..count * 6).map(|byte| byte as u8).collect::<Vec<_>>(),
    )
}

fn labels(labels: &[u8]) -> Vec<u8> {
    idx(&[labels.len() as u32], labels)
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn png() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gray.png")).unwrap()
}

#[track_caller]
fn refused(path: &Path, split: Split) -> Error {
    let Err(error) = open(path, split) else {
        panic!("{} was opened", path.display())
    };
    let (message, hint) = (error.to_string(), error.hint().unwrap());
    assert!(
        !message.contains('\n') && !message.ends_with('.'),
        "{message}"
    );
    assert!(!hint.contains('\n') && !hint.ends_with('.'), "{hint}");
    error
}

fn names(dataset: &dyn Dataset, root: &Path) -> Vec<String> {
    let prefix = format!("{}/", root.display());
    let name = |index| {
        dataset
            .name(index)
            .strip_prefix(&prefix)
            .unwrap()
            .to_owned()
    };
    (0..dataset.len()).map(name).collect()
}

#[test]
fn idx_folders_have_two_splits() {
    let folder = folder(&[
        ("train-images-idx3-ubyte.gz", &gzip(&images(3))),
        ("train-labels-idx1-ubyte.gz", &gzip(&labels(&[2, 0, 2]))),
        ("t10k-images-idx3-ubyte", &images(2)),
    ]);
    let train = open(folder.path(), Split::Train).unwrap();
    assert_eq!((train.len(), train.native_size()), (3, Some((3, 2))));
    assert_eq!(train.classes(), ["0", "1", "2"]);
    assert_eq!(
        (0..3)
            .map(|index| train.label(index).unwrap())
            .collect::<Vec<_>>(),
        [2, 0, 2]
    );
    assert_eq!(train.name(1), "train-images-idx3-ubyte.gz[1]");
    let mut image = Image::default();
    train.read(1, &mut image).unwrap();
    let pixels = (6..12).collect();
    assert_eq!(
        image,
        Image {
            width: 3,
            height: 2,
            channels: 1,
            pixels
        }
    );

    let test = open(folder.path(), Split::Test).unwrap();
    assert_eq!(
        (test.len(), test.label(0), test.classes().len()),
        (2, None, 0)
    );
}

#[test]
fn an_idx_file_alone_brings_its_labels() {
    let folder = folder(&[
        ("test-images-idx3-ubyte.gz", &gzip(&images(2))),
        ("test-labels-idx1-ubyte", &labels(&[1, 0])),
        ("digits", &images(1)),
    ]);
    let test = open(
        &folder.path().join("test-images-idx3-ubyte.gz"),
        Split::Train,
    )
    .unwrap();
    assert_eq!((test.len(), test.label(0)), (2, Some(1)));
    let digits = open(&folder.path().join("digits"), Split::Train).unwrap();
    assert_eq!((digits.len(), digits.label(0)), (1, None));
    assert_eq!(open(folder.path(), Split::Test).unwrap().len(), 2);
    let error = refused(folder.path(), Split::Train);
    assert!(
        matches!(error, Error::MissingSplit { split: "train", .. }),
        "{error}"
    );
}

#[test]
fn damaged_idx_files_say_what_is_wrong() {
    let whole = images(4);
    let compressed = gzip(&whole);
    let mut long = whole.clone();
    long.push(0);
    let cases: [(&[u8], &str); 9] = [
        (b"", "expected a header of 16 bytes, found 0"),
        (&whole[..9], "expected a header of 16 bytes, found 9"),
        (
            &whole[..30],
            "expected 24 bytes after the header, for [4, 2, 3], found 14",
        ),
        (
            &compressed[..compressed.len() - 12],
            "expected 24 bytes after the header",
        ),
        (&long, "found more"),
        (&labels(&[1, 2, 3]), "found [00, 00, 08, 01]"),
        (
            &idx(&[0, 28, 28], &[]),
            "expected at least one image, found 0 of 28 x 28 pixels",
        ),
        (
            &idx(&[u32::MAX; 3], &[1, 2, 3]),
            "expected dimensions that fit into memory",
        ),
        (&idx(&[u32::MAX, 1, 1], &[1, 2, 3]), "found 3"),
    ];
    for (bytes, text) in cases {
        let folder = folder(&[("train-images-idx3-ubyte", bytes)]);
        let error = refused(folder.path(), Split::Train);
        let message = error.to_string();
        assert!(matches!(error, Error::Idx { .. }), "{message}");
        assert!(
            message.contains("train-images-idx3-ubyte") && message.contains(text),
            "{message}"
        );
    }
    let folder = folder(&[(
        "train-images-idx3-ubyte.gz",
        &[0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
    )]);
    let message = refused(folder.path(), Split::Train).to_string();
    assert!(
        message.contains("expected an intact gzip stream"),
        "{message}"
    );
}

#[test]
fn labels_of_another_count_are_refused() {
    let folder = folder(&[
        ("train-images-idx3-ubyte", &images(3)),
        ("train-labels-idx1-ubyte", &labels(&[0, 1])),
    ]);
    let message = refused(folder.path(), Split::Train).to_string();
    assert!(message.ends_with("expected 3 labels, found 2"), "{message}");
}

#[test]
fn class_folders_are_sorted_and_searched_to_the_bottom() {
    let folder = folder(&[
        ("dog/b.JPEG", &png()),
        ("dog/a.png", b""),
        ("dog/puppies/c.jpg", b""),
        ("dog/notes.txt", b""),
        ("cat/x.Jpg", b""),
        (".hidden/y.png", b""),
        ("cat/.z.png", b""),
        ("README", b""),
    ]);
    let dataset = open(folder.path(), Split::Test).unwrap();
    assert_eq!(dataset.classes(), ["cat", "dog"]);
    let names = names(&*dataset, folder.path());
    assert_eq!(
        names,
        ["cat/x.Jpg", "dog/a.png", "dog/b.JPEG", "dog/puppies/c.jpg"]
    );
    assert_eq!(
        (dataset.label(0), dataset.label(3), dataset.native_size()),
        (Some(0), Some(1), None)
    );
    let [warning] = dataset.warnings() else {
        panic!("{:?}", dataset.warnings())
    };
    assert!(
        warning.starts_with("ignored 2 files that are not .") && warning.ends_with("README"),
        "{warning}"
    );

    // The content tells the format, and an error tells the file.
    let mut image = Image::default();
    dataset.read(2, &mut image).unwrap();
    assert_eq!((image.width, image.height, image.channels), (201, 157, 1));
    let error = dataset.read(1, &mut image).unwrap_err().to_string();
    assert!(
        error.contains("dog/a.png") && error.contains("an empty file"),
        "{error}"
    );
}

#[test]
fn train_and_val_or_test_are_splits() {
    let folder = folder(&[("train/a/1.png", b""), ("test/a/2.png", b"")]);
    let open = |split| names(&*open(folder.path(), split).unwrap(), folder.path());
    assert_eq!(open(Split::Train), ["train/a/1.png"]);
    assert_eq!(open(Split::Test), ["test/a/2.png"]);
    fs::create_dir_all(folder.path().join("val/a")).unwrap();
    fs::write(folder.path().join("val/a/3.png"), b"").unwrap();
    assert_eq!(open(Split::Test), ["val/a/3.png"]);
    // The folder of a split is a data set too.
    let train = e2mc_data::open(&folder.path().join("train"), Split::Test).unwrap();
    assert_eq!(train.classes(), ["a"]);
}

#[test]
fn a_flat_folder_has_no_labels() {
    let folder = folder(&[("2.png", b""), ("10.png", b""), ("logs/today.log", b"")]);
    let dataset = open(folder.path(), Split::Train).unwrap();
    assert_eq!(names(&*dataset, folder.path()), ["10.png", "2.png"]);
    assert_eq!((dataset.label(0), dataset.classes().len()), (None, 0));
    assert_eq!(dataset.warnings().len(), 2, "{:?}", dataset.warnings());
}

#[test]
fn images_beside_class_folders_may_be_without_a_label() {
    let mixed = folder(&[("loose.png", b""), ("cat/1.png", b""), ("dog/2.png", b"")]);
    let options = OpenOptions {
        unlabelled_beside: true,
        ..OpenOptions::default()
    };
    let dataset = open_with(mixed.path(), Split::Train, &options).unwrap();
    let labels: Vec<_> = (0..3).map(|index| dataset.label(index)).collect();
    assert_eq!(labels, [Some(0), Some(1), None]);
    assert!(dataset.name(2).ends_with("loose.png"));
    assert_eq!(dataset.classes(), ["cat", "dog"]);
}

#[test]
fn folders_that_cannot_be_told_apart_are_refused() {
    let mixed = folder(&[("loose.png", b""), ("cat/1.png", b"")]);
    let message = refused(mixed.path(), Split::Train).to_string();
    assert!(
        message.contains("loose.png") && message.contains("cat/"),
        "{message}"
    );

    let empty = tempdir().unwrap();
    assert!(matches!(
        refused(empty.path(), Split::Train),
        Error::NoImages { .. }
    ));

    let gap = folder(&[("cat/1.png", b""), ("dog/notes.txt", b"")]);
    let error = refused(gap.path(), Split::Train);
    assert!(
        matches!(&error, Error::EmptyClass { path, .. } if path.ends_with("dog")),
        "{error}"
    );

    let half = folder(&[("train/cat/1.png", b"")]);
    assert!(matches!(
        refused(half.path(), Split::Test),
        Error::MissingSplit { .. }
    ));

    let missing = refused(&half.path().join("nothing"), Split::Train);
    assert!(missing.to_string().contains("nothing"), "{missing}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    use std::os::unix::fs::symlink;
    let target = folder(&[("images/1.png", b"")]);
    let linked = tempdir().unwrap();
    symlink(target.path().join("images"), linked.path().join("cat")).unwrap();
    let dataset = open(linked.path(), Split::Train).unwrap();
    assert_eq!(names(&*dataset, linked.path()), ["cat/1.png"]);

    symlink(target.path(), target.path().join("images/loop")).unwrap();
    let error = refused(target.path(), Split::Train);
    assert!(matches!(error, Error::LinkCycle { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn broken_links_are_bad_images_or_passed_over() {
    use std::os::unix::fs::symlink;
    let folder = folder(&[("cat/1.png", &png()), ("dog/1.png", &png())]);
    let link = |to: &str, from: &str| symlink(to, folder.path().join(from)).unwrap();
    link("gone.png", "cat/2.png");
    link("3.png", "cat/3.png");
    link("gone", "cow");
    link("gone.txt", "dog/notes");
    link("itself", "dog/itself");
    let dataset = open(folder.path(), Split::Train).unwrap();
    assert_eq!(
        names(&*dataset, folder.path()),
        ["cat/1.png", "cat/2.png", "cat/3.png", "dog/1.png"]
    );
    let mut image = Image::default();
    for index in [1, 2] {
        let error = dataset.read(index, &mut image).unwrap_err();
        assert!(error.is_bad_image(), "{error}");
        assert!(error.to_string().contains("cat/"), "{error}");
    }
    let [warning] = dataset.warnings() else {
        panic!("{:?}", dataset.warnings())
    };
    assert!(
        warning.starts_with("left out 3 dangling links") && warning.ends_with("/cow"),
        "{warning}"
    );
}

#[test]
fn a_class_called_train_is_no_split() {
    let vehicles = folder(&[
        ("bus/1.png", b""),
        ("train/1.png", b""),
        ("tram/old/1.png", b""),
        ("devkit/readme.txt", b""),
    ]);
    let message = refused(vehicles.path(), Split::Train).to_string();
    assert!(
        message.contains(
            "the folder train/ beside other folders of images (bus/, tram/): expected train/ with \
             val/ or test/"
        ),
        "{message}"
    );
    // What is no class, or stands beside a test split, does not matter.
    let alone = folder(&[
        ("train/a/1.png", b""),
        ("valid/a/1.png", b""),
        (".trash/1.png", b""),
        ("devkit/readme.txt", b""),
        // A class has no folders of images, so this `train` is none.
        ("figures/1.png", b""),
    ]);
    assert_eq!(open(alone.path(), Split::Train).unwrap().len(), 1);
    let flat = folder(&[("train/1.png", b""), ("test1/1.png", b"")]);
    assert_eq!(open(flat.path(), Split::Train).unwrap().len(), 1);
    let splits = folder(&[
        ("train/a/1.png", b""),
        ("val/a/1.png", b""),
        ("figures/1.png", b""),
    ]);
    let names = |split| names(&*open(splits.path(), split).unwrap(), splits.path());
    assert_eq!(names(Split::Train), ["train/a/1.png"]);
    assert_eq!(names(Split::Test), ["val/a/1.png"]);
}

#[test]
fn a_huge_file_is_a_bad_image_and_is_not_read() {
    let folder = folder(&[("a.png", &png())]);
    // All hole: it takes no room on the disk.
    let huge = fs::File::create(folder.path().join("b.png")).unwrap();
    huge.set_len((1 << 30) + 1).unwrap();
    let dataset = open(folder.path(), Split::Train).unwrap();
    let error = dataset.read(1, &mut Image::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("b.png has 1073741825 bytes: expected at most 1073741824"),
        "{error}"
    );
    assert!(error.is_bad_image());
}

#[test]
fn idx_splits_agree_on_their_classes() {
    let folder = folder(&[
        ("train-images-idx3-ubyte", &images(3)),
        ("train-labels-idx1-ubyte", &labels(&[2, 0, 4])),
        ("t10k-images-idx3-ubyte", &images(2)),
        ("t10k-labels-idx1-ubyte", &labels(&[1, 3])),
    ]);
    let [train, test] =
        [Split::Train, Split::Test].map(|split| open(folder.path(), split).unwrap());
    assert_eq!(test.classes(), ["0", "1", "2", "3", "4"]);
    assert_eq!(train.classes(), test.classes());
}

#[test]
fn compressed_idx_files_unpack_to_what_their_header_says() {
    let header = |dimensions: &[u32]| gzip(&idx(dimensions, &[0; 100]));
    let folder = folder(&[("train-images-idx3-ubyte.gz", &header(&[70_000, 256, 256]))]);
    let message = refused(folder.path(), Split::Train).to_string();
    assert!(
        message.ends_with(
            "expected at most 4294967296 bytes in a compressed file, found [70000, 256, 256]"
        ),
        "{message}"
    );
}

/// 10,000 images of one pixel; `class` labels them.
fn labelled(class: impl Fn(usize) -> u8) -> (TempDir, Arc<dyn Dataset>) {
    let labels: Vec<u8> = (0..10_000).map(class).collect();
    let folder = folder(&[
        (
            "train-images-idx3-ubyte",
            &idx(&[10_000, 1, 1], &[0; 10_000]),
        ),
        ("train-labels-idx1-ubyte", &self::labels(&labels)),
    ]);
    let dataset = open(folder.path(), Split::Train).unwrap();
    (folder, dataset)
}

#[test]
fn one_percent_is_ten_images_of_each_of_ten_classes() {
    let (_folder, dataset) = labelled(|index| (index % 10) as u8);
    let chosen = subset::fraction(&*dataset, 0.01, 1).unwrap();
    assert_eq!(chosen.len(), 100);
    assert!(chosen.is_sorted_by(|a, b| a < b));
    for class in 0..10 {
        assert_eq!(
            chosen
                .iter()
                .filter(|&&index| dataset.label(index) == Some(class))
                .count(),
            10
        );
    }
    assert_eq!(chosen, subset::fraction(&*dataset, 0.01, 1).unwrap());
    assert_ne!(chosen, subset::fraction(&*dataset, 0.01, 2).unwrap());
    // Smaller subsets lie within larger ones of the same seed.
    let larger = subset::fraction(&*dataset, 0.1, 1).unwrap();
    assert!(
        chosen
            .iter()
            .all(|index| larger.binary_search(index).is_ok())
    );
    assert_eq!(
        subset::fraction(&*dataset, 1.0, 1).unwrap(),
        (0..10_000).collect::<Vec<_>>()
    );
}

#[test]
fn rare_classes_survive_subsets() {
    let (_folder, dataset) = labelled(|index| {
        if index < 9995 {
            0
        } else {
            (index - 9994) as u8
        }
    });
    let chosen = subset::fraction(&*dataset, 0.01, 3).unwrap();
    assert_eq!(
        (chosen.len(), &chosen[95..]),
        (100, &[9995, 9996, 9997, 9998, 9999][..])
    );
}

#[test]
fn hold_outs_divide_and_stay_out() {
    let (_folder, dataset) = labelled(|index| (index % 10) as u8);
    let (rest, held) = subset::hold_out(&*dataset, 500, 0).unwrap();
    assert_eq!((rest.len(), held.len()), (9500, 500));
    let mut all = [rest, held.clone()].concat();
    all.sort_unstable();
    assert_eq!(all, (0..10_000).collect::<Vec<_>>());
    assert_eq!(held.iter().filter(|&&index| index % 10 == 7).count(), 50);
}

#[test]
fn a_hold_out_leaves_an_image_of_each_class() {
    // Nine classes of one image.
    let (_folder, dataset) = labelled(|index| if index < 9 { 1 + index as u8 } else { 0 });
    let (rest, held) = subset::hold_out(&*dataset, 5000, 0).unwrap();
    assert_eq!((rest.len(), held.len()), (5000, 5000));
    assert!((0..9).all(|index| rest.contains(&index)));
    let files = folder(&[("a/1.png", b""), ("b/1.png", b""), ("b/2.png", b"")]);
    let dataset = open(files.path(), Split::Train).unwrap();
    // More than can be spared.
    let (rest, held) = subset::hold_out(&*dataset, 2, 0).unwrap();
    assert_eq!((rest.len(), held.len(), rest[0]), (2, 1, 0));
    let single = folder(&[("a/1.png", b""), ("b/1.png", b"")]);
    let dataset = open(single.path(), Split::Train).unwrap();
    let message = subset::hold_out(&*dataset, 1, 0).unwrap_err().to_string();
    assert!(message.contains("a class with two images"), "{message}");
}

#[test]
fn names_that_all_end_alike_are_found_at_once() {
    // Compared in pairs these would be 400 million.
    let files: Vec<String> = (0..20_000)
        .map(|index| format!("{index}/image.jpg\n"))
        .collect();
    let list = folder(&[
        ("train.txt", files.concat().as_bytes()),
        ("0/image.jpg", b""),
    ]);
    let dataset = open(list.path(), Split::Train).unwrap();
    let wanted = files[..15_000].concat();
    let found = subset::named(&*dataset, &wanted, "list").unwrap();
    assert!(found.into_iter().eq(0..15_000));
}

#[test]
fn impossible_subsets_are_refused() {
    let (_folder, dataset) = labelled(|_| 0);
    for fraction in [0.0, -1.0, 1.1, f64::NAN, 1e-9] {
        assert!(matches!(
            subset::fraction(&*dataset, fraction, 0),
            Err(Error::Subset { .. })
        ));
    }
    assert!(subset::count(&*dataset, 10_001, 0).is_err());
    assert!(subset::hold_out(&*dataset, 10_000, 0).is_err());
    assert!(Selection::new(dataset.clone(), vec![]).is_err());
    assert!(Selection::new(dataset.clone(), vec![10_000]).is_err());

    let unlabelled = folder(&[("a.png", b"")]);
    let dataset = open(unlabelled.path(), Split::Train).unwrap();
    let error = subset::fraction(&*dataset, 1.0, 0).unwrap_err().to_string();
    assert!(error.contains("a.png has no label"), "{error}");
}

#[test]
fn a_selection_passes_its_subset_on() {
    let folder = folder(&[
        ("train-images-idx3-ubyte", &images(3)),
        ("train-labels-idx1-ubyte", &labels(&[2, 0, 1])),
    ]);
    let dataset = open(folder.path(), Split::Train).unwrap();
    let subset = Selection::new(dataset, vec![2, 0]).unwrap();
    assert_eq!(
        (subset.len(), subset.label(0), subset.name(1)),
        (2, Some(1), "train-images-idx3-ubyte[0]".to_owned())
    );
    let mut image = Image::default();
    subset.read(0, &mut image).unwrap();
    assert_eq!(image.pixels, [12, 13, 14, 15, 16, 17]);
    assert_eq!(
        (subset.classes().len(), subset.native_size()),
        (3, Some((3, 2)))
    );
}
