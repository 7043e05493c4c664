//! Histograms: distributions of the same quantity before and after, overlaid, a small panel each.

use std::fmt::{self, Write};

use super::super::axis::Domain;
use super::super::ink::{self, Entry, Inks};
use super::super::number::fixed;
use super::super::text::escape;
use super::Frame;

/// Width and height of a small panel, and of a wide one.
const SMALL: (f64, f64) = (152.0, 124.0);
const WIDE: (f64, f64) = (336.0, 190.0);

/// A peak this many times the typical one would flatten all other panels, and is cut.
const CUT: f64 = 4.0;

/// Distributions of several quantities, each for the same few series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histograms {
    /// Heading over all panels.
    pub(crate) title: String,
    /// What the reader should see, under the panels.
    pub(crate) caption: String,
    /// What is counted.
    pub(crate) x_label: String,
    /// Names of the distributions in every panel; the first is drawn as an area.
    pub(crate) series: Vec<String>,
    /// The values counted, low to high; `low < high`, both finite.
    pub(crate) range: (f64, f64),
    /// Bins of equal width; at least one.
    pub(crate) bins: usize,
    /// A density to compare with.
    pub(crate) reference: Option<Reference>,
    /// Panels as large as those of line charts, for a few that matter; each has its own density axis.
    pub(crate) wide: bool,
    /// A panel each.
    pub(crate) panels: Vec<HistogramPanel>,
}

/// One quantity.
#[derive(Clone, Debug, Default)]
pub(crate) struct HistogramPanel {
    /// The quantity.
    pub(crate) title: String,
    /// A few words on it, such as its entropy before and after; may be empty.
    pub(crate) note: String,
    /// Values of each series, in the same order. Those outside the range or not finite are not
    /// counted, which the panel mentions.
    pub(crate) samples: Vec<Vec<f32>>,
    /// What this panel counts, and from where to where, if not the same as the others.
    pub(crate) axis: Option<(String, (f64, f64))>,
}

/// A constant density, drawn as a dashed line.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    /// What it is: "uniform".
    pub(crate) name: String,
    /// The density; 1 for the uniform one on the unit interval.
    pub(crate) density: f64,
}

/// Densities of one series in one panel.
struct Density {
    bins: Vec<f64>,
    total: usize,
    outside: usize,
}

impl Density {
    /// Counts `samples` in `bins` equal bins of `range`; densities integrate to one over it.
    fn new(samples: &[f32], (low, high): (f64, f64), bins: usize) -> Self {
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

    fn peak(&self) -> f64 {
        self.bins.iter().copied().fold(0.0, f64::max)
    }
}

/// The highest density of one panel.
fn highest(densities: &[Density]) -> f64 {
    densities.iter().map(Density::peak).fold(0.0, f64::max)
}

impl Histograms {
    pub(crate) fn names(&self) -> Vec<&str> {
        self.series.iter().map(String::as_str).collect()
    }

    pub(crate) fn render(&self, out: &mut String, inks: &Inks) -> fmt::Result {
        let kind = if self.wide {
            "histograms wide"
        } else {
            "histograms"
        };
        super::open_figure(out, kind, &self.title, &self.legend(inks))?;
        let densities: Vec<Vec<Density>> = self.panels.iter().map(|p| self.densities(p)).collect();
        let top = self.top(&densities);
        for (panel, densities) in self.panels.iter().zip(&densities) {
            let own = 1.06 * highest(densities).max(f64::MIN_POSITIVE);
            self.render_panel(
                out,
                panel,
                densities,
                if self.wide { own } else { top },
                inks,
            )?;
        }
        let cut = if self.wide {
            None
        } else {
            self.cut(&densities, top)
        };
        let remarks: Vec<String> = cut.into_iter().collect();
        super::close_figure(out, &self.caption, &remarks)
    }

    fn legend<'a>(&'a self, inks: &Inks) -> Vec<Entry<'a>> {
        let mut entries: Vec<Entry> = Vec::new();
        for (i, name) in self.series.iter().enumerate() {
            let slot = inks.slot(name);
            entries.push(if i == 0 {
                Entry::Area(slot, name)
            } else {
                Entry::Line(slot, name)
            });
        }
        entries.extend(
            self.reference
                .iter()
                .map(|reference| Entry::Reference(&reference.name)),
        );
        entries
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

