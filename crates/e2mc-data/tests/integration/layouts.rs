//! Data sets as people have them: read with the right labels, or refused with the right sentence.

use std::fs;
use std::io::Write;
use std::path::Path;

use e2mc_data::dataset::escaped_name;
use e2mc_data::{Dataset, Error, Image, Split, open};
use flate2::{Compression, write::GzEncoder};
use tempfile::{TempDir, tempdir};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder with these files, images where nothing else is said.
fn folder(files: &[&str]) -> TempDir {
    let png = fs::read(root().join("tests/golden/gray.png")).unwrap();
    let files: Vec<(&str, &[u8])> = files.iter().map(|&name| (name, &png[..])).collect();
    folder_of(&files)
}

fn folder_of(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempdir().unwrap();
    files
        .iter()
        .for_each(|(name, content)| put(&folder, name, content));
    folder
}

fn put(folder: &TempDir, name: &str, content: &[u8]) {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Names below the root, each with its class's name.
fn labelled(dataset: &dyn Dataset, root: &Path) -> Vec<(String, String)> {
    let item = |index| {
        let name = dataset.name(index);
        let name = Path::new(&name).strip_prefix(root).unwrap();
        let class = dataset
            .label(index)
            .map(|label| dataset.classes()[label].clone());
        (name.to_str().unwrap().to_owned(), class.unwrap_or_default())
    };
    (0..dataset.len()).map(item).collect()
}

fn labels(dataset: &dyn Dataset) -> Vec<Option<usize>> {
    (0..dataset.len())
        .map(|index| dataset.label(index))
        .collect()
}

fn both(path: &Path) -> [std::sync::Arc<dyn Dataset>; 2] {
    [Split::Train, Split::Test].map(|split| open(path, split).unwrap())
}

#[track_caller]
fn refused(path: &Path) -> String {
    let errors = [Split::Train, Split::Test].map(|split| match open(path, split) {
        Err(error) => error,
        Ok(_) => panic!("{} was opened", path.display()),
    });
    let hint = errors[0].hint().unwrap();
    assert!(!hint.contains("--"), "{hint}");
    errors[0].to_string()
}

#[test]
fn splits_are_told_by_whole_words_in_any_case() {
    for (train, test) in [
        ("Training", "Testing"),
        ("TRAIN", "TEST"),
        ("training_set", "test_set"),
        ("seg_train", "seg_test"),
        ("TRAINING", "VALIDATION"),
        ("TrainImages", "TestImages"),
        ("train_data", "val_data"),
        ("cars_train", "cars_test"),
        ("train2017", "val2017"),
        ("Train", "Valid"),
        ("train-set", "dev-set"),
    ] {
        let names = [
            format!("{train}/cat/1.png"),
            format!("{train}/dog/1.png"),
            format!("{test}/cat/2.png"),
            format!("{test}/dog/2.png"),
            format!("{test}/dog/3.png"),
        ];
        let names = names.each_ref().map(String::as_str);
        let folder = folder(&names);
        let [learnt, judged] = both(folder.path());
        assert_eq!((learnt.len(), judged.len()), (2, 3), "{train} {test}");
        assert_eq!(learnt.classes(), ["cat", "dog"]);
        assert_eq!(labels(&*judged), [Some(0), Some(1), Some(1)]);
    }
}

#[test]
fn val_comes_before_test_and_exact_names_before_others() {
    let test_of = |files: &[&str]| {
        let folder = folder(files);
        let test = open(folder.path(), Split::Test).unwrap();
        labelled(&*test, folder.path())[0].0.clone()
    };
    let files = ["Train/a/1.png", "Valid/a/2.png", "Test/a/3.png"];
    assert_eq!(test_of(&files), "Valid/a/2.png");
    let files = ["train/a/1.png", "val/a/2.png", "val_images/a/3.png"];
    assert_eq!(test_of(&files), "val/a/2.png");
    // As archives unpack.
    let files = [
        "seg_train/seg_train/sea/1.png",
        "seg_test/seg_test/sea/2.png",
        "seg_pred/seg_pred/3.png",
    ];
    assert_eq!(test_of(&files), "seg_test/seg_test/sea/2.png");
}

#[test]
fn folders_that_may_be_splits_or_classes_are_refused_naming_both() {
    for (files, first, second) in [
        (["mytrain/a/1.png", "mytest/a/2.png"], "mytrain/", "mytest/"),
        (
            ["trainimages/1.png", "testimages/2.png"],
            "trainimages/",
            "testimages/",
        ),
        (["Train/a/1.png", "training/a/2.png"], "Train/", "training/"),
        (["Train/1.png", "cats/2.png"], "Train/", "cats/"),
        (["test/a/1.png", "cats/2.png"], "test/", "cats/"),
    ] {
        let folder = folder(&files);
        let message = refused(folder.path());
        assert!(
            message.contains(first) && message.contains(second),
            "{message}"
        );
        assert!(message.contains("expected"), "{message}");
    }
    let pairs = folder(&[
        "a_train/x/1.png",
        "a_test/x/1.png",
        "b_train/x/1.png",
        "b_test/x/1.png",
    ]);
    assert!(refused(pairs.path()).contains("a_train/ beside the folder b_train/"));
}

#[test]
fn classes_whose_names_hold_splits_words_stay_classes() {
    for files in [
        ["valid/1.png", "invalid/2.png"],
        ["train station/1.png", "bus stop/2.png"],
        ["contest/1.png", "strain/2.png"],
        ["tested_good/1.png", "tested_bad/2.png"],
        ["dev board/1.png", "test tube/2.png"],
    ] {
        let folder = folder(&files);
        let dataset = open(folder.path(), Split::Train).unwrap();
        assert_eq!(
            (dataset.len(), dataset.classes().len()),
            (2, 2),
            "{files:?}"
        );
    }
}

#[test]
fn a_split_alone_lacks_the_other_by_name() {
    let folder = folder(&["Testing/a/1.png"]);
    assert_eq!(open(folder.path(), Split::Test).unwrap().classes(), ["a"]);
    let Err(error) = open(folder.path(), Split::Train) else {
        panic!("there is nothing to learn from")
    };
    let expected = "expected a folder train/ beside val/ or test/";
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[test]
fn classes_are_numbered_once_over_both_splits() {
    let some = folder(&[
        "train/a/1.png",
        "train/b/1.png",
        "train/c/1.png",
        "val/a/2.png",
        "val/c/2.png",
        "val/c/3.png",
    ]);
    let [train, val] = both(some.path());
    assert_eq!(val.classes(), ["a", "b", "c"]);
    assert_eq!(train.classes(), val.classes());
    assert_eq!(labels(&*val), [Some(0), Some(2), Some(2)]);
    // Each lacks one; numbers are sorted as texts, as torchvision sorts folders.
    let each = folder(&[
        "train/0/1.png",
        "train/10/1.png",
        "val/0/2.png",
        "val/2/2.png",
    ]);
    let [train, val] = both(each.path());
    assert_eq!(train.classes(), ["0", "10", "2"]);
    assert_eq!(val.classes(), train.classes());
    assert_eq!(
        (labels(&*train), labels(&*val)),
        (vec![Some(0), Some(1)], vec![Some(0), Some(2)])
    );
}

#[test]
fn a_flat_split_is_labelled_by_the_list_beside_it() {
    let files = [
        "train/cat/1.png",
        "train/cow/1.png",
        "train/dog/1.png",
        "val/x.png",
        "val/y.png",
    ];
    let folder = folder(&files);
    let numbers = |list: &str, text: &str| {
        put(&folder, list, text.as_bytes());
        let val = open(folder.path(), Split::Test);
        fs::remove_file(folder.path().join(list)).unwrap();
        val.map(|val| {
            let mut image = Image::default();
            (0..val.len()).for_each(|index| val.read(index, &mut image).unwrap());
            (
                labelled(&*val, folder.path()),
                val.classes().len(),
                val.warnings().len(),
            )
        })
    };
    let item = |name: &str, class: &str| (format!("val/{name}"), class.to_owned());
    let wanted = vec![item("y.png", "dog"), item("x.png", "cat")];
    for (list, text) in [
        ("val.txt", "y.png 2\nx.png 0\n"),
        ("val.txt", "val/y.png 2\nval/x.png 0\n"),
        ("Val.csv", "y.png,dog\nx.png,cat\n"),
        ("validation.tsv", "y.png\tdog\nx.png\tcat\n"),
        ("val.txt", "y.png 2.0\nx.png 0.0\n"),
    ] {
        assert_eq!(
            numbers(list, text).unwrap(),
            (wanted.clone(), 3, 0),
            "{text}"
        );
    }
    // With a header and a warning; of a part of the images with another.
    let table = numbers("val.csv", ",file,label\n0,y.png,dog\n1,x.png,cat\n").unwrap();
    assert_eq!(table, (wanted.clone(), 3, 1));
    let part = numbers("val.txt", "y.png 2\n").unwrap();
    assert_eq!(part, (wanted[..1].to_vec(), 3, 1));
    let message = |text| numbers("val.txt", text).unwrap_err().to_string();
    let high = message("y.png 3\nx.png 1\n");
    assert!(
        high.contains("val.txt: y.png has the label \"3\": expected a number below 3"),
        "{high}"
    );
    let lost = message("z.png 1\nx.png 1\n");
    assert!(
        lost.contains("line 1: expected a file of") && lost.contains("\"z.png\""),
        "{lost}"
    );
    // Without a list there are no labels.
    assert_eq!(
        labels(&*open(folder.path(), Split::Test).unwrap()),
        [None, None]
    );
}

#[test]
fn both_splits_may_be_flat_beside_their_tables() {
    let folder = folder(&["train/1.png", "train/2.png", "test/3.png"]);
    put(&folder, "train.csv", b"id,label\n2.png,dog\n1.png,cat\n");
    put(&folder, "test.csv", b"id,label\n3.png,dog\n");
    let [train, test] = both(folder.path());
    let item = |name: &str, class: &str| (name.to_owned(), class.to_owned());
    assert_eq!(
        labelled(&*train, folder.path()),
        [item("train/2.png", "dog"), item("train/1.png", "cat")]
    );
    assert_eq!(labelled(&*test, folder.path()), [item("test/3.png", "dog")]);
    // The classes are those of both.
    assert_eq!(
        (labels(&*test), test.classes()),
        (vec![Some(1)], train.classes())
    );
    // Names without an extension, as they are in some contests.
    put(&folder, "train.csv", b"id,breed\n2,dog\n1,cat\n");
    let [train, test] = both(folder.path());
    assert_eq!(
        labelled(&*train, folder.path())[0],
        item("train/2.png", "dog")
    );
    assert_eq!(test.classes(), ["cat", "dog"]);
}

#[test]
fn tiny_imagenets_test_split_is_labelled_by_its_annotations() {
    let folder = folder(&[
        "train/n01/images/n01_0.png",
        "train/n02/images/n02_0.png",
        "train/n03/images/n03_0.png",
        "val/images/val_0.png",
        "val/images/val_1.png",
        "test/images/test_0.png",
    ]);
    let boxes = "val_0.png\tn03\t0\t32\t44\t62\nval_1.png\tn01\t52\t55\t57\t59\n";
    put(&folder, "val/val_annotations.txt", boxes.as_bytes());
    let [train, val] = both(folder.path());
    assert_eq!(labels(&*train), [Some(0), Some(1), Some(2)]);
    assert_eq!(labels(&*val), [Some(2), Some(0)]);
    assert_eq!(val.classes(), ["n01", "n02", "n03"]);
    let mut image = Image::default();
    val.read(1, &mut image).unwrap();
    // A folder of all images is no class.
    fs::remove_file(folder.path().join("val/val_annotations.txt")).unwrap();
    let val = open(folder.path(), Split::Test).unwrap();
    assert_eq!((labels(&*val), val.classes().len()), (vec![None, None], 0));
}

#[test]
fn boxes_are_no_labels() {
    let folder = folder(&["train/1.png", "train/2.png", "valid/3.png"]);
    let boxes =
        b"filename,width,height,class,xmin\n1.png,9,9,cat,1\n1.png,9,9,dog,1\n2.png,9,9,cat,3\n";
    put(&folder, "train/_annotations.csv", boxes);
    let train = open(folder.path(), Split::Train).unwrap();
    assert_eq!(labels(&*train), [None, None]);
    let warnings = train.warnings().join("\n");
    assert!(warnings.contains("has 3 rows for 2 images"), "{warnings}");
}

#[test]
fn a_folder_around_the_splits_is_passed_through() {
    let folder = folder(&[
        "chest/train/a/1.png",
        "chest/train/b/1.png",
        "chest/test/b/2.png",
    ]);
    let [train, test] = both(folder.path());
    assert_eq!((train.len(), labels(&*test)), (2, vec![Some(1)]));
}

#[test]
fn a_list_beside_class_folders_is_refused_naming_both() {
    let folder = folder(&["a/0.png", "a/1.png", "b/0.png", "b/1.png"]);
    put(&folder, "train.txt", b"a/0.png 0\n");
    let message = refused(folder.path());
    assert!(
        message.contains("the list train.txt beside class folders (a/, b/)"),
        "{message}"
    );
    // Two lists say what is what.
    put(&folder, "val.txt", b"b/0.png 1\na/1.png 0\n");
    let [train, val] = both(folder.path());
    assert_eq!((train.len(), val.len(), val.classes().len()), (1, 2, 2));
    assert!(train.warnings()[0].contains("the lists train.txt and val.txt are used"));
    // The list itself may be opened.
    assert_eq!(
        open(&folder.path().join("val.txt"), Split::Train)
            .unwrap()
            .len(),
        2
    );
    let images = self::folder(&["images/0.png", "masks/0.png"]);
    put(&images, "train.txt", b"images/0.png cat\n");
    assert_eq!(
        open(images.path(), Split::Train).unwrap().classes(),
        ["cat"]
    );
}

#[test]
fn tables_of_every_make_are_read() {
    let paths: Vec<String> = (0..12).map(|n| format!("img/{n}.png")).collect();
    let names: Vec<&str> = paths.iter().map(String::as_str).collect();
    let folder = folder(&names);
    let read = |name: &str, text: &str| {
        put(&folder, name, text.as_bytes());
        let dataset = open(&folder.path().join(name), Split::Train).unwrap();
        let mut image = Image::default();
        (0..dataset.len()).for_each(|index| dataset.read(index, &mut image).unwrap());
        labelled(&*dataset, folder.path())
    };
    // Floats, as pandas writes a column with gaps.
    let floats: String = (0..12).map(|n| format!("img/{n}.png,{n}.0\n")).collect();
    let found = read("floats.csv", &format!("path,label\n{floats}"));
    assert!(
        found
            .iter()
            .enumerate()
            .all(|(n, (_, class))| *class == n.to_string())
    );
    let item = |name: &str, class: &str| (format!("img/{name}.png"), class.to_owned());
    let wanted = [item("0", "a"), item("1", "b")];
    for (name, text) in [
        ("index.csv", ",path,label\n0,img/0.png,a\n1,img/1.png,b\n"),
        (
            "bom.csv",
            "\u{feff}Unnamed: 0,label,path\r\n0,a,img/0.png\r\n1,b,img/1.png\r\n",
        ),
        (
            "quoted.csv",
            "\"path\",\"label\"\n\"img/0.png\",\"a\"\n\"img/1.png\",\"b\"\n",
        ),
        ("labels first.csv", "label,path\na,img/0.png\nb,img/1.png\n"),
        ("partly.csv", "path,label\n\"img/0.png\",a\nimg/1.png,b\n"),
        (
            "wide.csv",
            "image_id,path,width,label\n7,img/0.png,3,a\n8,img/1.png,4,b\n",
        ),
        (
            "tabs.tsv",
            "\tfilename\tclass\n0\timg/0.png\ta\n1\timg/1.png\tb\n",
        ),
        (
            "index.txt",
            "index,file_name,species\n0,img/0.png,a\n1,img/1.png,b\n",
        ),
    ] {
        assert_eq!(read(name, text), wanted, "{name}");
    }
    put(
        &folder,
        "img/big, dog.png",
        &fs::read(folder.path().join("img/0.png")).unwrap(),
    );
    let comma = read(
        "comma.csv",
        ",path,label\n0,\"img/big, dog.png\",\"dog, big\"\n",
    );
    assert_eq!(comma, [item("big, dog", "dog, big")]);
    let halves = read("halves.csv", "img/0.png,10.5\nimg/1.png,9.5\n");
    assert_eq!(halves, [item("0", "10.5"), item("1", "9.5")]);
    let dataset = open(&folder.path().join("halves.csv"), Split::Train).unwrap();
    assert_eq!(labels(&*dataset), [Some(1), Some(0)]);
}

#[test]
fn a_list_of_no_image_that_is_there_is_refused_by_line() {
    let folder = folder(&["img/0.png", "img/1.png"]);
    for (text, line, found) in [
        (",image,label\n0,0.png,1\n1,1.png,2\n", 2, "0.png"),
        ("path;label\nimg/0.png;a\nimg/1.png;b\n", 1, "path;label"),
    ] {
        put(&folder, "list.csv", text.as_bytes());
        let error = open(&folder.path().join("list.csv"), Split::Train)
            .err()
            .unwrap();
        let said = error.to_string();
        assert!(said.contains(&format!("list.csv, line {line}")), "{said}");
        assert!(said.contains("relative to the list's folder"), "{said}");
        assert!(
            said.contains(&format!("{found}, and there is no such file")),
            "{said}"
        );
        assert!(error.hint().unwrap().contains("a tab, a comma or a space"));
    }
    // One that lacks its first image is a list with a bad image.
    put(&folder, "list.csv", b"img/9.png,a\nimg/1.png,b\n");
    assert_eq!(
        open(&folder.path().join("list.csv"), Split::Train)
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn splits_of_unknown_names_are_told_of() {
    let warned = |files: &[&str]| {
        let folder = folder(files);
        let dataset = open(folder.path(), Split::Train).unwrap();
        dataset.warnings().concat()
    };
    let said = warned(&[
        "tr/cat/0.png",
        "tr/dog/1.png",
        "te/cat/2.png",
        "te/dog/3.png",
    ]);
    assert!(said.contains("te/, tr/ were taken for classes"), "{said}");
    assert!(said.contains("the same folders (cat/, dog/)"), "{said}");
    let plain = warned(&["cat/a/0.png", "cat/b/1.png", "dog/a/2.png", "dog/c/3.png"]);
    assert_eq!(plain, "");
}

#[test]
fn lists_have_splits_names_in_any_case() {
    let folder = folder(&["img/0.png", "img/1.png", "img/2.png"]);
    put(&folder, "Train.TXT", b"img/0.png cat\nimg/1.png dog\n");
    put(&folder, "Validation.csv", b"img/2.png,dog\n");
    let [train, test] = both(folder.path());
    assert_eq!((train.len(), labels(&*test)), (2, vec![Some(1)]));
}

fn archive(name: &str) -> (TempDir, std::path::PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join(name);
    fs::copy(root().join("tests/fixtures/tar").join(name), &path).unwrap();
    (folder, path)
}

#[test]
fn archives_of_the_field_are_read_or_told_of() {
    let read = |name: &str| {
        let (folder, path) = archive(name);
        let dataset = open(folder.path(), Split::Train).unwrap();
        let mut image = Image::default();
        (0..dataset.len()).for_each(|index| dataset.read(index, &mut image).unwrap());
        (labelled(&*dataset, &path), dataset.warnings().join("\n"))
    };
    let item = |name: &str, class: &str| (name.to_owned(), class.to_owned());
    assert_eq!(
        read("dotted_names.tar"),
        (
            vec![
                item("000.png", "0"),
                item("2024.01.05.png", "1"),
                item("a.v2.png", "1")
            ],
            String::new()
        )
    );
    assert_eq!(
        read("json_labels.tar"),
        (vec![item("000.png", "0")], String::new())
    );
    let (images, warnings) = read("bmp_and_link.tar");
    assert_eq!(images, [item("000.png", "0"), item("002.png", "0")]);
    assert!(
        warnings.starts_with("images in tar files left out: 1 of other formats")
            && warnings.ends_with("bmp_and_link.tar/001.bmp"),
        "{warnings}"
    );
    for name in ["sparse_gnu.tar", "sparse_pax.tar"] {
        let (images, warnings) = read(name);
        assert_eq!(images, [item("002.png", "1")], "{name}");
        assert!(
            warnings.contains("2 with holes (sparse), the first") && warnings.ends_with("/000.png"),
            "{warnings}"
        );
    }
}

/// An archive of these members: a file's content, or `->` and what a symbolic link leads to, or
/// `=>` for a hard link.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        let link = [
            ("->", tar::EntryType::Symlink),
            ("=>", tar::EntryType::Link),
        ];
        let link = link
            .iter()
            .find(|(start, _)| content.starts_with(start.as_bytes()));
        if let Some((start, kind)) = link {
            header.set_entry_type(*kind);
            header.set_size(0);
            let target = std::str::from_utf8(&content[start.len()..]).unwrap();
            archive.append_link(&mut header, name, target).unwrap();
        } else {
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, name, *content).unwrap();
        }
    }
    archive.into_inner().unwrap()
}

