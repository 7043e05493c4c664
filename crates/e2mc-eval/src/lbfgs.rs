//! Limited-memory BFGS for smooth unconstrained problems (Nocedal 1980; Nocedal & Wright,
//! *Numerical Optimization*, 2nd edition, algorithms 7.4 and 7.5) with a line search for the strong
//! Wolfe conditions.

mod line_search;

use std::collections::VecDeque;

use line_search::{LineSearch, Point};

/// When to stop and how far to trust the function's value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Most steps.
    pub(crate) max_iterations: usize,
    /// Stop when no component of the gradient is larger than this.
    pub(crate) tolerance: f64,
    /// The relative rounding error of the value: a step may not be refused for an increase within
    /// it.
    pub(crate) noise: f64,
}

/// Where the minimisation ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Minimum {
    /// Steps taken.
    pub(crate) iterations: usize,
    /// The largest component of the gradient, in magnitude.
    pub(crate) gradient_norm: f64,
    /// Whether that is within the tolerance.
    pub(crate) converged: bool,
}

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 10;

/// Moves `x` to a minimum of `function`, which writes its gradient to the second slice and returns
/// its value.
pub(crate) fn minimise(
    x: &mut [f64],
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
    settings: &Settings,
) -> Minimum {
    let mut gradient = vec![0.0; x.len()];
    let mut value = function(x, &mut gradient);
    let mut history = History::default();
    let mut direction = vec![0.0; x.len()];
    let (mut next, mut next_gradient) = (x.to_vec(), gradient.clone());
    let mut iterations = 0;
    while largest(&gradient) > settings.tolerance && iterations < settings.max_iterations {
        history.direction(&gradient, &mut direction);
        let slope = dot(&gradient, &direction);
        let search = LineSearch {
            start: Point {
                at: 0.0,
                value,
                slope,
            },
            // Without a curvature estimate: a step of length 1 at most.
            first: if history.is_empty() {
                dot(&gradient, &gradient).sqrt().recip().min(1.0)
            } else {
                1.0
            },
            slack: settings.noise * value.abs(),
        };
        let step = search.run(|at| {
            for ((next, x), direction) in next.iter_mut().zip(&*x).zip(&direction) {
                *next = x + at * direction;
            }
            let value = function(&next, &mut next_gradient);
            (value, dot(&next_gradient, &direction))
        });
        let Some(step) = step else {
            if history.is_empty() {
                break; // steepest descent finds no decrease: the value's precision is spent
            }
            history.clear();
            continue;
        };
        history.remember(x, &next, &gradient, &next_gradient);
        x.copy_from_slice(&next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = step.value;
        iterations += 1;
    }
    let gradient_norm = largest(&gradient);
    Minimum {
        iterations,
        gradient_norm,
        converged: gradient_norm <= settings.tolerance,
    }
}

/// The last steps, as an approximation of the inverse Hessian.
#[derive(Default)]
struct History {
    /// Step, change of the gradient, one over their product; oldest first.
    pairs: VecDeque<(Vec<f64>, Vec<f64>, f64)>,
}

impl History {
    fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn clear(&mut self) {
        self.pairs.clear();
    }

    /// Adds the step from `x` to `next`, unless rounding left it without positive curvature.
    fn remember(&mut self, x: &[f64], next: &[f64], gradient: &[f64], next_gradient: &[f64]) {
        let reused = if self.pairs.len() == MEMORY {
            self.pairs.pop_front()
        } else {
            None
        };
        let (mut s, mut y, _) =
            reused.unwrap_or_else(|| (vec![0.0; x.len()], vec![0.0; x.len()], 0.0));
        difference(&mut s, next, x);
        difference(&mut y, next_gradient, gradient);
        let product = dot(&s, &y);
        if product > f64::EPSILON * dot(&y, &y) {
            self.pairs.push_back((s, y, product.recip()));
        }
    }

    /// Minus the approximate inverse Hessian times the gradient (the two-loop recursion).
    fn direction(&self, gradient: &[f64], direction: &mut [f64]) {
        for (d, g) in direction.iter_mut().zip(gradient) {
            *d = -g;
        }
        let mut weights = [0.0; MEMORY];
        for ((s, y, scale), weight) in self.pairs.iter().zip(&mut weights).rev() {
            *weight = scale * dot(s, direction);
            add(direction, -*weight, y);
        }
        if let Some((_, y, scale)) = self.pairs.back() {
            let curvature = (scale * dot(y, y)).recip();
            direction.iter_mut().for_each(|d| *d *= curvature);
        }
        for ((s, y, scale), weight) in self.pairs.iter().zip(weights) {
            add(direction, weight - scale * dot(y, direction), s);
        }
    }
}

fn difference(out: &mut [f64], a: &[f64], b: &[f64]) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = a - b;
    }
}

