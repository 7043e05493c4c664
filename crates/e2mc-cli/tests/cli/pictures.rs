//! Single images on the pages of `inspect`, `report` and `compare`: pictures from the data set that
//! is still there, names that would break a page, and pages without pictures.

use std::fs;

use roxmltree::Document;

use super::common::{TINY, World};

/// A class and a file whose names are markup; no file system here takes a slash.
const CLASS: &str = "a<b>'\"&amp;";
const FILE: &str = "<script>alert(1)<!--";

/// Forty grey images of 28 pixels in a train and a test split, of two classes.
fn hostile(world: &World) {
    for (split, count) in [("train", 32), ("test", 16)] {
        for (class, bright) in [(CLASS, 40), ("plain", 160)] {
            let folder = world.path("data").join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            for index in 0..count / 2 {
                let image = image::GrayImage::from_fn(28, 28, |x, y| {
                    let noise = (x * 7 + y * 13 + index * 31) % 60;
                    image::Luma([(bright + noise) as u8])
                });
                image
                    .save(folder.join(format!("{FILE}{index}.png")))
                    .unwrap();
            }
        }
    }
}

/// The page is well-formed, holds no script but its own, loads nothing and is below five megabytes.
fn checked(world: &World, name: &str) -> String {
    let page = fs::read_to_string(world.path(name)).unwrap();
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("<script").count(), 1, "the page's own");
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("src="));
    let start = page.find("<script").unwrap();
    let end = page.find("</script>").unwrap() + "</script>".len();
    let xml = page
        .replacen("<!DOCTYPE html>", "", 1)
        .replace(&page[start..end], "");
    Document::parse(&xml).expect("well-formed");
    page
}

fn pictures(page: &str) -> usize {
    page.matches("<symbol id=\"p").count()
}

#[test]
fn results_bring_their_images_to_the_pages_of_compare_and_report() {
    let world = World::new();
    hostile(&world);
    let ran = world.run(&format!(
        "pretrain {TINY} --data data --out run --knn-every 0"
    ));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let other = world.run(&format!(
        "pretrain {TINY} --data data --out other --seed 5 --knn-every 0"
    ));
    assert_eq!(other.code, Some(0), "{}", other.stderr);
    for run in ["run", "other"] {
        let line = format!(
            "probe --checkpoint {run}/model.safetensors --data data --seeds 2 --fractions 0.5 \
             --probe logistic --out {run}/probe"
        );
        let ran = world.run(&line);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let compare = |page: &str, more: &str| {
        let ran = world.run(&format!(
            "compare run/probe other/probe --report {page} {more}"
        ));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        checked(&world, page)
    };
    let page = compare("c.html", "");
    for part in [
        "Accuracy by class over run/probe",
        "Neighbours of a fixed sample of images",
        "A map of the images",
        "a&lt;b&gt;&#39;&quot;&amp;amp;",
        "test/plain/&lt;script&gt;alert(1)&lt;!--",
        "<span class=\"heard\">",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(pictures(&page) >= 16, "{}", pictures(&page));
    let bare = compare("bare.html", "--no-thumbnails");
    assert_eq!(pictures(&bare), 0);
    assert!(bare.contains("Pictures are left out, as requested.") && bare.contains("test/plain/"));

    // A single model has a part of its own.
    assert_eq!(world.run("report run").code, Some(0));
    let page = checked(&world, "run/report.html");
    assert!(page.contains("Accuracy by class") && page.contains("A map of the images"));
    assert!(pictures(&page) >= 16);

    // Other images in the same place are not shown for those that were evaluated.
    fs::remove_file(world.path("data/test/plain").join(format!("{FILE}3.png"))).unwrap();
    let page = compare("changed.html", "");
    assert!(page.contains("have changed since the evaluation") && page.contains("image 1"));
    assert!(!page.contains("test/plain/"));
    fs::rename(world.path("data"), world.path("moved")).unwrap();
    let page = compare("gone.html", "");
    assert!(page.contains("There are no pictures: ") && pictures(&page) == 0);
    assert!(page.contains("a&lt;b&gt;"), "the classes are in the result");
}

#[test]
fn inspect_shows_the_images_of_checkpoints_and_of_rows() {
    let world = World::new();
    hostile(&world);
    let ran = world.run(&format!(
        "pretrain {TINY} --data data --out run --knn-every 0"
    ));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let model = "run/model.safetensors";
    let line = format!("inspect --checkpoint {model} --data data --report c.html");
    let ran = world.run(&line);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let page = checked(&world, "c.html");
    assert!(page.contains("Neighbours: of other classes") || page.contains("nobody chose"));
    assert_eq!(pictures(&page), 16, "the test images, each once");

    let ran = world.run(&format!(
        "embed --checkpoint {model} --data data --split test --out z.npy"
    ));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    fs::copy(world.path("z.npy"), world.path("y.npy")).unwrap();
    let ran = world.run("inspect z.npy y.npy --data data --report z.html");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let page = checked(&world, "z.html");
    assert_eq!(pictures(&page), 16);
    assert!(
        page.contains("z.npy")
            && !page.contains("before: z.npy")
            && page.contains("the majority of the 10 nearest among all other images here")
    );
    // Without the images the page is as it was.
    let ran = world.run("inspect z.npy --report plain.html");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!checked(&world, "plain.html").contains("Single images"));

    // Rows that are not of these images.
    fs::write(world.path("z.names.txt"), "other.png\n".repeat(16)).unwrap();
    let ran = world.run("inspect z.npy --data data --report no.html");
    assert!(
        ran.error()
            .starts_with("data: expected the images of 16 rows of z.npy"),
        "{}",
        ran.stderr
    );
    let ran = world.run("inspect z.npy --data nowhere --report no.html");
    assert!(ran.error().contains("nowhere"), "{}", ran.stderr);
}