#[test]
fn archives_of_every_make_are_read_or_told_of() {
    let png = fs::read(root().join("tests/golden/gray.png")).unwrap();
    let read = |members: &[(&str, &[u8])]| {
        let folder = folder_of(&[("a.tar", &tar(members))]);
        let dataset = open(folder.path(), Split::Train)?;
        let mut image = Image::default();
        (0..dataset.len()).for_each(|index| dataset.read(index, &mut image).unwrap());
        let images = labelled(&*dataset, &folder.path().join("a.tar"));
        Ok::<_, Error>((images, dataset.warnings().join("\n")))
    };
    let item = |name: &str, class: &str| (name.to_owned(), class.to_owned());
    // Dates without labels.
    let dates = read(&[("2024.01.05.png", &png), ("2024.01.06.png", &png)]).unwrap();
    assert_eq!(
        dates.0,
        [item("2024.01.05.png", ""), item("2024.01.06.png", "")]
    );
    // Links of both kinds, through folders and one another, and one that leads nowhere.
    let (images, warnings) = read(&[
        ("all/1.png", &png),
        ("a/2.png", b"->../all/1.png"),
        ("a/3.png", b"->2.png"),
        ("4.png", b"=>all/1.png"),
        ("5.png", b"->gone.png"),
        ("6.png", b"->6.png"),
    ])
    .unwrap();
    let wanted = ["all/1.png", "a/2.png", "a/3.png", "4.png"].map(|name| item(name, ""));
    assert_eq!(images, wanted);
    assert!(
        warnings.contains("2 as links to what is no image there, the first")
            && warnings.ends_with("a.tar/5.png"),
        "{warnings}"
    );
    // Labels in JSON by name; a label of its own comes first.
    let (images, _) = read(&[
        ("1.png", &png),
        ("1.json", br#"{"width": 3, "class_name": "dog"}"#),
        ("2.cls", b"cat"),
        ("2.json", br#"{"label": "dog"}"#),
        ("2.png", &png),
        ("x.3.png", &png),
        ("x.3.cls.txt", b"cow"),
    ])
    .unwrap();
    assert_eq!(
        images,
        [
            item("1.png", "dog"),
            item("2.png", "cat"),
            item("x.3.png", "cow")
        ]
    );
    // A further field of a sample is none, and is told of.
    let (images, warnings) =
        read(&[("1.png", &png), ("1.cls", b"0"), ("1.seg.png", &png)]).unwrap();
    assert_eq!(images, [item("1.png", "0")]);
    assert!(
        warnings.contains("1 as further fields of a sample"),
        "{warnings}"
    );
    // Captions are no labels and no reason for a word.
    let captions = read(&[
        ("1.png", &png),
        ("1.txt", b"a cat"),
        ("1.json", br#"{"url": "x"}"#),
    ]);
    assert_eq!(captions.unwrap(), (vec![item("1.png", "")], String::new()));
    // Nothing that can be read.
    let error = read(&[("1.gif", b"x"), ("2.TIFF", b"x"), ("3.png", b"->1.gif")]).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains(
            "a.tar that can be read: expected JPEG, PNG or WebP files stored as they are, \
            found 2 of other formats"
        ) && message.contains("; 1 as links"),
        "{message}"
    );
}

#[test]
fn shards_have_splits_names_in_any_case() {
    let png = fs::read(root().join("tests/golden/gray.png")).unwrap();
    let shard = |label: &[u8]| tar(&[("1.png", &png), ("1.cls", label)]);
    for (train, test) in [
        ("TRAIN-000.tar", "VAL-000.tar"),
        ("carsTrain-0.tar", "carsTest-0.tar"),
        ("Training_0.tar", "Testing_0.tar"),
        ("x_train_set-0.tar", "x_test_set-0.tar"),
        ("Train/0.tar", "Valid/0.tar"),
    ] {
        let (first, second) = (shard(b"dog"), shard(b"cat"));
        let folder = folder_of(&[(train, &first), (test, &second)]);
        let [learnt, judged] = both(folder.path());
        assert_eq!((learnt.len(), judged.len()), (1, 1), "{train}");
        assert_eq!(learnt.classes(), ["cat", "dog"]);
        assert_eq!(
            (labels(&*learnt), labels(&*judged)),
            (vec![Some(1)], vec![Some(0)])
        );
    }
}

/// An IDX file of these dimensions.
fn idx(dimensions: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    bytes.extend(dimensions.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

#[test]
fn idx_files_of_every_name_are_read() {
    let images = |count: u8| idx(&[count.into(), 1, 1], &vec![7; count.into()]);
    let classes = |labels: &[u8]| idx(&[labels.len() as u32], labels);
    let packed = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    for [train, train_labels, test, test_labels] in [
        [
            "train-images.idx3-ubyte",
            "train-labels.idx1-ubyte",
            "t10k-images.idx3-ubyte",
            "t10k-labels.idx1-ubyte",
        ],
        [
            "emnist-letters-train-images-idx3-ubyte.gz",
            "emnist-letters-train-labels-idx1-ubyte.gz",
            "emnist-letters-test-images-idx3-ubyte.gz",
            "emnist-letters-test-labels-idx1-ubyte.gz",
        ],
        [
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte.gz",
            "val-images-idx3-ubyte",
            "val-labels-idx1-ubyte",
        ],
        [
            "k49-train-images-idx3-ubyte.gz",
            "k49-train-labels-idx1-ubyte",
            "test-images-idx3-ubyte",
            "test-labels-idx1-ubyte",
        ],
        [
            "Training-images.idx3-ubyte",
            "Training-labels.idx1-ubyte",
            "Validation-images.idx3-ubyte",
            "Validation-labels.idx1-ubyte",
        ],
    ] {
        let folder = tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let bytes = if name.ends_with(".gz") {
                packed(bytes)
            } else {
                bytes.to_vec()
            };
            put(&folder, name, &bytes);
        };
        write(train, &images(3));
        write(train_labels, &classes(&[0, 2, 1]));
        write(test, &images(2));
        write(test_labels, &classes(&[3, 1]));
        let [learnt, judged] = both(folder.path());
        assert_eq!(labels(&*learnt), [Some(0), Some(2), Some(1)], "{train}");
        assert_eq!(labels(&*judged), [Some(3), Some(1)], "{test}");
        assert_eq!((learnt.classes().len(), judged.classes().len()), (4, 4));
    }
    let two = folder_of(&[
        ("a-train-images-idx3-ubyte", &images(1)),
        ("b-train-images-idx3-ubyte", &images(1)),
    ]);
    let message = refused(two.path());
    assert!(
        message.contains("a-train-images-idx3-ubyte beside b-train-images"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn names_with_newlines_are_one_line_and_dangling_links_have_their_sentence() {
    let folder = folder(&["cat/new\nline.png", "cat/one.png"]);
    std::os::unix::fs::symlink("gone/away.png", folder.path().join("cat/two.png")).unwrap();
    let dataset = open(folder.path(), Split::Train).unwrap();
    let names: Vec<String> = (0..3).map(|index| dataset.name(index)).collect();
    let file: String = names
        .iter()
        .map(|name| escaped_name(name).into_owned() + "\n")
        .collect();
    assert_eq!(file.lines().count(), 3);
    assert!(file.lines().next().unwrap().ends_with(r"cat/new\nline.png"));
    let error = dataset.read(2, &mut Image::default()).unwrap_err();
    assert!(error.is_bad_image());
    assert!(
        error.to_string().ends_with(
            "cat/two.png is a link to gone/away.png: expected a file or folder there, found none"
        ),
        "{error}"
    );
    // The data set itself.
    let data = folder.path().join("data");
    std::os::unix::fs::symlink("nowhere", &data).unwrap();
    assert!(
        refused(&data)
            .ends_with("data is a link to nowhere: expected a file or folder there, found none")
    );
}
