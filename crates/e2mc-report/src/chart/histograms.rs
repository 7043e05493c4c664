//! Histograms: distributions of the same quantity before and after, overlaid, a small panel each.

use std::fmt::Write;

use super::density::{Density, edge, highest};
use super::frame::Frame;
use super::panel::{Figure, Hit, Panel, left_out};
use crate::axis::Domain;
use crate::ink::{self, Inks};
use crate::legend::Entry;
use crate::number::fixed;
use crate::text::{escape, plain};

/// Width and height of a small panel, and of a wide one.
const SMALL: (f64, f64) = (152.0, 124.0);
const WIDE: (f64, f64) = (336.0, 190.0);

/// A peak this many times the typical one would flatten all other panels, and is cut.
const CUT: f64 = 4.0;

/// Distributions of several quantities, each for the same few series.
#[derive(Clone, Debug, Default)]
pub struct Histograms {
    /// Heading over all panels.
    pub title: String,
    /// What the reader should see, under the panels.
    pub caption: String,
    /// What is counted.
    pub x_label: String,
    /// Names of the distributions in every panel; the first is drawn as an area.
    pub series: Vec<String>,
    /// The values counted, low to high; `low < high`, both finite.
    pub range: (f64, f64),
    /// Bins of equal width; at least one.
    pub bins: usize,
    /// A density to compare with.
    pub reference: Option<Reference>,
    /// Panels as large as those of line charts, for a few that matter; each has its own density
    /// axis.
    pub wide: bool,
    /// A panel each.
    pub panels: Vec<HistogramPanel>,
}

/// One quantity.
#[derive(Clone, Debug, Default)]
pub struct HistogramPanel {
    /// The quantity.
    pub title: String,
    /// A few words on it, such as its entropy before and after; may be empty.
    pub note: String,
    /// Values of each series, in the same order. Those outside the range or not finite are not
    /// counted, which the panel mentions.
    pub samples: Vec<Vec<f32>>,
    /// What this panel counts, and from where to where, if not the same as the others.
    pub axis: Option<(String, (f64, f64))>,
}

/// A constant density, drawn as a dashed line.
#[derive(Clone, Debug)]
pub struct Reference {
    /// What it is: "uniform".
    pub name: String,
    /// The density; 1 for the uniform one on the unit interval.
    pub density: f64,
}

impl Histograms {
    pub(crate) fn names(&self) -> Vec<&str> {
        self.series.iter().map(String::as_str).collect()
    }

    pub(crate) fn figure(&self, inks: &Inks) -> Figure {
        let densities: Vec<Vec<Density>> = self.panels.iter().map(|p| self.densities(p)).collect();
        let top = self.top(&densities);
        let legend = self.legend(inks);
        let panel = |(panel, densities): (&HistogramPanel, &Vec<Density>)| {
            let own = 1.06 * highest(densities).max(f64::MIN_POSITIVE);
            let top = if self.wide { own } else { top };
            self.panel(panel, densities, top, &legend, inks)
        };
        let cut = (!self.wide).then(|| self.cut(&densities, top)).flatten();
        Figure {
            kind: if self.wide {
                "histograms wide"
            } else {
                "histograms"
            },
            title: self.title.clone(),
            caption: self.caption.clone(),
            remarks: cut.into_iter().collect(),
            panels: self.panels.iter().zip(&densities).map(panel).collect(),
            legend,
        }
    }

    fn legend(&self, inks: &Inks) -> Vec<Entry> {
        let series = self.series.iter().enumerate().map(|(i, name)| {
            let slot = inks.slot(name);
            if i == 0 {
                Entry::Area(slot, name.clone())
            } else {
                Entry::Line(slot, name.clone())
            }
        });
        let reference = self.reference.iter();
        let reference = reference.map(|reference| Entry::Reference(reference.name.clone()));
        series.chain(reference).collect()
    }

    fn densities(&self, panel: &HistogramPanel) -> Vec<Density> {
        let series = panel.samples.iter().take(self.series.len());
        series
            .map(|samples| Density::new(samples, self.range_of(panel), self.bins))
            .collect()
    }

    /// The values that a panel counts.
    fn range_of(&self, panel: &HistogramPanel) -> (f64, f64) {
        panel.axis.as_ref().map_or(self.range, |axis| axis.1)
    }

