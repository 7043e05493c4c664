//! Dot charts: means with their standard errors, a panel a quantity and a row a series.
//!
//! Accuracies differ by tenths of a percent around eighty, where bars that start at zero show
//! nothing and bars that do not would lie; a dot makes no claim about its distance from zero.

use std::fmt::{self, Write};

use super::panel::{Figure, Panel};
use super::rows::{
    LEFT, RIGHT, mark, panel_size, render_axis, render_upright, render_whisker, render_words,
};
use crate::axis::{Domain, Ticks};
use crate::ink::{self, Inks};
use crate::legend::Entry;
use crate::number;
use crate::table::Estimate;
use crate::text::{escape, plain, text_width};

/// Means of several quantities for the same few series.
#[derive(Clone, Debug, Default)]
pub struct Dots {
    /// Heading over all panels.
    pub title: String,
    /// What the reader should see, under the panels.
    pub caption: String,
    /// Names of the rows of every panel; the first is what the others are compared with.
    pub series: Vec<String>,
    /// A panel each.
    pub panels: Vec<DotPanel>,
    /// Where the axes start.
    pub start: AxisStart,
}

/// One quantity.
#[derive(Clone, Debug, Default)]
pub struct DotPanel {
    /// The quantity.
    pub title: String,
    /// Its unit; panels of the same unit span equally much.
    pub unit: String,
    /// Digits after the point.
    pub decimals: usize,
    /// One a series, in the same order; what is missing is shown as missing.
    pub estimates: Vec<Estimate>,
}

/// Where the value axes of a dot chart start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AxisStart {
    /// Around the values, which the figure then says.
    #[default]
    AroundValues,
    /// At zero, from where a bar leads to each dot.
    Zero,
}

impl Dots {
    pub(crate) fn names(&self) -> Vec<&str> {
        self.series.iter().map(String::as_str).collect()
    }

    pub(crate) fn figure(&self, inks: &Inks) -> Figure {
        let names = self.series.iter();
        let names = names.map(|name| Entry::Marker(inks.slot(name), name.clone()));
        let marks = self.marks();
        let domains = self.domains();
        let panels = self.panels.iter().zip(&domains);
        Figure {
            kind: "dots",
            title: self.title.clone(),
            caption: self.caption.clone(),
            remarks: if self.start == AxisStart::AroundValues && !self.panels.is_empty() {
                vec!["Axes do not start at zero; panels of one unit span equally much.".to_owned()]
            } else {
                vec![]
            },
            legend: names.chain(marks.iter().cloned()).collect(),
            panels: panels
                .map(|(panel, domain)| self.panel(panel, *domain, &marks, inks))
                .collect(),
        }
    }

    fn estimates(&self) -> impl Iterator<Item = &Estimate> {
        self.panels.iter().flat_map(|panel| &panel.estimates)
    }

    /// What is drawn beside the dots, which carry their names.
    fn marks(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        if self
            .estimates()
            .any(|estimate| estimate.standard_error.is_some())
        {
            entries.push(Entry::Words("whiskers: ± 1 standard error".to_owned()));
        }
        if self.estimates().any(|estimate| !estimate.runs.is_empty()) {
            entries.push(Entry::Words("thin strokes: single runs".to_owned()));
        }
        if let [first, _, ..] = &self.series[..] {
            entries.push(Entry::Reference(format!("mean of {first}")));
        }
        entries
    }

    /// The axis of each panel; `None` where it has no values.
    fn domains(&self) -> Vec<Option<Domain>> {
        let own: Vec<Option<Domain>> = self
            .panels
            .iter()
            .map(|panel| panel.domain(self.start))
            .collect();
        if self.start == AxisStart::Zero {
            return own;
        }
        let span = |unit: &str| {
            let same = self
                .panels
                .iter()
                .zip(&own)
                .filter(|(panel, _)| panel.unit == unit);
            same.filter_map(|(_, domain)| domain.map(Domain::span))
                .fold(0.0, f64::max)
        };
        let panels = self.panels.iter().zip(&own);
        panels
            .map(|(panel, domain)| domain.map(|d| d.spanning(span(&panel.unit))))
            .collect()
    }

    fn panel(
        &self,
        panel: &DotPanel,
        domain: Option<Domain>,
        marks: &[Entry],
        inks: &Inks,
    ) -> Panel {
        let mut drawn = Panel {
            title: panel.title.clone(),
            unit: panel.unit.clone(),
            legend: marks.to_vec(),
            size: panel_size(self.series.len(), None),
            ..Panel::default()
        };
        let Some(domain) = domain else {
            drawn.leave_empty();
            return drawn;
        };
        let ticks = Ticks::fitting(domain, RIGHT - LEFT, text_width);
        drawn.size = panel_size(self.series.len(), Some(&ticks));
        drawn.description = self.summary(panel);
        self.draw(&mut drawn.drawing, panel, domain, &ticks, inks)
            .expect("writing to a string does not fail");
        drawn
    }

    fn draw(
        &self,
        out: &mut String,
        panel: &DotPanel,
        domain: Domain,
        ticks: &Ticks,
        inks: &Inks,
    ) -> fmt::Result {
        let rows = self.series.len();
        let x = |value: f64| LEFT + domain.fraction(value) * (RIGHT - LEFT);
        render_axis(out, ticks, x, rows)?;
        if self.start == AxisStart::Zero {
            render_upright(out, "axis", x(0.0), rows)?;
        }
        if let Some(reference) = panel.known(0).filter(|_| rows > 1) {
            render_upright(out, "level", x(reference.value), rows)?;
        }
        for (row, name) in self.series.iter().enumerate() {
            let slot = inks.slot(name);
            let estimate = panel.known(row);
            let value = estimate.map_or_else(|| "no value".to_owned(), |e| panel.words(e));
            render_words(out, row, name, &value)?;
            if let Some(estimate) = estimate {
                let title = format!("{name}: {value}");
                self.render_estimate(out, estimate, &title, slot, x, mark(row))?;
            }
        }
        Ok(())
    }