    fn render_panel(
        &self,
        out: &mut String,
        panel: &HistogramPanel,
        densities: &[Density],
        top: f64,
        inks: &Inks,
    ) -> fmt::Result {
        let (width, height) = if self.wide { WIDE } else { SMALL };
        let slots: Vec<usize> = self.series.iter().map(|name| inks.slot(name)).collect();
        super::open_panel(out, &panel.title, "", &slots)?;
        write!(
            out,
            "<p class=\"readout\"><span class=\"at\">{}</span></p>",
            escape(&panel.note)
        )?;
        if densities
            .iter()
            .all(|density| density.total == density.outside)
        {
            super::empty_svg(out, width, height, &panel.title)?;
        } else {
            let range = self.range_of(panel);
            let (x, y) = (Domain::new(range.0, range.1), Domain::new(0.0, top));
            let frame = Frame::new(width, height, 0.0, x, y);
            super::open_svg(out, width, height, &self.summary(panel, densities))?;
            let x_label = panel.axis.as_ref().map_or(&self.x_label, |axis| &axis.0);
            frame.render(out, x_label)?;
            for (i, (density, &slot)) in densities.iter().zip(&slots).enumerate() {
                self.render_density(out, &frame, density, slot, i == 0, (range, top))?;
            }
            if let Some(reference) = &self.reference {
                let (y, left, right) = (frame.y(reference.density), frame.left, frame.right);
                write!(
                    out,
                    "<path class=\"level\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>"
                )?;
            }
            self.render_hits(out, &frame, densities, range)?;
            out.write_str("</svg>")?;
        }
        let remarks: Vec<String> = self
            .series
            .iter()
            .zip(densities)
            .filter_map(|(name, density)| {
                let why = "are not finite or outside the axis: not counted";
                super::left_out(name, density.outside, density.total, why)
            })
            .collect();
        super::close_panel(out, &remarks)
    }

    fn summary(&self, panel: &HistogramPanel, densities: &[Density]) -> String {
        let mut text = format!("Histogram of {} {}", panel.title, panel.note);
        for (name, density) in self.series.iter().zip(densities) {
            text.push_str(&format!(
                "; {name}: highest density {}",
                fixed(density.peak(), 2)
            ));
        }
        text
    }

    fn render_density(
        &self,
        out: &mut String,
        frame: &Frame,
        density: &Density,
        slot: usize,
        filled: bool,
        (range, top): ((f64, f64), f64),
    ) -> fmt::Result {
        let mut path = format!("M{:.1} {:.1}", frame.left, frame.bottom);
        for (i, &height) in density.bins.iter().enumerate() {
            let right = frame.x(edge(range, i + 1, density.bins.len()));
            write!(path, "V{:.1}H{right:.1}", frame.y(height.min(top)))?;
        }
        write!(path, "V{:.1}", frame.bottom)?;
        if filled {
            write!(out, "<path class=\"area s{slot}\" d=\"{path}\"/>")
        } else {
            let dash = ink::dash(slot);
            write!(
                out,
                "<path class=\"line s{slot}\" stroke-dasharray=\"{dash}\" d=\"{path}\"/>"
            )
        }
    }

    fn render_hits(
        &self,
        out: &mut String,
        frame: &Frame,
        densities: &[Density],
        range: (f64, f64),
    ) -> fmt::Result {
        let bins = densities.first().map_or(0, |density| density.bins.len());
        // Two digits finer than the span, so that the edges of bins differ.
        let decimals = (2.0 - (range.1 - range.0).log10().ceil()).clamp(0.0, 12.0) as usize;
        for i in 0..bins {
            let (low, high) = (edge(range, i, bins), edge(range, i + 1, bins));
            let mut title = format!("{} to {}", fixed(low, decimals), fixed(high, decimals));
            for (name, density) in self.series.iter().zip(densities) {
                write!(title, "\n{name}: {}", fixed(density.bins[i], 2))?;
            }
            frame.render_hit(out, frame.x(low), frame.x(high), &title)?;
        }
        Ok(())
    }
}

/// Where bin `i` of `bins` begins.
fn edge((low, high): (f64, f64), i: usize, bins: usize) -> f64 {
    low + (high - low) * i as f64 / bins as f64
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
        histograms
            .render(&mut out, &Inks::of(["before", "after"]))
            .unwrap();
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
        histograms.render(&mut out, &Inks::of(["run"])).unwrap();
        assert!(
            out.contains("<title>0.000 to 0.010\nrun: 50.00</title>"),
            "{out}"
        );
        assert!(out.contains("<title>0 to 20\nrun: 0.05</title>"), "{out}");
        assert!(!out.contains("not counted") && !out.contains("cut off"));
    }

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