    /// The density at the top of every panel's axis: the highest peak, unless it is `CUT` times
    /// the typical one.
    fn top(&self, densities: &[Vec<Density>]) -> f64 {
        let reference = self
            .reference
            .as_ref()
            .map_or(0.0, |reference| reference.density);
        let mut peaks: Vec<f64> = densities.iter().map(|panel| highest(panel)).collect();
        peaks.sort_by(f64::total_cmp);
        let typical = peaks
            .get(peaks.len() / 2)
            .copied()
            .unwrap_or(1.0)
            .max(reference);
        let most = peaks.last().copied().unwrap_or(1.0).max(reference);
        if most > CUT * typical {
            1.4 * typical
        } else {
            1.06 * most
        }
    }

    /// Which panels have peaks above `top`, in words.
    fn cut(&self, densities: &[Vec<Density>], top: f64) -> Option<String> {
        let cut: Vec<String> = self
            .panels
            .iter()
            .zip(densities)
            .map(|(panel, densities)| (panel, highest(densities)))
            .filter(|(_, peak)| *peak > top)
            .map(|(panel, peak)| format!("{} (up to {})", panel.title, fixed(peak, 1)))
            .collect();
        (!cut.is_empty()).then(|| {
            let top = fixed(top, 1);
            format!(
                "Densities above {top} are cut off, so that the others can be read: {}.",
                cut.join(", ")
            )
        })
    }

    fn panel(
        &self,
        panel: &HistogramPanel,
        densities: &[Density],
        top: f64,
        legend: &[Entry],
        inks: &Inks,
    ) -> Panel {
        let (width, height) = if self.wide { WIDE } else { SMALL };
        let slots: Vec<usize> = self.series.iter().map(|name| inks.slot(name)).collect();
        let mut drawn = Panel {
            title: panel.title.clone(),
            legend: legend.to_vec(),
            size: (width, height),
            readout: Some(format!("<span class=\"at\">{}</span>", escape(&panel.note))),
            ..Panel::default()
        };
        if densities
            .iter()
            .all(|density| density.total == density.outside)
        {
            drawn.leave_empty();
        } else {
            let range = self.range_of(panel);
            let (x, y) = (Domain::new(range.0, range.1), Domain::new(0.0, top));
            let frame = Frame::new(width, height, 0.0, x, y);
            drawn.description = self.summary(panel, densities);
            drawn.drawing = frame.svg(panel.axis.as_ref().map_or(&self.x_label, |axis| &axis.0));
            for (i, (density, &slot)) in densities.iter().zip(&slots).enumerate() {
                let outline = outline(&frame, density, range, top);
                drawn.drawing.push_str(&if i == 0 {
                    format!("<path class=\"area s{slot}\" d=\"{outline}\"/>")
                } else {
                    let dash = ink::dash(slot);
                    format!(
                        "<path class=\"line s{slot}\" stroke-dasharray=\"{dash}\" d=\"{outline}\"/>"
                    )
                });
            }
            if let Some(reference) = &self.reference {
                let (y, left, right) = (frame.y(reference.density), frame.left, frame.right);
                write!(
                    drawn.drawing,
                    "<path class=\"level\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>"
                )
                .expect("writing to a string does not fail");
            }
            drawn.hits = self.hits(&frame, densities, range);
        }
        drawn.slots = slots;
        let why = "are not finite or outside the axis: not counted";
        let remarks = self.series.iter().zip(densities);
        drawn.remarks = remarks
            .filter_map(|(name, density)| left_out(name, density.outside, density.total, why))
            .collect();
        drawn
    }

    fn summary(&self, panel: &HistogramPanel, densities: &[Density]) -> String {
        let mut text = format!("Histogram of {} {}", plain(&panel.title), panel.note);
        for (name, density) in self.series.iter().zip(densities) {
            text.push_str(&format!(
                "; {name}: highest density {}",
                fixed(density.peak(), 2)
            ));
        }
        text
    }

