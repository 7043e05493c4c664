//! Lists, shards, splits by name or fraction, and lists of files that are kept.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use e2mc_data::{Dataset, Error, Image, OpenOptions, Split, open, open_with, subset};
use tempfile::{TempDir, tempdir};

fn golden(name: &str) -> Vec<u8> {
    fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(name),
    )
    .unwrap()
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

/// An archive of these files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn labels(dataset: &dyn Dataset) -> Vec<Option<usize>> {
    (0..dataset.len())
        .map(|index| dataset.label(index))
        .collect()
}

/// The file names of all images.
fn names(dataset: &dyn Dataset) -> Vec<String> {
    let last = |index| dataset.name(index).rsplit('/').next().unwrap().to_owned();
    (0..dataset.len()).map(last).collect()
}

#[track_caller]
fn refused(path: &Path, split: Split) -> Error {
    match open(path, split) {
        Err(error) => error,
        Ok(_) => panic!("{} was opened", path.display()),
    }
}

#[test]
fn lists_name_files_and_labels() {
    let png = golden("gray.png");
    let folder = folder(&[
        ("images/a 1.png", &png),
        ("images/b.png", &png),
        (
            "train.txt",
            b"# a comment\n\nimages/a 1.png dog\r\nimages/b.png\tcat\n",
        ),
        ("val.csv", b"\xef\xbb\xbfimages/b.png,3\nimages/a 1.png,0\n"),
    ]);
    let train = open(folder.path(), Split::Train).unwrap();
    assert_eq!(train.classes(), ["cat", "dog"]);
    assert_eq!(labels(&*train), [Some(1), Some(0)]);
    let mut image = Image::default();
    train.read(0, &mut image).unwrap();
    assert_eq!((image.width, image.channels), (201, 1));
    let test = open(folder.path(), Split::Test).unwrap();
    assert_eq!(
        (labels(&*test), test.classes().len()),
        (vec![Some(3), Some(0)], 4)
    );
    // A list alone, without labels and with blanks in names.
    let list = folder.path().join("all.list");
    fs::write(&list, "images/a 1.png\nimages/b.png\n").unwrap();
    let all = open(&list, Split::Test).unwrap();
    assert_eq!(
        (names(&*all), labels(&*all)),
        (vec!["a 1.png".into(), "b.png".into()], vec![None; 2])
    );
}

#[test]
fn lists_that_make_no_sense_are_refused_by_line() {
    let cases: [(&[u8], &str); 5] = [
        (
            b"a.png 1\nb.png\n",
            "line 2: expected a label, as before, found \"b.png\"",
        ),
        (
            b"a.png\n\nb.png 1\n",
            "line 3: expected no label, as before",
        ),
        (
            b"# nothing\n",
            "line 1: expected a path, found \"an empty list\"",
        ),
        (
            b"a.png\n\xff\xfe\n",
            "line 2: expected a list of images in UTF-8",
        ),
        (
            b"a.png,\n",
            "line 1: expected a path, or a path and a label",
        ),
    ];
    for (content, text) in cases {
        let folder = folder(&[("train.txt", content)]);
        let error = refused(folder.path(), Split::Train);
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.to_string().contains("train.txt"), "{error}");
    }
    let half = folder(&[("train.txt", b"a.png\n")]);
    let error = refused(half.path(), Split::Test).to_string();
    assert!(
        error.ends_with("a list val.txt or test.txt (or .csv or .tsv)"),
        "{error}"
    );
}

#[test]
fn shards_hold_images_and_labels() {
    let (png, jpeg) = (golden("gray.png"), golden("source.jpg"));
    let first = tar(&[
        ("0001.cls", b"7\n"),
        ("0001.jpg", &jpeg),
        ("0001.json", b"{}"),
        ("part/0002.seg.png", b"no image of the convention"),
        ("part/0002.png", &png),
        ("part/0002.cls", b"2"),
    ]);
    let second = tar(&[("0003.JPG", &jpeg), ("0003.cls.txt", b"0")]);
    let folder = folder(&[("data-000000.tar", &first), ("data-000001.tar", &second)]);
    let dataset = open(folder.path(), Split::Train).unwrap();
    assert_eq!(labels(&*dataset), [Some(7), Some(2), Some(0)]);
    assert_eq!(dataset.classes().len(), 8);
    assert!(
        dataset.name(1).ends_with("data-000000.tar/part/0002.png"),
        "{}",
        dataset.name(1)
    );
    let mut image = Image::default();
    for (index, channels) in [(2, 3), (1, 1), (0, 3)] {
        dataset.read(index, &mut image).unwrap();
        assert_eq!((image.width, image.channels), (201, channels));
    }
    // One archive alone is a data set too.
    let one = open(&folder.path().join("data-000001.tar"), Split::Train).unwrap();
    assert_eq!(labels(&*one), [Some(0)]);
}