    fn render_estimate(
        &self,
        out: &mut String,
        estimate: &Estimate,
        title: &str,
        slot: usize,
        x: impl Fn(f64) -> f64,
        y: f64,
    ) -> fmt::Result {
        write!(out, "<g class=\"s{slot}\"><title>{}</title>", escape(title))?;
        let at = x(estimate.value);
        if self.start == AxisStart::Zero {
            let (from, to) = (at.min(x(0.0)), at.max(x(0.0)));
            let width = to - from;
            write!(
                out,
                "<rect class=\"bar\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" \
                 height=\"6\"/>",
                y - 3.0
            )?;
        }
        for run in estimate.runs.iter().filter(|run| run.is_finite()) {
            write!(
                out,
                "<path class=\"run\" d=\"M{:.1} {:.1}v12\"/>",
                x(*run),
                y - 6.0
            )?;
        }
        if let Some(error) = estimate.standard_error.filter(|error| error.is_finite()) {
            let ends = (x(estimate.value - error), x(estimate.value + error));
            render_whisker(out, ends, y)?;
        }
        out.push_str(&ink::marker(slot, at, y));
        out.write_str("</g>")
    }

    fn summary(&self, panel: &DotPanel) -> String {
        let mut text = format!("{} {}", plain(&panel.title), panel.unit);
        for (name, estimate) in self.series.iter().zip(&panel.estimates) {
            text.push_str(&format!("; {name}: {}", panel.words(estimate)));
        }
        text
    }
}

impl DotPanel {
    /// The estimate of the series at `row`, where there is one.
    fn known(&self, row: usize) -> Option<&Estimate> {
        self.estimates
            .get(row)
            .filter(|estimate| estimate.value.is_finite())
    }

    fn words(&self, estimate: &Estimate) -> String {
        number::with_error(estimate.value, estimate.standard_error, self.decimals)
    }

    /// What the panel must show: means, whiskers, runs, and zero where the axis starts there.
    fn domain(&self, start: AxisStart) -> Option<Domain> {
        let values = self
            .estimates
            .iter()
            .filter(|e| e.value.is_finite())
            .flat_map(|estimate| {
                let error = estimate
                    .standard_error
                    .filter(|e| e.is_finite())
                    .unwrap_or(0.0);
                let ends = [estimate.value - error, estimate.value + error];
                estimate.runs.iter().copied().chain(ends)
            });
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        let zero = (start == AxisStart::Zero && !values.is_empty()).then_some(0.0);
        Some(Domain::of(values.into_iter().chain(zero))?.padded(0.04))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(value: f64, error: Option<f64>) -> Estimate {
        Estimate {
            value,
            standard_error: error,
            runs: vec![],
        }
    }

    fn draw(start: AxisStart, estimates: Vec<Estimate>) -> String {
        let series = vec!["base".to_owned(), "after".to_owned()];
        let panel = DotPanel {
            title: "k-NN".to_owned(),
            unit: "%".to_owned(),
            decimals: 1,
            estimates,
        };
        let dots = Dots {
            series,
            panels: vec![panel],
            start,
            ..Dots::default()
        };
        let mut out = String::new();
        let figure = dots.figure(&Inks::of(["base", "after"]));
        figure.html(&mut out).unwrap();
        out
    }

    #[test]
    fn a_cut_axis_is_said_and_a_full_one_is_not() {
        let estimates = vec![estimate(79.2, Some(0.3)), estimate(79.3, Some(0.3))];
        let cut = draw(AxisStart::AroundValues, estimates.clone());
        assert!(cut.contains("Axes do not start at zero"));
        assert!(cut.contains("79.3 ± 0.3"));
        assert!(!cut.contains("class=\"bar\""));
        let full = draw(AxisStart::Zero, estimates);
        assert!(!full.contains("do not start at zero"));
        assert_eq!(full.matches("class=\"bar\"").count(), 2);
        assert!(full.contains(">0</text>"));
    }

    #[test]
    fn what_is_missing_is_said() {
        let html = draw(AxisStart::AroundValues, vec![estimate(f64::NAN, Some(0.1))]);
        assert!(html.contains("no values to draw"));
        let html = draw(
            AxisStart::Zero,
            vec![estimate(1.0, None), estimate(f64::NAN, None)],
        );
        assert!(html.contains(">no value</text>"));
        assert!(!html.contains("NaN") && !html.contains("whisker"));
        assert!(draw(AxisStart::Zero, vec![]).contains("no values to draw"));
    }

    #[test]
    fn panels_of_one_unit_span_equally_much() {
        let panel = |unit: &str, low: f64, high: f64| DotPanel {
            unit: unit.to_owned(),
            estimates: vec![estimate(low, None), estimate(high, None)],
            ..DotPanel::default()
        };
        let panels = vec![
            panel("%", 79.0, 80.0),
            panel("%", 60.0, 64.0),
            panel("nats", -0.2, -0.1),
        ];
        let spans: Vec<f64> = Dots {
            panels,
            ..Dots::default()
        }
        .domains()
        .into_iter()
        .map(|domain| domain.unwrap().span())
        .collect();
        assert!((spans[0] - spans[1]).abs() < 1e-9, "{spans:?}");
        assert!(spans[2] < 0.2, "{spans:?}");
    }
}
