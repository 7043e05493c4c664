//! Forest plots: differences with their intervals, a row each, beside the line of no difference.

use std::fmt::{self, Write};

use super::panel::{Figure, Panel};
use super::rows::{
    LEFT, RIGHT, mark, panel_size, render_axis, render_upright, render_whisker, render_words,
};
use crate::axis::{Domain, Ticks};
use crate::ink::Inks;
use crate::legend::Entry;
use crate::number::signed;
use crate::text::{escape, plain, text_width};

/// Differences from what all are compared with, a panel for each that is compared.
#[derive(Clone, Debug, Default)]
pub struct Forest {
    /// Heading over all panels.
    pub title: String,
    /// What the reader should see, under the panels.
    pub caption: String,
    /// The unit of the differences; all panels share one axis.
    pub unit: String,
    /// Digits after the point.
    pub decimals: usize,
    /// A panel each.
    pub panels: Vec<ForestPanel>,
}

/// The differences of one that is compared.
#[derive(Clone, Debug, Default)]
pub struct ForestPanel {
    /// Its name, which decides its ink.
    pub title: String,
    /// Top to bottom.
    pub rows: Vec<ForestRow>,
}

/// One difference.
#[derive(Clone, Debug, Default)]
pub struct ForestRow {
    /// What differs.
    pub name: String,
    /// By how much.
    pub value: f64,
    /// The ends of its interval.
    pub interval: (f64, f64),
    /// Whether it is told from zero: its marker is then filled.
    pub found: bool,
}

impl Forest {
    pub(crate) fn names(&self) -> Vec<&str> {
        let panels = self.panels.iter();
        panels.map(|panel| panel.title.as_str()).collect()
    }

    pub(crate) fn figure(&self, inks: &Inks) -> Figure {
        let domain = self.domain();
        let panels = self.panels.iter();
        Figure {
            kind: "dots",
            title: self.title.clone(),
            caption: self.caption.clone(),
            legend: legend(),
            panels: panels
                .map(|panel| self.panel(panel, domain, inks.slot(&panel.title)))
                .collect(),
            ..Figure::default()
        }
    }

    /// What every panel spans: all intervals, and zero.
    fn domain(&self) -> Option<Domain> {
        let rows = self.panels.iter().flat_map(|panel| &panel.rows);
        let ends = rows.flat_map(|row| [row.value, row.interval.0, row.interval.1]);
        let ends: Vec<f64> = ends.filter(|value| value.is_finite()).collect();
        let zero = (!ends.is_empty()).then_some(0.0);
        Some(Domain::of(ends.into_iter().chain(zero))?.padded(0.06))
    }

    fn panel(&self, panel: &ForestPanel, domain: Option<Domain>, slot: usize) -> Panel {
        let mut drawn = Panel {
            title: panel.title.clone(),
            unit: self.unit.clone(),
            legend: legend(),
            size: panel_size(panel.rows.len().max(1), None),
            ..Panel::default()
        };
        let Some(domain) = domain.filter(|_| !panel.rows.is_empty()) else {
            drawn.leave_empty();
            return drawn;
        };
        let ticks = Ticks::fitting(domain, RIGHT - LEFT, text_width);
        drawn.size = panel_size(panel.rows.len(), Some(&ticks));
        drawn.description = self.summary(panel);
        self.draw(&mut drawn.drawing, panel, domain, &ticks, slot)
            .expect("writing to a string does not fail");
        drawn
    }

    fn draw(
        &self,
        out: &mut String,
        panel: &ForestPanel,
        domain: Domain,
        ticks: &Ticks,
        slot: usize,
    ) -> fmt::Result {
        let x = |value: f64| LEFT + domain.fraction(value) * (RIGHT - LEFT);
        render_axis(out, ticks, x, panel.rows.len())?;
        render_upright(out, "level", x(0.0), panel.rows.len())?;
        for (index, row) in panel.rows.iter().enumerate() {
            let words = self.words(row);
            render_words(out, index, &row.name, &words)?;
            let known = [row.value, row.interval.0, row.interval.1];
            if known.into_iter().all(f64::is_finite) {
                let (ends, y) = ((x(row.interval.0), x(row.interval.1)), mark(index));
                let title = escape(&format!("{}: {words}", row.name));
                write!(out, "<g class=\"s{slot}\"><title>{title}</title>")?;
                render_whisker(out, ends, y)?;
                // A circle for every model: the triangle of some would look like a direction.
                let class = match row.found {
                    true => "mark",
                    false => "open",
                };
                write!(
                    out,
                    "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\"/>",
                    x(row.value)
                )?;
                out.write_str("</g>")?;
            }
        }
        Ok(())
    }

    /// `+1.20 (+0.40 to +2.00)`.
    fn words(&self, row: &ForestRow) -> String {
        let text = |value| signed(value, self.decimals);
        format!(
            "{} ({} to {})",
            text(row.value),
            text(row.interval.0),
            text(row.interval.1)
        )
    }

    fn summary(&self, panel: &ForestPanel) -> String {
        let mut text = format!("{} {}", plain(&panel.title), self.unit);
        for row in &panel.rows {
            text.push_str(&format!("; {}: {}", row.name, self.words(row)));
        }
        text
    }
}

fn legend() -> Vec<Entry> {
    vec![
        Entry::Words("whiskers: the interval".to_owned()),
        Entry::Words("filled: told from zero; ring: not".to_owned()),
        Entry::Reference("no difference".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: f64, interval: (f64, f64), found: bool) -> ForestRow {
        ForestRow {
            name: "logistic, 1 % of labels".to_owned(),
            value,
            interval,
            found,
        }
    }

    fn draw(rows: Vec<ForestRow>) -> String {
        let forest = Forest {
            unit: "points".to_owned(),
            decimals: 2,
            panels: vec![ForestPanel {
                title: "new".to_owned(),
                rows,
            }],
            ..Forest::default()
        };
        let mut out = String::new();
        forest
            .figure(&Inks::of(["new"]))
            .html(&mut out)
            .expect("a string");
        out
    }

    #[test]
    fn every_difference_says_its_interval_and_zero_is_on_the_axis() {
        let html = draw(vec![
            row(2.0, (1.0, 3.0), true),
            row(4.0, (-1.0, 9.0), false),
        ]);
        assert!(html.contains("+2.00 (+1.00 to +3.00)"), "{html}");
        assert!(html.contains("+4.00 (−1.00 to +9.00)"), "{html}");
        assert_eq!(html.matches("class=\"whisker\"").count(), 2);
        assert_eq!(html.matches("<circle class=\"open\"").count(), 1);
        assert_eq!(html.matches("<circle class=\"mark\"").count(), 1);
        assert!(html.contains(">0</text>") && html.contains("class=\"level\""));
        // Also where all intervals are far from it.
        assert!(draw(vec![row(50.0, (49.0, 51.0), true)]).contains(">0</text>"));
    }

    #[test]
    fn what_is_not_finite_is_not_drawn() {
        assert!(draw(vec![]).contains("no values to draw"));
        let html = draw(vec![
            row(f64::NAN, (0.0, 1.0), false),
            row(1.0, (0.5, 2.0), true),
        ]);
        assert_eq!(html.matches("class=\"whisker\"").count(), 1);
        assert!(!html.contains("\"NaN\""));
    }
}
