//! Readers of embeddings and maps, each as the program calls it. They are apart, for what is
//! computed with embeddings takes most of the time to compile.

use e2mc_eval::Rows;

use crate::targets::with_file;

/// Embeddings, images and labels, whole and in pieces.
fn tensors(name: &str, bytes: &[u8]) {
    with_file(name, bytes, |path| {
        let _ = e2mc_eval::read_labels(path);
        let _ = e2mc_eval::read_targets(path);
        let _ = e2mc_eval::read_images(path);
        let whole = e2mc_eval::read_embeddings(path);
        if let Ok(file) = e2mc_eval::EmbeddingFile::open(path) {
            let rows = file.rows();
            let pieces = [0..rows.min(1), rows / 2..rows];
            for piece in pieces {
                let read = file.read(piece.clone());
                // The same numbers, however they are read.
                if let (Ok(read), Ok(whole)) = (read, &whole) {
                    let cols = whole.cols();
                    let wanted = &whole.data()[piece.start * cols..piece.end * cols];
                    let bits = |values: &[f32]| -> Vec<u32> {
                        values.iter().map(|value| value.to_bits()).collect()
                    };
                    assert_eq!(bits(&read), bits(wanted));
                }
            }
        }
    });
}

/// Embeddings in a safetensors file.
pub fn safetensors(bytes: &[u8]) {
    tensors("z.safetensors", bytes);
}

/// Embeddings or labels in an array of NumPy's.
pub fn npy(bytes: &[u8]) {
    tensors("z.npy", bytes);
}

/// Arrays of NumPy's in an archive.
pub fn npz(bytes: &[u8]) {
    tensors("z.npz", bytes);
    with_file("z.npz", bytes, |path| {
        for name in e2mc_eval::npz_names(path)
            .unwrap_or_default()
            .iter()
            .take(4)
        {
            let named = format!("{}:{name}", path.display());
            let _ = e2mc_eval::read_embeddings(&named);
            let _ = e2mc_eval::read_labels(&named);
        }
    });
}

/// A fitted map: what is read gives finite rows or an error, and is the same when it is saved.
pub fn maps(bytes: &[u8]) {
    let map = with_file("map.safetensors", bytes, |path| {
        e2mc_eval::adapt::Map::load(path)
    });
    let Ok(map) = map else {
        return;
    };
    let _ = map.bias();
    let rows = vec![1.0; 2 * map.input_dims()];
    let rows = e2mc::MatrixView::new(&rows, 2, map.input_dims()).expect("two rows");
    if let Ok(mapped) = map.apply(rows) {
        assert_eq!((mapped.rows(), mapped.cols()), (2, map.output_dims()));
    }
    let again = with_file("again.safetensors", &[], |path| {
        map.save(path).expect("a file");
        e2mc_eval::adapt::Map::load(path)
    });
    assert_eq!(again.expect("what was saved"), map);
}
