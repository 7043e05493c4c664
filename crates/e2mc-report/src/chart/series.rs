//! Series: what a line chart draws, a quantity of one or more runs.

use super::marks::Mark;

/// One panel: a quantity of one or more runs.
#[derive(Clone, Debug, Default)]
pub struct LineChart {
    /// The quantity.
    pub title: String,
    /// Its unit; may be empty.
    pub unit: String,
    /// The runs.
    pub series: Vec<Series>,
    /// Places and levels to compare with.
    pub marks: Vec<Mark>,
}

/// The values of one run.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// The run's name.
    pub name: String,
    /// `(x, value)`; a value that is not finite leaves a gap, which the panel mentions.
    pub points: Vec<(f64, f64)>,
}

impl LineChart {
    /// Whether there is a value to draw.
    #[must_use]
    pub fn has_values(&self) -> bool {
        let mut points = self.series.iter().flat_map(|series| &series.points);
        points.any(|(x, y)| x.is_finite() && y.is_finite())
    }

    /// The same with all values and places as powers of ten.
    pub(super) fn logarithms(&self) -> Self {
        let series = self.series.iter().map(|series| Series {
            name: series.name.clone(),
            points: series
                .points
                .iter()
                .map(|(x, y)| (x.log10(), y.log10()))
                .collect(),
        });
        let mark = |mark: &Mark| match mark {
            Mark::At { x, label } => Mark::At {
                x: x.log10(),
                label: label.clone(),
            },
            Mark::Level { y, label } => Mark::Level {
                y: y.log10(),
                label: label.clone(),
            },
        };
        Self {
            series: series.collect(),
            marks: self.marks.iter().map(mark).collect(),
            ..self.clone()
        }
    }
}
