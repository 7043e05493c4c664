//! Domains: the interval of values that an axis spans.

/// The values that an axis spans; `lo < hi`, both finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Domain {
    pub(super) lo: f64,
    pub(super) hi: f64,
}

impl Domain {
    /// The interval from `lo` to `hi`, finite and in any order, widened where they are equal.
    pub(crate) fn new(lo: f64, hi: f64) -> Self {
        let (lo, hi) = (lo.min(hi), lo.max(hi));
        if lo < hi {
            return Self { lo, hi };
        }
        if lo == 0.0 {
            // Nothing of something that is counted, as a rule.
            return Self { lo: 0.0, hi: 1.0 };
        }
        let pad = match lo.abs() * 0.05 {
            pad if lo - pad < lo => pad,
            _ => f64::MIN_POSITIVE,
        };
        Self {
            lo: finite(lo - pad),
            hi: finite(hi + pad),
        }
    }

    /// The interval that holds all finite `values`; `None` where there is none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        values
            .into_iter()
            .filter(|value| value.is_finite())
            .map(|value| (value, value))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            .map(|(lo, hi)| Self::new(lo, hi))
    }

    /// The same interval with `fraction` of its length added at either end.
    pub(crate) fn padded(self, fraction: f64) -> Self {
        let pad = (self.hi * 0.5 - self.lo * 0.5) * (2.0 * fraction);
        Self {
            lo: finite(self.lo - pad),
            hi: finite(self.hi + pad),
        }
    }

    /// The interval of length `span` around the same middle; unchanged where it is longer already.
    pub(crate) fn spanning(self, span: f64) -> Self {
        let missing = (span - self.span()) * 0.5;
        if missing > 0.0 && missing.is_finite() {
            Self {
                lo: finite(self.lo - missing),
                hi: finite(self.hi + missing),
            }
        } else {
            self
        }
    }

    /// The length `hi - lo`; infinite where that overflows.
    pub(crate) fn span(self) -> f64 {
        self.hi - self.lo
    }

    /// Where `value` lies between `lo` (0) and `hi` (1).
    pub(crate) fn fraction(self, value: f64) -> f64 {
        let whole = self.hi * 0.5 - self.lo * 0.5;
        if whole > 0.0 {
            (value * 0.5 - self.lo * 0.5) / whole
        } else {
            // Halves of the two smallest numbers may be equal.
            f64::from(u8::from(value >= self.hi))
        }
    }
}

fn finite(value: f64) -> f64 {
    value.clamp(f64::MIN, f64::MAX)
}