#[test]
fn shards_may_be_divided_by_name_or_folder() {
    let jpeg = golden("source.jpg");
    let shard = |name: &str| tar(&[(name, &jpeg)]);
    let named = folder(&[
        ("x-train-0.tar", &shard("a.jpg")),
        ("x-train-1.tar", &shard("b.jpg")),
        ("x-val-0.tar", &shard("c.jpg")),
    ]);
    let train = open(named.path(), Split::Train).unwrap();
    assert_eq!(names(&*train), ["a.jpg", "b.jpg"]);
    assert_eq!(names(&*open(named.path(), Split::Test).unwrap()), ["c.jpg"]);
    let in_folders = folder(&[
        ("train/0.tar", &shard("a.jpg")),
        ("val/0.tar", &shard("b.jpg")),
    ]);
    assert_eq!(
        names(&*open(in_folders.path(), Split::Test).unwrap()),
        ["b.jpg"]
    );
}

#[test]
fn words_in_shards_names_are_whole_and_val_is_before_test() {
    let jpeg = golden("source.jpg");
    let shard = |name: &str| tar(&[(name, &jpeg)]);
    let folder = folder(&[
        ("latest-train000.tar", &shard("a.jpg")),
        ("latest-val000.tar", &shard("b.jpg")),
        ("latest-test000.tar", &shard("c.jpg")),
        ("contest-1.tar", &shard("d.jpg")),
    ]);
    let (train, test) = (
        open(folder.path(), Split::Train).unwrap(),
        open(folder.path(), Split::Test).unwrap(),
    );
    assert_eq!(names(&*train), ["a.jpg"]);
    assert_eq!(names(&*test), ["b.jpg"]);
    let [warning] = train.warnings() else {
        panic!("{:?}", train.warnings())
    };
    assert!(
        warning.starts_with("left out 1 of the tar files") && warning.contains("contest-1.tar"),
        "{warning}"
    );
    fs::remove_file(folder.path().join("latest-val000.tar")).unwrap();
    assert_eq!(
        names(&*open(folder.path(), Split::Test).unwrap()),
        ["c.jpg"]
    );
}

#[test]
fn shards_beside_images_are_refused() {
    let jpeg = golden("source.jpg");
    let folder = folder(&[("n01.tar", &tar(&[("a.jpg", &jpeg)])), ("n01/a.jpg", &jpeg)]);
    let message = refused(folder.path(), Split::Train).to_string();
    assert!(
        message.ends_with(
            "holds tar files (such as n01.tar) beside images (such as n01/a.jpg): expected one or \
             the other"
        ),
        "{message}"
    );
}

#[test]
fn shards_taken_together_or_beside_a_picture_are_warned_of() {
    let shard = tar(&[("a.jpg", &golden("source.jpg"))]);
    let warnings = |files: &[(&str, &[u8])]| {
        let folder = folder(files);
        let dataset = open(folder.path(), Split::Train).unwrap();
        (dataset.len(), dataset.warnings().join("\n"))
    };
    let (images, text) = warnings(&[("train-0.tar", &shard), ("more.tar", &shard)]);
    assert!(
        images == 2 && text.contains("are used as one set"),
        "{text}"
    );
    let (images, text) = warnings(&[("a.tar", &shard), ("preview.png", b"")]);
    assert!(
        images == 1 && text.contains("left out images beside the tar files"),
        "{text}"
    );
    assert_eq!(
        warnings(&[("a.tar", &shard), ("b.tar", &shard)]),
        (2, String::new())
    );
    let (images, text) = warnings(&[("train-0.tar", &shard), ("eval-0.tar", &shard)]);
    assert_eq!((images, text.as_str()), (1, ""));
}

