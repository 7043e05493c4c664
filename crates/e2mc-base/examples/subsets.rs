//! Label subsets are drawn by seed, with every class in its proportion.

use e2mc_base::subset::{SubsetError, fraction};

fn main() -> Result<(), SubsetError> {
    let labels: Vec<usize> = (0..100).map(|image| image % 5).collect();
    for seed in 0..3 {
        let chosen = fraction(&labels, 0.1, seed)?;
        println!("seed {seed}: images {chosen:?}");
        assert_eq!(chosen, fraction(&labels, 0.1, seed)?);
    }
    Ok(())
}
