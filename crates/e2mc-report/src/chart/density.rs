//! Densities: counts in bins of equal width, as histograms draw them.

/// Densities of one series in one panel.
pub(super) struct Density {
    pub(super) bins: Vec<f64>,
    pub(super) total: usize,
    pub(super) outside: usize,
}

impl Density {
    /// Counts `samples` in `bins` equal bins of `range`; densities integrate to one over it.
    pub(super) fn new(samples: &[f32], (low, high): (f64, f64), bins: usize) -> Self {
        let mut counts = vec![0_usize; bins.max(1)];
        let mut outside = 0;
        let scale = counts.len() as f64 / (high - low);
        for value in samples.iter().copied().map(f64::from) {
            if low < high && (low..=high).contains(&value) {
                let bin = ((value - low) * scale) as usize;
                // The upper end belongs to the last bin.
                let last = counts.len() - 1;
                counts[bin.min(last)] += 1;
            } else {
                outside += 1;
            }
        }
        let counted = (samples.len() - outside).max(1) as f64;
        let bins = counts
            .iter()
            .map(|&count| count as f64 / counted * scale)
            .collect();
        Self {
            bins,
            total: samples.len(),
            outside,
        }
    }

    pub(super) fn peak(&self) -> f64 {
        self.bins.iter().copied().fold(0.0, f64::max)
    }
}

/// The highest density of one panel.
pub(super) fn highest(densities: &[Density]) -> f64 {
    densities.iter().map(Density::peak).fold(0.0, f64::max)
}

/// Where bin `i` of `bins` begins.
pub(super) fn edge((low, high): (f64, f64), i: usize, bins: usize) -> f64 {
    low + (high - low) * i as f64 / bins as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_integrate_to_one_and_count_what_is_outside() {
        let samples = [
            0.0,
            0.05,
            0.5,
            0.999,
            1.0,
            1.5,
            -0.1,
            f32::NAN,
            f32::INFINITY,
        ];
        let density = Density::new(&samples, (0.0, 1.0), 4);
        assert_eq!(density.bins, [1.6, 0.0, 0.8, 1.6]);
        assert!((density.bins.iter().sum::<f64>() / 4.0 - 1.0).abs() < 1e-12);
        assert_eq!((density.total, density.outside), (9, 4));
        let wide = Density::new(&[-3.0, 1.0, 4.9], (-5.0, 5.0), 5);
        assert!((wide.bins.iter().sum::<f64>() * 2.0 - 1.0).abs() < 1e-12);
    }
}