#[test]
fn a_long_line_of_something_else_is_refused_at_once() {
    // One line of JSON, as annotations have it: a megabyte of commas.
    let json = format!(
        "[{}]",
        "{\"file_name\": \"a.jpg\", \"id\": 1}, ".repeat(30_000)
    );
    let folder = folder(&[("train.txt", json.as_bytes())]);
    let message = refused(folder.path(), Split::Train).to_string();
    assert!(
        message.len() < 500
            && message.contains("line 1: expected a path, or a path and a label, in at most"),
        "{message}"
    );
}

#[test]
fn lists_may_have_commas_in_paths_and_a_header() {
    let read = |name: &str, content: &str| {
        let images = ["a,b.jpg", "b.jpg"].map(|image| (image, &b""[..]));
        let folder = folder(&[images[0], images[1], (name, content.as_bytes())]);
        let dataset = open(folder.path(), Split::Train).unwrap();
        let warnings = dataset.warnings().len();
        (names(&*dataset), labels(&*dataset), warnings)
    };
    let paths = |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.into()).collect() };
    assert_eq!(
        read("train.txt", "a,b.jpg\nc.jpg\n"),
        (paths(&["a,b.jpg", "c.jpg"]), vec![None; 2], 0)
    );
    assert_eq!(
        read("train.txt", "a,b.jpg 1\nc.jpg 0\n"),
        (paths(&["a,b.jpg", "c.jpg"]), vec![Some(1), Some(0)], 0)
    );
    for header in [
        "path,label",
        "image_id,label",
        "# of mine\nFilename,class",
        "\"image\",\"y\"",
    ] {
        assert_eq!(
            read("train.csv", &format!("{header}\nb.jpg,1\na.jpg,0\n")),
            (paths(&["b.jpg", "a.jpg"]), vec![Some(1), Some(0)], 1)
        );
    }
    // A file that has such a name is an image.
    let odd = folder(&[("train.csv", b"image,cat\nb.jpg,dog\n"), ("image", b"")]);
    let odd = open(odd.path(), Split::Train).unwrap();
    assert_eq!(names(&*odd), ["image", "b.jpg"]);
}

#[test]
fn labels_of_two_kinds_are_refused_by_line() {
    let cases = [
        (
            "a.jpg 0\n# none\nb.jpg cat\n",
            "line 3: expected a whole number below 1048576 as the label, as on other lines, \
             found \"cat\"",
        ),
        (
            "a.jpg dog\nb.jpg cat\nc.jpg 7\n",
            "line 3: expected a name as the label, not a number, as on other lines, found \"7\"",
        ),
        (
            "key,label\na.jpg,1\nb.jpg,2\n",
            "line 1: expected a whole number below 1048576 as the label, as on other lines, \
             found \"label\"",
        ),
        (
            "a.jpg,cat,3\nb.jpg,dog,4\n",
            "line 1: expected a path and one label, found \"a.jpg,cat,3\"",
        ),
    ];
    for (content, text) in cases {
        let folder = folder(&[("train.csv", content.as_bytes())]);
        let message = refused(folder.path(), Split::Train).to_string();
        assert!(message.contains(text), "{message}");
        assert!(message.contains("train.csv"), "{message}");
    }
    let jpeg = golden("source.jpg");
    let shard = tar(&[
        ("1.jpg", &jpeg),
        ("1.cls", b"1"),
        ("2.jpg", &jpeg),
        ("2.cls", b"dog"),
    ]);
    let folder = folder(&[("a.tar", &shard)]);
    let message = refused(folder.path(), Split::Train).to_string();
    assert!(
        message.contains("a.tar/2.jpg has the label \"dog\": expected a whole number"),
        "{message}"
    );
}