    fn hits(&self, frame: &Frame, densities: &[Density], range: (f64, f64)) -> Vec<Hit> {
        let bins = densities.first().map_or(0, |density| density.bins.len());
        // Two digits finer than the span, so that the edges of bins differ.
        let decimals = (2.0 - (range.1 - range.0).log10().ceil()).clamp(0.0, 12.0) as usize;
        let hit = |i: usize| {
            let (low, high) = (edge(range, i, bins), edge(range, i + 1, bins));
            let mut text = format!("{} to {}", fixed(low, decimals), fixed(high, decimals));
            for (name, density) in self.series.iter().zip(densities) {
                write!(text, "\n{name}: {}", fixed(density.bins[i], 2))
                    .expect("writing to a string does not fail");
            }
            frame.strip(frame.x(low), frame.x(high), text)
        };
        (0..bins).map(hit).collect()
    }
}

/// The outline of the bins from the axis and back to it, as SVG path data.
fn outline(frame: &Frame, density: &Density, range: (f64, f64), top: f64) -> String {
    let mut path = format!("M{:.1} {:.1}", frame.left, frame.bottom);
    for (i, &height) in density.bins.iter().enumerate() {
        let right = frame.x(edge(range, i + 1, density.bins.len()));
        write!(path, "V{:.1}H{right:.1}", frame.y(height.min(top)))
            .expect("writing to a string does not fail");
    }
    write!(path, "V{:.1}", frame.bottom).expect("writing to a string does not fail");
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(panels: Vec<Vec<Vec<f32>>>) -> String {
        let panels = panels
            .into_iter()
            .enumerate()
            .map(|(i, samples)| HistogramPanel {
                title: format!("panel {i}"),
                samples,
                ..HistogramPanel::default()
            })
            .collect();
        let histograms = Histograms {
            series: vec!["before".to_owned(), "after".to_owned()],
            range: (0.0, 1.0),
            bins: 10,
            reference: Some(Reference {
                name: "uniform".to_owned(),
                density: 1.0,
            }),
            panels,
            ..Histograms::default()
        };
        let mut out = String::new();
        let figure = histograms.figure(&Inks::of(["before", "after"]));
        figure.html(&mut out).unwrap();
        out
    }

    fn even(n: u16) -> Vec<f32> {
        (0..n)
            .map(|i| (f32::from(i) + 0.5) / f32::from(n))
            .collect()
    }

    #[test]
    fn a_wide_panel_has_its_own_axes() {
        let panel = |title: &str, high: f64, values: Vec<f32>| HistogramPanel {
            title: title.to_owned(),
            samples: vec![values],
            axis: Some((title.to_owned(), (0.0, high))),
            ..HistogramPanel::default()
        };
        let histograms = Histograms {
            series: vec!["run".to_owned()],
            bins: 4,
            wide: true,
            panels: vec![
                panel("entropy", 0.04, vec![0.005, 0.035]),
                panel("deviation", 80.0, vec![10.0; 9]),
            ],
            ..Histograms::default()
        };
        let mut out = String::new();
        let figure = histograms.figure(&Inks::of(["run"]));
        figure.html(&mut out).unwrap();
        assert!(
            out.contains("<title>0.000 to 0.010\nrun: 50.00</title>"),
            "{out}"
        );
        assert!(out.contains("<title>0 to 20\nrun: 0.05</title>"), "{out}");
        assert!(!out.contains("not counted") && !out.contains("cut off"));
    }

    #[test]
    fn what_is_left_out_is_said() {
        let mut before = even(98);
        before.extend([f32::NAN, 2.0]);
        let html = draw(vec![vec![before, even(100)]]);
        assert!(html.contains("before: 2 of 100 values are not finite or outside the axis"));
        assert!(!html.contains("after: 0 of"));
        assert!(html.contains("uniform"));
        assert!(draw(vec![vec![]]).contains("no values to draw"));
        assert!(draw(vec![vec![vec![f32::NAN], vec![]]]).contains("no values to draw"));
    }

    #[test]
    fn one_collapsed_dimension_does_not_flatten_the_others() {
        let healthy = || vec![even(100), even(100)];
        let html = draw(vec![
            healthy(),
            healthy(),
            healthy(),
            vec![vec![0.5; 100], even(100)],
        ]);
        assert!(html.contains("Densities above 1.4 are cut off"));
        assert!(html.contains("read: panel 3 (up to 10.0)."));
        assert!(html.contains("highest density 10.00"));
        assert!(!draw(vec![healthy(), healthy()]).contains("cut off"));
    }
}