fn add(out: &mut [f64], factor: f64, values: &[f64]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out += factor * value;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Eight running sums in a fixed order, which become vector instructions.
    let mut sums = [0.0; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// The largest magnitude; NaN if any value is, which is within no tolerance.
fn largest(values: &[f64]) -> f64 {
    let larger = |m: f64, v: &f64| {
        if v.abs() > m || v.is_nan() {
            v.abs()
        } else {
            m
        }
    };
    values.iter().fold(0.0, larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: Settings = Settings {
        max_iterations: 200,
        tolerance: 1e-9,
        noise: 0.0,
    };

    fn rosenbrock(x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let mut value = 0.0;
        for i in 0..x.len() - 1 {
            let (a, b) = (1.0 - x[i], x[i + 1] - x[i] * x[i]);
            value += a * a + 100.0 * b * b;
            gradient[i] += -2.0 * a - 400.0 * x[i] * b;
            gradient[i + 1] += 200.0 * b;
        }
        value
    }

    #[test]
    fn finds_the_minimum_of_the_rosenbrock_function() {
        for dims in [2, 9, 30] {
            let mut x: Vec<f64> = (0..dims)
                .map(|i| if i % 2 == 0 { -1.2 } else { 1.0 })
                .collect();
            let mut evaluations = 0;
            let outcome = minimise(
                &mut x,
                |x, g| {
                    evaluations += 1;
                    rosenbrock(x, g)
                },
                &EXACT,
            );
            assert!(
                outcome.converged && outcome.gradient_norm <= 1e-9,
                "{outcome:?}"
            );
            // A local minimum exists beside the global one from four dimensions on; its value is
            // about 4.
            let value = rosenbrock(&x, &mut vec![0.0; dims]);
            assert!(
                value < 1e-15 || (value - 3.98).abs() < 0.05,
                "{dims}: {value}"
            );
            assert!(
                evaluations < 2 * outcome.iterations + 10,
                "{evaluations} for {outcome:?}"
            );
        }
    }

    #[test]
    fn solves_an_ill_conditioned_quadratic() {
        let curvature = |i: usize| 10.0_f64.powf(i as f64 / 20.0); // 1 to 280
        let mut x = vec![0.0; 50];
        let outcome = minimise(
            &mut x,
            |x, gradient| {
                let mut value = 0.0;
                for (i, (x, g)) in x.iter().zip(gradient).enumerate() {
                    *g = curvature(i) * (x - 1.0);
                    value += 0.5 * *g * (x - 1.0);
                }
                value
            },
            &Settings {
                max_iterations: 500,
                ..EXACT
            },
        );
        assert!(outcome.converged, "{outcome:?}");
        assert!(x.iter().all(|x| (x - 1.0).abs() < 1e-8));
    }

    #[test]
    fn a_start_at_the_minimum_takes_no_step_and_the_limit_is_kept() {
        let mut x = vec![1.0; 4];
        let outcome = minimise(&mut x, rosenbrock, &EXACT);
        assert_eq!((outcome.iterations, outcome.converged), (0, true));
        let mut x = vec![-1.0; 4];
        let outcome = minimise(
            &mut x,
            rosenbrock,
            &Settings {
                max_iterations: 3,
                ..EXACT
            },
        );
        assert_eq!((outcome.iterations, outcome.converged), (3, false));
    }

    #[test]
    fn a_value_known_to_seven_digits_still_gives_a_gradient_below_the_noise_of_the_value() {
        let mut x = vec![3.0; 20];
        let outcome = minimise(
            &mut x,
            |x, gradient| {
                let mut value = 5.0;
                for (i, (x, g)) in x.iter().zip(gradient).enumerate() {
                    *g = (1.0 + i as f64) * (x - 1.0);
                    value += 0.5 * *g * (x - 1.0);
                }
                f64::from(value as f32)
            },
            &Settings {
                max_iterations: 200,
                tolerance: 1e-6,
                noise: 1e-6,
            },
        );
        assert!(outcome.converged, "{outcome:?}");
    }

    #[test]
    fn a_gradient_that_is_not_a_number_is_no_minimum() {
        for nan in 0..3 {
            let mut x = vec![1.0; 3];
            let outcome = minimise(
                &mut x,
                |_, g| {
                    g.fill(0.0);
                    g[nan] = f64::NAN;
                    1.0
                },
                &EXACT,
            );
            assert!(!outcome.converged && outcome.gradient_norm.is_nan());
        }
    }

    #[test]
    fn a_function_without_a_finite_value_ends_without_convergence() {
        let mut x = vec![1.0; 3];
        let outcome = minimise(
            &mut x,
            |_, g| {
                g.fill(1.0);
                f64::NAN
            },
            &EXACT,
        );
        assert_eq!((outcome.iterations, outcome.converged), (0, false));
    }
}
