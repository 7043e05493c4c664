//! The files that the fuzzers start from, and what they kept (docs/fuzzing.md), read again by the
//! same functions.

use std::fs;
use std::path::Path;

// What the fuzz targets call is public there.
#[allow(unreachable_pub)]
#[path = "../../../fuzz/src/embeddings.rs"]
mod embeddings;
#[allow(unreachable_pub)]
#[path = "../../../fuzz/src/targets.rs"]
mod targets;

/// Reads all files of a corpus.
fn replay(target: &str, read: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut files = 0;
    for entry in fs::read_dir(folder.join(target)).unwrap() {
        let path = entry.unwrap().path();
        eprintln!("{}", path.display());
        read(&fs::read(&path).unwrap());
        files += 1;
    }
    assert!(files > 1, "{target}: {files} files");
}

macro_rules! replays {
    ($module:ident: $($target:ident)*) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target), |bytes| {
                let _ = $module::$target(bytes);
            });
        }
    )*};
}

replays!(embeddings: safetensors npy npz maps);
replays!(targets: idx tar jpeg png webp lists recipe results events);