#[test]
fn splits_agree_on_their_classes() {
    let jpeg = golden("source.jpg");
    let shard = |label: &[u8]| tar(&[("1.jpg", &jpeg), ("1.cls", label)]);
    let files: [&[(&str, &[u8])]; 3] = [
        &[
            ("train.txt", b"a.jpg 0\nb.jpg 3\n"),
            ("val.txt", b"c.jpg 1\n"),
            ("a.jpg", b""),
            ("c.jpg", b""),
        ],
        &[
            ("x-train-0.tar", &shard(b"3")),
            ("x-val-0.tar", &shard(b"1")),
        ],
        &[("train/0.tar", &shard(b"3")), ("val/0.tar", &shard(b"1"))],
    ];
    for files in files {
        let folder = folder(files);
        let [train, test] =
            [Split::Train, Split::Test].map(|split| open(folder.path(), split).unwrap());
        assert_eq!(train.classes(), ["0", "1", "2", "3"]);
        assert_eq!(test.classes(), train.classes());
        assert_eq!(labels(&*test), [Some(1)]);
    }
    // Names, of which the test split has some.
    let named = folder(&[
        ("train.txt", b"a.jpg cat\nb.jpg cow\nc.jpg dog\n"),
        ("val.txt", b"d.jpg dog\ne.jpg cat\n"),
        ("a.jpg", b""),
        ("d.jpg", b""),
    ]);
    let [train, test] = [Split::Train, Split::Test].map(|split| open(named.path(), split).unwrap());
    assert_eq!(train.classes(), test.classes());
    assert_eq!(labels(&*test), [Some(2), Some(0)]);
    // A class that there is nothing to learn of is one of both.
    fs::write(named.path().join("val.txt"), "d.jpg dgo\n").unwrap();
    let [train, test] = [Split::Train, Split::Test].map(|split| open(named.path(), split).unwrap());
    assert_eq!(test.classes(), ["cat", "cow", "dgo", "dog"]);
    assert_eq!(train.classes(), test.classes());
    assert_eq!(labels(&*test), [Some(2)]);
    assert_eq!(labels(&*train), [Some(0), Some(1), Some(3)]);
}

#[test]
fn damaged_shards_are_refused() {
    let jpeg = golden("source.jpg");
    let whole = tar(&[("1.jpg", &jpeg), ("1.cls", b"1")]);
    let folder = folder(&[("a.tar", &whole[..jpeg.len() / 2])]);
    let error = refused(folder.path(), Split::Train);
    assert!(matches!(error, Error::Shard { .. }), "{error}");
    assert!(error.to_string().contains("a.tar"), "{error}");

    fs::write(folder.path().join("a.tar"), tar(&[("1.txt", b"hello")])).unwrap();
    let error = refused(folder.path(), Split::Train);
    assert!(matches!(error, Error::NoImages { .. }), "{error}");

    let half = tar(&[("1.jpg", &jpeg), ("1.cls", b"1"), ("2.jpg", &jpeg)]);
    fs::write(folder.path().join("a.tar"), half).unwrap();
    let error = refused(folder.path(), Split::Train).to_string();
    assert!(error.contains("a.tar/2.jpg has no label"), "{error}");
}

#[test]
fn data_without_splits_is_divided_by_a_seed() {
    let files: Vec<String> = (0..40)
        .map(|index| format!("{}/{index}.png", index % 2))
        .collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let folder = folder(&files);
    let of = |split, seed| {
        let options = OpenOptions {
            test_fraction: Some((0.25, seed)),
            ..OpenOptions::default()
        };
        names(&*open_with(folder.path(), split, &options).unwrap())
    };
    let (train, test) = (of(Split::Train, 1), of(Split::Test, 1));
    assert_eq!((train.len(), test.len()), (30, 10));
    assert!(test.iter().all(|name| !train.contains(name)));
    assert_eq!(test, of(Split::Test, 1));
    assert_ne!(test, of(Split::Test, 2));
    for fraction in [0.0, 1.0, 0.001, f64::NAN] {
        let options = OpenOptions {
            test_fraction: Some((fraction, 0)),
            ..OpenOptions::default()
        };
        let result = open_with(folder.path(), Split::Test, &options);
        assert!(matches!(result, Err(Error::Subset { .. })), "{fraction}");
    }
}

