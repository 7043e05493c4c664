//! Analytic gradients against central differences of the float64 twins.

use crate::{Rival, SHAPES, assert_gradient, embeddings, twin};

/// Coordinates to try of each case, spread over the array.
const TRIES: usize = 40;

#[test]
fn gradients_are_those_of_finite_differences() {
    for rival in Rival::all() {
        for (n, d) in SHAPES {
            let z = embeddings(rival.views(), n, d);
            let mut wide: Vec<f64> = z.iter().map(|v| f64::from(*v)).collect();
            let (_, gradient) = rival.evaluate(&z, n, d);
            let places: Vec<usize> = match z.len() <= TRIES {
                true => (0..z.len()).collect(),
                // Coordinates 0 and last, and in between other rows, columns and views each time.
                false => (0..TRIES)
                    .map(|i| i * (z.len() - 1) / (TRIES - 1))
                    .collect(),
            };
            let difference = |&place: &usize| {
                let (h, centre) = (1e-5, wide[place]);
                wide[place] = centre + h;
                let above = twin::value(&rival, &wide, n, d);
                wide[place] = centre - h;
                let below = twin::value(&rival, &wide, n, d);
                wide[place] = centre;
                (above - below) / (2.0 * h)
            };
            let expected: Vec<f64> = places.iter().map(difference).collect();
            let found: Vec<f32> = places.iter().map(|&place| gradient[place]).collect();
            // On a line every row is 1 or -1 however long it is: the gradient is 0 but for
            // rounding.
            if d == 1 && rival.is_spherical() {
                assert!(gradient.iter().all(|v| v.abs() < 1e-6), "{}", rival.name());
                continue;
            }
            let name = format!("{} {n}x{d}", rival.name());
            assert_gradient(&name, &found, &expected, 1e-4);
        }
    }
}
