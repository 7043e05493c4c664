//! A step along a descent direction that satisfies the strong Wolfe conditions (Nocedal & Wright,
//! algorithms 3.5 and 3.6, with cubic interpolation):
//!
//! `f(a) <= f(0) + c1 a f'(0)` (enough decrease) and `|f'(a)| <= c2 |f'(0)|` (flat enough).

const C1: f64 = 1e-4;
const C2: f64 = 0.9;
/// Evaluations before the search gives up.
const MOST: usize = 40;

/// A step length, the function there and its derivative along the direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) at: f64,
    pub(super) value: f64,
    pub(super) slope: f64,
}

/// Where the search starts.
pub(super) struct LineSearch {
    /// The function at step length 0; its slope is negative.
    pub(super) start: Point,
    /// The first step length to try.
    pub(super) first: f64,
    /// How much the value may be off by rounding; granted to every decrease that is asked for.
    pub(super) slack: f64,
}

impl LineSearch {
    /// The accepted point, which is the last one evaluated; none if the precision of `function`
    /// ends the search.
    pub(super) fn run(&self, mut function: impl FnMut(f64) -> (f64, f64)) -> Option<Point> {
        let mut evaluate = |at| {
            let (value, slope) = function(at);
            Point { at, value, slope }
        };
        if self.start.slope >= 0.0 || self.start.slope.is_nan() {
            return None;
        }
        let mut low = self.start;
        let mut point = evaluate(self.first);
        let mut left = MOST;
        // Grow the step until a minimum lies between two points.
        let mut high = loop {
            if self.accepts(&point) {
                return Some(point);
            }
            left = left.checked_sub(1)?;
            if !self.decreases(&point) || point.value > low.value + self.slack {
                break point;
            }
            if point.slope >= 0.0 {
                break std::mem::replace(&mut low, point);
            }
            let guess = cubic_minimum(&low, &point);
            let next = guess.filter(|g| *g > point.at).unwrap_or(f64::INFINITY);
            let next = next.clamp(2.0 * point.at, 10.0 * point.at);
            low = std::mem::replace(&mut point, evaluate(next));
        };
        // `low` is the best point so far; a minimum lies between it and `high`.
        while left > 0 {
            left -= 1;
            let (from, to) = (low.at.min(high.at), low.at.max(high.at));
            let margin = 0.1 * (to - from);
            if margin.is_nan() || margin <= f64::EPSILON * to {
                return None;
            }
            let guess = if high.value.is_finite() {
                cubic_minimum(&low, &high)
            } else {
                None
            };
            let at = guess.map_or(0.5 * (from + to), |g| g.clamp(from + margin, to - margin));
            let point = evaluate(at);
            if self.accepts(&point) {
                return Some(point);
            }
            if !self.decreases(&point) || point.value > low.value + self.slack {
                high = point;
            } else {
                if point.slope * (high.at - low.at) >= 0.0 {
                    high = low;
                }
                low = point;
            }
        }
        None
    }

    fn decreases(&self, point: &Point) -> bool {
        // False for NaN.
        point.value <= self.start.value + C1 * point.at * self.start.slope + self.slack
    }

    fn accepts(&self, point: &Point) -> bool {
        self.decreases(point) && point.slope.abs() <= C2 * self.start.slope.abs()
    }
}

/// The minimum of the cubic through two points and their slopes, if it has one.
fn cubic_minimum(a: &Point, b: &Point) -> Option<f64> {
    let width = b.at - a.at;
    let theta = a.slope + b.slope - 3.0 * (b.value - a.value) / width;
    let root = (theta * theta - a.slope * b.slope).sqrt().copysign(width);
    let at = b.at - width * (b.slope + root - theta) / (b.slope - a.slope + 2.0 * root);
    at.is_finite().then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(first: f64, f: impl Fn(f64) -> (f64, f64)) -> (LineSearch, Option<Point>) {
        let (value, slope) = f(0.0);
        let search = LineSearch {
            start: Point {
                at: 0.0,
                value,
                slope,
            },
            first,
            slack: 0.0,
        };
        let found = search.run(f);
        (search, found)
    }

    #[test]
    fn the_step_satisfies_the_strong_wolfe_conditions_from_any_first_step() {
        let functions: [fn(f64) -> (f64, f64); 4] = [
            |a| ((a - 3.0).powi(2), 2.0 * (a - 3.0)),
            // flat, then a narrow valley (More & Thuente 1994, function 1)
            |a| (-a / (a * a + 2.0), (a * a - 2.0) / (a * a + 2.0).powi(2)),
            // steep start
            |a| {
                (
                    (a + 0.004).powi(5) - 2.0 * (a + 0.004).powi(4),
                    5.0 * (a + 0.004).powi(4) - 8.0 * (a + 0.004).powi(3),
                )
            },
            // infinite beyond 2
            |a| {
                if a < 2.0 {
                    (-a - 0.1 * (2.0 - a).ln(), -1.0 + 0.1 / (2.0 - a))
                } else {
                    (f64::INFINITY, f64::NAN)
                }
            },
        ];
        for (i, f) in functions.into_iter().enumerate() {
            for first in [1e-3, 0.1, 1.0, 10.0, 1e3] {
                let (search, found) = search(first, f);
                let p = found.unwrap_or_else(|| panic!("function {i} from {first}"));
                assert_eq!((p.value, p.slope), f(p.at));
                assert!(p.value <= search.start.value + C1 * p.at * search.start.slope);
                assert!(p.slope.abs() <= C2 * search.start.slope.abs());
            }
        }
    }

    #[test]
    fn the_cubic_minimum_is_exact_for_a_cubic() {
        let f = |a: f64| Point {
            at: a,
            value: a.powi(3) - 3.0 * a,
            slope: 3.0 * a * a - 3.0,
        };
        for (a, b) in [(0.0, 3.0), (3.0, 0.0), (0.5, 0.9)] {
            assert!((cubic_minimum(&f(a), &f(b)).unwrap() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn an_ascent_direction_or_an_unbounded_function_has_no_step() {
        assert!(search(1.0, |a| (a, 1.0)).1.is_none());
        assert!(search(1.0, |a| (-a, -1.0)).1.is_none());
    }
}
