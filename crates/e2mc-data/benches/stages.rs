//! Where the time of an image goes: decoding and each operation, one core.
//!
//! `E2MC_JPEGS=DIR cargo bench -p e2mc-data --bench stages` takes the images of a folder (else the
//! tests' one). Each line has the milliseconds for one image or one view: of several draws the
//! mean, of each draw the fastest of several rounds, so that what else runs does not count. Beside
//! it how many bytes were read and written a second at that speed.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use e2mc_data::augment::blur::Blurrer;
use e2mc_data::augment::colour::{Change, adjust};
use e2mc_data::augment::resize::{Resizer, Target};
use e2mc_data::augment::{Augmenter, Normaliser, solarize};
use e2mc_data::decode::{decode, decode_region};
use e2mc_data::geometry::Region;
use e2mc_data::{Augmentation, Filter, Image, stream};

const ROUNDS: usize = 12;
const DRAWS: usize = 32;

/// Prints the time of `work`, of which each call is one image or view and touches `bytes` (0: not
/// known).
fn report(name: &str, bytes: usize, mut work: impl FnMut(usize)) {
    let mut best = [f64::INFINITY; DRAWS];
    for _ in 0..ROUNDS {
        for (draw, best) in best.iter_mut().enumerate() {
            let start = Instant::now();
            work(draw);
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    let mean = best.iter().sum::<f64>() / DRAWS as f64;
    print!("{name:<34} {:>8.3} ms", 1e3 * mean);
    if bytes > 0 {
        print!(" {:>8.1} GB/s", bytes as f64 / mean / 1e9);
    }
    println!();
}

fn files() -> Vec<Vec<u8>> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/source.jpg");
    let mut paths = vec![golden];
    if let Some(folder) = std::env::var_os("E2MC_JPEGS") {
        let entries = std::fs::read_dir(PathBuf::from(folder)).expect("E2MC_JPEGS is a folder");
        paths = entries
            .map(|entry| entry.expect("a readable folder").path())
            .collect();
        paths.sort();
    }
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("a readable file"))
        .collect()
}

fn main() {
    let files = files();
    let file = |number: usize| &files[number % files.len()][..];
    let mut image = Image::default();
    let compressed = files.iter().map(Vec::len).sum::<usize>() / files.len();
    decode(file(0), &"0", &mut image).expect("a valid file");
    let size = image.pixels.len();
    println!(
        "{} x {}, {compressed} bytes compressed",
        image.width, image.height
    );

    report("decode", compressed + size, |number| {
        decode(file(number), &number, &mut image).expect("a valid file");
    });
    for (name, recipe) in [
        ("probe", Augmentation::crop_and_flip()),
        ("vicreg", Augmentation::vicreg()),
        ("swav", Augmentation::swav()),
    ] {
        let augmenter = Augmenter::new(&recipe).expect("a built-in recipe");
        let mut parameters = Vec::new();
        report(&format!("decode what {name} needs"), 0, |number| {
            let mut wanted = |width: usize, height: usize| {
                let stream = |view| stream(0, 0, number as u64, view);
                augmenter.draw(width, height, stream, &mut parameters)
            };
            decode_region(file(number), &number, &mut wanted, &mut image).expect("a valid file");
        });
    }

    decode(file(0), &"0", &mut image).expect("a valid file");
    let region = Region {
        left: image.width / 7,
        top: image.height / 9,
        width: image.width * 7 / 10,
        height: image.height * 7 / 10,
    };
    let mut view = Image::default();
    let mut resizer = Resizer::default();
    let samples = 3 * 224 * 224;
    let cut = 3 * region.width * region.height;
    for (name, filter) in [("bilinear", Filter::Bilinear), ("bicubic", Filter::Bicubic)] {
        report(&format!("resize {name} to 224"), cut + samples, |_| {
            resizer.resize(&image, region, filter, Target::whole(224, 224), &mut view);
        });
    }
    let mut blurrer = Blurrer::default();
    for sigma in [0.5, 1.5] {
        report(&format!("blur {sigma}"), 2 * samples, |_| {
            blurrer.blur(&mut view, sigma)
        });
    }
    let all = [
        Change::Contrast(1.01),
        Change::Brightness(0.99),
        Change::Saturation(1.01),
        Change::Hue(0.004),
    ];
    for (name, changes) in [
        ("brightness", &all[1..2]),
        ("contrast", &all[..1]),
        ("saturation", &all[2..3]),
        ("hue", &all[3..]),
        ("all four in turn", &all[..]),
    ] {
        report(name, 2 * samples, |_| {
            adjust(&mut view, changes.iter().copied(), false)
        });
    }
    report("grey", 2 * samples, |_| adjust(&mut view, [], true));
    report("solarize", 2 * samples, |_| {
        solarize::solarize(&mut view, 128)
    });
    let normaliser = Normaliser::new(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]);
    let mut out = vec![0.0; samples];
    report("normalise", 5 * samples, |_| {
        normaliser.normalise(black_box(&view), &mut out)
    });
    let mut copy = out.clone();
    report("copy of a view's floats", 8 * samples, |_| {
        black_box(&mut copy).copy_from_slice(black_box(&out));
    });

    for (name, recipe) in [
        ("probe", Augmentation::crop_and_flip()),
        ("vicreg", Augmentation::vicreg()),
        ("swav", Augmentation::swav()),
    ] {
        let mut augmenter = Augmenter::new(&recipe).expect("a built-in recipe");
        let shapes = recipe.shapes();
        report(&format!("all views of {name}"), 0, |number| {
            for (view, shape) in shapes.iter().enumerate() {
                let out = &mut out[..shape.iter().product()];
                augmenter.view(
                    &image,
                    view,
                    &mut stream(0, 0, number as u64, view as u64),
                    out,
                );
            }
        });
    }
}