#[test]
fn a_train_split_alone_can_be_divided_but_not_beside_a_test_split() {
    let files: Vec<String> = (0..20)
        .map(|index| format!("train/a/{index}.png"))
        .collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let folder = folder(&files);
    let options = OpenOptions {
        test_fraction: Some((0.25, 0)),
        ..OpenOptions::default()
    };
    let open = |split| open_with(folder.path(), split, &options);
    assert!(matches!(
        refused(folder.path(), Split::Test),
        Error::MissingSplit { .. }
    ));
    let (train, test) = (open(Split::Train).unwrap(), open(Split::Test).unwrap());
    assert_eq!((train.len(), test.len()), (15, 5));
    let train = names(&*train);
    assert!(names(&*test).iter().all(|name| !train.contains(name)));
    fs::create_dir_all(folder.path().join("val/a")).unwrap();
    fs::write(folder.path().join("val/a/x.png"), b"").unwrap();
    for split in [Split::Train, Split::Test] {
        assert!(matches!(open(split), Err(Error::TestSplit { .. })));
    }
}

#[test]
fn subsets_are_named_as_in_imagenets_files() {
    let files = [
        "train/n01440764/n01440764_10026.JPEG",
        "train/n01440764/n01440764_10027.JPEG",
        "train/n01443537/n01443537_2.JPEG",
        "train/n01443537/same.JPEG",
        "train/n01440764/same.JPEG",
    ];
    let folder = folder(&files.map(|name| (name, &b""[..])));
    let dataset = open(folder.path(), Split::Train).unwrap();
    let named = |text: &str| subset::named(&*dataset, text, "1percent.txt");
    let found = named("n01443537_2.JPEG\n\nn01440764_10026.JPEG\r\n").unwrap();
    assert_eq!(found, [0, 3]);
    assert_eq!(names(&*dataset)[3], "n01443537_2.JPEG");
    assert_eq!(named("n01440764/same.JPEG").unwrap(), [2]);
    let refused = |text: &str| named(text).unwrap_err().to_string();
    let message = refused("n01440764_10026.JPEG\nmissing.JPEG\n1440764_10027.JPEG\n");
    assert_eq!(
        message,
        "1percent.txt: 2 of 3 names do not match exactly one image: the first, missing.JPEG, \
         matches 0"
    );
    assert!(refused("same.JPEG").ends_with("the first, same.JPEG, matches 2"));
    let twice = named("n01443537_2.JPEG\nn01443537/n01443537_2.JPEG").unwrap();
    assert_eq!(twice, [3]);
    assert!(refused("\n").contains("at least one name"));
}

#[test]
fn listing_reports_progress_and_is_kept_until_something_changes() {
    let files: Vec<String> = (0..300)
        .map(|index| format!("{}/{index}.png", index % 30))
        .collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let (folder, cache) = (folder(&files), tempdir().unwrap());
    // Older than what may still change unseen.
    let age = |path: &Path| {
        let then = SystemTime::now() - Duration::from_secs(100);
        File::open(path).unwrap().set_modified(then).unwrap();
    };
    age(folder.path());
    (0..30).for_each(|class| age(&folder.path().join(class.to_string())));
    let calls = AtomicUsize::new(0);
    let most = AtomicUsize::new(0);
    let progress = |found: usize| {
        calls.fetch_add(1, Ordering::Relaxed);
        most.fetch_max(found, Ordering::Relaxed);
    };
    let options = OpenOptions {
        progress: Some(&progress),
        cache: Some(cache.path()),
        ..OpenOptions::default()
    };
    let open = || open_with(folder.path(), Split::Train, &options).unwrap();
    let first = open();
    assert_eq!((first.len(), most.load(Ordering::Relaxed)), (300, 300));
    let before = calls.swap(0, Ordering::Relaxed);
    assert!(before >= 30, "{before}");
    // The second comes from the cache, and is the same.
    let second = open();
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    assert_eq!(names(&*first), names(&*second));
    assert_eq!(labels(&*first), labels(&*second));
    assert_eq!(first.classes(), second.classes());
    fs::write(folder.path().join("7/new.png"), b"").unwrap();
    assert_eq!(open().len(), 301);
    assert!(calls.load(Ordering::Relaxed) > 0);
    // Nothing was written into the data.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 30);
}
