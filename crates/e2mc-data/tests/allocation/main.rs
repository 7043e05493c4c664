//! What is allocated, counted by an allocator of our own: nothing for a sample once a loader runs,
//! little for each file of a large data set, and little for a small image, whatever is packed
//! beside it. One test, for the count is of the whole program.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use e2mc_data::decode::decode;
use e2mc_data::{
    Augmentation, Dataset, Image, Loader, LoaderConfig, OpenOptions, Pipeline, Preprocessing,
    Split, open, open_with,
};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn add(bytes: usize) {
    CALLS.fetch_add(1, Relaxed);
    let now = BYTES.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(now, Relaxed);
}

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size);
        BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations a batch of the second half of an epoch, when the buffers are filled. Counted over
/// whole epochs, one of all batches and one that starts at the middle: between two batches the
/// thread may be at the next or the one after.
fn allocations(dataset: &Arc<dyn Dataset>, pipeline: &Pipeline, batch: usize) -> usize {
    let config = LoaderConfig {
        batch,
        threads: 1,
        prefetch: 1,
        ..LoaderConfig::default()
    };
    let loader = Loader::new(dataset.clone(), pipeline.clone(), config).unwrap();
    let epoch = |skip: usize| {
        let before = CALLS.load(Relaxed);
        for batch in loader.epoch(0, skip) {
            loader.recycle(batch.unwrap());
        }
        CALLS.load(Relaxed) - before
    };
    // More batches at once than are ever on their way, so that the loader keeps enough of them.
    let held: Vec<_> = loader.epoch(0, 0).map(Result::unwrap).collect();
    held.into_iter().for_each(|batch| loader.recycle(batch));
    let half = loader.batches_per_epoch() / 2;
    (epoch(0) - epoch(half)).div_ceil(half)
}

/// A PNG file of 10 x 10 pixels whose colour profile unpacks to this many bytes.
fn png_with_profile(profile: usize) -> Vec<u8> {
    let chunk = |name: &[u8], content: &[u8]| {
        let mut sum = flate2::Crc::new();
        sum.update(name);
        sum.update(content);
        let length = (content.len() as u32).to_be_bytes();
        [&length, name, content, &sum.sum().to_be_bytes()].concat()
    };
    let packed = |length: usize| {
        let mut writer = ZlibEncoder::new(Vec::new(), Compression::fast());
        writer.write_all(&vec![0; length]).unwrap();
        writer.finish().unwrap()
    };
    let profile = [b"x\0\0", &packed(profile)[..]].concat();
    [
        b"\x89PNG\r\n\x1a\n",
        &chunk(b"IHDR", &[0, 0, 0, 10, 0, 0, 0, 10, 8, 0, 0, 0, 0])[..],
        &chunk(b"iCCP", &profile),
        &chunk(b"IDAT", &packed(110)),
        &chunk(b"IEND", b""),
    ]
    .concat()
}

#[test]
fn nothing_is_allocated_for_a_sample_and_little_for_a_file() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folder = tempfile::tempdir().unwrap();
    for index in 0..48 {
        let from = golden.join("source.jpg");
        fs::copy(from, folder.path().join(format!("{index}.jpg"))).unwrap();
    }
    let jpegs = open(folder.path(), Split::Train).unwrap();
    // IDX: 48 images of 28 x 28.
    let mut idx = vec![0, 0, 8, 3];
    idx.extend([48_u32, 28, 28].iter().flat_map(|size| size.to_be_bytes()));
    idx.extend((0..48 * 784).map(|sample| (sample * 7 % 251) as u8));
    let path = folder.path().join("images-idx3-ubyte");
    fs::write(&path, idx).unwrap();
    let digits = open(&path, Split::Train).unwrap();
    let cases = [
        ("vicreg", &jpegs, Pipeline::Augment(Augmentation::vicreg())),
        ("swav", &jpegs, Pipeline::Augment(Augmentation::swav())),
        (
            "probe",
            &jpegs,
            Pipeline::Augment(Augmentation::crop_and_flip()),
        ),
        (
            "evaluation",
            &jpegs,
            Pipeline::Preprocess(Preprocessing::imagenet()),
        ),
        (
            "small",
            &digits,
            Pipeline::Augment(Augmentation::small_grey()),
        ),
    ];
    for (name, dataset, pipeline) in cases {
        // Twelve batches of 4 and six of 8: the same number for each, whatever its size.
        let (small, large) = (
            allocations(dataset, &pipeline, 4),
            allocations(dataset, &pipeline, 8),
        );
        println!("{name}: {small} for 4 samples, {large} for 8");
        assert!(
            large < 8,
            "{name}: {large} allocations for a batch of 8 samples"
        );
        assert!(
            large <= small + 1,
            "{name}: {small} for 4 samples, {large} for 8"
        );
    }
    drop((jpegs, digits));

    // A million files, as ImageNet names them.
    let list = folder.path().join("train.txt");
    let mut text = String::new();
    for index in 0..1_000_000 {
        let class = index / 1000;
        text.push_str(&format!(
            "train/n{class:08}/n{class:08}_{index}.JPEG {class}\n"
        ));
    }
    fs::write(&list, &text).unwrap();
    // A list without any of its images would be refused.
    let first = folder.path().join("train/n00000000");
    fs::create_dir_all(&first).unwrap();
    fs::write(first.join("n00000000_0.JPEG"), b"").unwrap();
    drop((text, first));
    let before = BYTES.load(Relaxed);
    PEAK.store(before, Relaxed);
    let options = OpenOptions {
        max_bad: 0.0,
        ..OpenOptions::default()
    };
    let dataset = open_with(&list, Split::Train, &options).unwrap();
    assert_eq!((dataset.len(), dataset.classes().len()), (1_000_000, 1000));
    let (held, peak) = (BYTES.load(Relaxed) - before, PEAK.load(Relaxed) - before);
    assert!(held < 60 << 20, "{held} bytes held");
    assert!(peak < 300 << 20, "{peak} bytes at most");
    // The order of an epoch.
    let config = LoaderConfig {
        batch: 1,
        threads: 1,
        ..LoaderConfig::default()
    };
    let pipeline = Pipeline::Augment(Augmentation::small_grey());
    let loader = Loader::new(dataset, pipeline, config).unwrap();
    let mut epoch = loader.epoch(0, 0);
    assert!(epoch.next().unwrap().is_err(), "there are no such images");
    let held = BYTES.load(Relaxed) - before;
    assert!(held < 80 << 20, "{held} bytes held in an epoch");
    drop((epoch, loader));

    // What is packed beside an image's pixels cannot fill the memory.
    let bomb = png_with_profile(200 << 20);
    let mut image = Image::default();
    let before = BYTES.load(Relaxed);
    PEAK.store(before, Relaxed);
    let _ = decode(&bomb, &"bomb.png", &mut image);
    let peak = PEAK.load(Relaxed) - before;
    assert!(peak < 64 << 20, "{peak} bytes to decode 10 x 10 pixels");

    // Nor can what a compressed label file claims to hold: ten images have ten labels.
    let pack = |header: &[u32], zeros: usize| {
        let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
        writer.write_all(&[0, 0, 8, header.len() as u8]).unwrap();
        for size in header {
            writer.write_all(&size.to_be_bytes()).unwrap();
        }
        writer.write_all(&vec![0; zeros]).unwrap();
        writer.finish().unwrap()
    };
    let bomb = pack(&[10, 28, 28], 20 << 20);
    fs::write(folder.path().join("bomb-images-idx3-ubyte"), bomb).unwrap();
    fs::write(
        folder.path().join("good-images-idx3-ubyte"),
        pack(&[10, 28, 28], 7840),
    )
    .unwrap();
    let bomb = pack(&[20 << 20], 20 << 20);
    fs::write(folder.path().join("good-labels-idx1-ubyte"), bomb).unwrap();
    for name in ["bomb-images-idx3-ubyte", "good-images-idx3-ubyte"] {
        let before = BYTES.load(Relaxed);
        PEAK.store(before, Relaxed);
        assert!(open(&folder.path().join(name), Split::Train).is_err());
        let peak = PEAK.load(Relaxed) - before;
        assert!(peak < 1 << 20, "{peak} bytes to refuse {name}");
    }
}
