//! Line charts: named values over steps or epochs, in small panels that share their x axis.

use std::fmt::{self, Write};

use super::super::axis::Domain;
use super::super::ink::{self, Entry, Inks};
use super::super::text::escape;
use super::Frame;
use super::marks::{self, Mark};
use super::track::{self, Track};

const WIDTH: f64 = 336.0;
const HEIGHT: f64 = 190.0;

/// No more upright strips under the pointer than this: about three pixels each.
const MOST_HITS: usize = 110;

/// Line charts of several quantities over one x axis.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    /// Heading over all panels.
    pub(crate) title: String,
    /// What the reader should see, under the panels.
    pub(crate) caption: String,
    /// What x counts: "step", "epoch".
    pub(crate) x_label: String,
    /// Points in the centred moving mean that is drawn strongly over the faint values; below 2
    /// the values themselves are drawn strongly.
    pub(crate) smooth: usize,
    /// Both axes count in powers of ten; values that are not positive leave gaps.
    pub(crate) logarithmic: bool,
    /// A panel each.
    pub(crate) charts: Vec<LineChart>,
}

/// One panel: a quantity of one or more runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineChart {
    /// The quantity.
    pub(crate) title: String,
    /// Its unit; may be empty.
    pub(crate) unit: String,
    /// The runs.
    pub(crate) series: Vec<Series>,
    /// Places and levels to compare with.
    pub(crate) marks: Vec<Mark>,
}

/// The values of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    /// The run's name.
    pub(crate) name: String,
    /// `(x, value)`; a value that is not finite leaves a gap, which the panel mentions.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Lines {
    pub(crate) fn names(&self) -> Vec<&str> {
        self.charts
            .iter()
            .flat_map(|chart| &chart.series)
            .map(|s| s.name.as_str())
            .collect()
    }

    pub(crate) fn render(&self, out: &mut String, inks: &Inks) -> fmt::Result {
        if self.logarithmic {
            let charts = self.charts.iter().map(LineChart::logarithms).collect();
            return Self {
                charts,
                ..self.clone()
            }
            .draw(out, inks);
        }
        self.draw(out, inks)
    }

    /// Draws values that are logarithms already where the axes are.
    fn draw(&self, out: &mut String, inks: &Inks) -> fmt::Result {
        let mut entries: Vec<Entry> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for name in self.names() {
            if !names.contains(&name) {
                names.push(name);
                entries.push(Entry::Line(inks.slot(name), name));
            }
        }
        super::open_figure(out, "lines", &self.title, &entries)?;
        let x = self.x_domain();
        for chart in &self.charts {
            self.render_chart(out, chart, x, inks)?;
        }
        let mut remarks = Vec::new();
        let mut series = self.charts.iter().flat_map(|chart| &chart.series);
        if series.any(|series| track::smoothed(series.points.len(), self.smooth)) {
            let n = self.smooth / 2 * 2 + 1;
            remarks.push(format!(
                "Strong lines are centred means of {n} values (fewer at the ends), faint lines the values."
            ));
        }
        super::close_figure(out, &self.caption, &remarks)
    }

    /// One x axis for all panels, so that the eye can go from one to the next.
    fn x_domain(&self) -> Option<Domain> {
        let points = self
            .charts
            .iter()
            .flat_map(|chart| &chart.series)
            .flat_map(|s| &s.points);
        let events = self
            .charts
            .iter()
            .flat_map(|chart| &chart.marks)
            .filter_map(Mark::event);
        Domain::of(points.map(|point| point.0).chain(events))
    }

    fn render_chart(
        &self,
        out: &mut String,
        chart: &LineChart,
        x: Option<Domain>,
        inks: &Inks,
    ) -> fmt::Result {
        let tracks: Vec<Track> = chart.series.iter().map(|s| Track::new(s, inks)).collect();
        let slots: Vec<usize> = tracks.iter().map(|track| track.slot).collect();
        super::open_panel(out, &chart.title, &chart.unit, &slots)?;
        let values = || {
            tracks
                .iter()
                .flat_map(|track| &track.points)
                .map(|point| point.1)
        };
        let levels = chart.marks.iter().filter_map(Mark::level);
        let mut remarks = Vec::new();
        match (x, Domain::of(values()), Domain::of(values().chain(levels))) {
            (Some(x), Some(_), Some(y)) => {
                let events = chart.marks.iter().any(|mark| mark.event().is_some());
                let head = if events { marks::HEAD } else { 0.0 };
                let y = y.padded(0.06);
                let mut frame = if self.logarithmic {
                    Frame::logarithmic(WIDTH, HEIGHT, head, x, y)
                } else {
                    Frame::new(WIDTH, HEIGHT, head, x, y)
                };
                if values().all(|value| !value.is_finite() || value.fract() == 0.0) {
                    frame.y_ticks = frame.y_ticks.of_counts();
                }
                render_readout(out, &frame, &tracks, &self.x_label)?;
                super::open_svg(
                    out,
                    WIDTH,
                    HEIGHT,
                    &summary(chart, &frame, &tracks, &self.x_label),
                )?;
                frame.render(out, &self.x_label)?;
                remarks = marks::render(out, &frame, &chart.marks)?;
                for track in &tracks {
                    track::render(out, &frame, track, self.smooth)?;
                }
                render_hits(out, &frame, &tracks, &self.x_label)?;
                out.write_str("</svg>")?;
            }
            _ => super::empty_svg(out, WIDTH, HEIGHT, &chart.title)?,
        }
        remarks.extend(
            tracks.iter().filter_map(|t| {
                super::left_out(t.name, t.missing, t.total, "are not finite: gaps")
            }),
        );
        super::close_panel(out, &remarks)
    }
}

impl LineChart {
    /// The same with all values and places as powers of ten.
    fn logarithms(&self) -> Self {
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

/// The values at the last x where any series has one; the script puts others in their place.
fn render_readout(out: &mut String, frame: &Frame, tracks: &[Track], x_label: &str) -> fmt::Result {
    let last = tracks
        .iter()
        .filter_map(Track::last)
        .map(|point| point.0)
        .reduce(f64::max);
    let x = last.unwrap_or(0.0);
    let place = format!("{x_label} {}", frame.x_words(x));
    write!(
        out,
        "<p class=\"readout\"><span class=\"at\">{}</span>",
        escape(&place)
    )?;
    for track in tracks {
        let (slot, glyph, value) = (track.slot, ink::glyph(track.slot), track.words(frame, x));
        write!(out, "<span class=\"value s{slot}\">{glyph}{value}</span>")?;
    }
    out.write_str("</p>")
}

fn summary(chart: &LineChart, frame: &Frame, tracks: &[Track], x_label: &str) -> String {
    let mut text = format!("{} {} by {x_label}", chart.title, chart.unit);
    for track in tracks {
        let ends = track.first().zip(track.last());
        let words = ends.map_or_else(
            || "no values".to_owned(),
            |(first, last)| {
                let precise = |value| frame.y_words(value);
                format!("from {} to {}", precise(first.1), precise(last.1))
            },
        );
        text.push_str(&format!("; {}: {words}", track.name));
    }
    text
}

/// Upright strips around the x values, so many that a pointer can tell them apart.
fn render_hits(out: &mut String, frame: &Frame, tracks: &[Track], x_label: &str) -> fmt::Result {
    let mut xs: Vec<f64> = tracks
        .iter()
        .flat_map(|t| &t.points)
        .map(|point| point.0)
        .collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let count = |x: &f64| tracks.iter().filter(|track| track.at(*x).is_some()).count();
    if xs.len() > MOST_HITS {
        let width = (frame.right - frame.left) / MOST_HITS as f64;
        let strip = |x: &f64| ((frame.x(*x) - frame.left) / width).floor();
        // The one that most series know stands for its strip; of equals the last, so that the
        // end of training is among them.
        xs = xs
            .chunk_by(|a, b| strip(a) == strip(b))
            .filter_map(|near| near.iter().copied().max_by_key(count))
            .collect();
    }
    for (i, &x) in xs.iter().enumerate() {
        let here = frame.x(x);
        let half =
            |other: Option<&f64>| other.map_or(4.0, |&other| (frame.x(other) - here).abs() / 2.0);
        let from = here - half(i.checked_sub(1).map(|i| &xs[i]));
        let to = here + half(xs.get(i + 1));
        let mut title = format!("{x_label} {}", frame.x_words(x));
        for track in tracks {
            write!(title, "\n{}: {}", track.name, track.words(frame, x))?;
        }
        frame.render_hit(out, from, to, &title)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(points: Vec<(f64, f64)>, smooth: usize) -> String {
        let series = vec![Series {
            name: "run".to_owned(),
            points,
        }];
        let chart = LineChart {
            title: "Loss".to_owned(),
            series,
            ..LineChart::default()
        };
        let lines = Lines {
            x_label: "step".to_owned(),
            smooth,
            charts: vec![chart],
            ..Lines::default()
        };
        let mut out = String::new();
        lines.render(&mut out, &Inks::of(["run"])).unwrap();
        out
    }

    #[test]
    fn logarithmic_axes_show_powers_and_true_values() {
        let series = vec![Series {
            name: "run".to_owned(),
            points: (1..=1000)
                .map(|i| {
                    (
                        f64::from(i),
                        if i == 7 { 0.0 } else { 50.0 / f64::from(i * i) },
                    )
                })
                .collect(),
        }];
        let chart = LineChart {
            title: "Spectrum".to_owned(),
            series,
            ..LineChart::default()
        };
        let lines = Lines {
            x_label: "rank".to_owned(),
            logarithmic: true,
            charts: vec![chart],
            ..Lines::default()
        };
        let mut out = String::new();
        lines.render(&mut out, &Inks::of(["run"])).unwrap();
        for label in [">1</text>", ">10</text>", ">1000</text>", ">0.01</text>"] {
            assert!(out.contains(label), "{label} in {out}");
        }
        assert!(out.contains("rank 2\nrun: 12.50"), "{out}");
        assert!(out.contains("1 of 1000 values are not finite"));
    }

    /// The path data of the one strong line.
    fn strong_path(html: &str) -> &str {
        let path = html.split("<path class=\"line s0\" ").nth(1).unwrap();
        path.split("d=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
    }

    #[test]
    fn nan_leaves_a_gap_and_is_said() {
        let html = draw(
            vec![
                (0.0, 1.0),
                (1.0, 2.0),
                (2.0, f64::NAN),
                (3.0, 4.0),
                (4.0, 5.0),
            ],
            0,
        );
        assert_eq!(strong_path(&html).matches('M').count(), 2);
        assert!(html.contains("run: 1 of 5 values are not finite: gaps."));
        assert!(html.contains("step 2\nrun: –"));
        assert!(!html.contains("NaN"));
    }

    #[test]
    fn no_values_and_one_value() {
        assert!(draw(vec![], 0).contains("no values to draw"));
        assert!(draw(vec![(0.0, f64::NAN)], 0).contains("no values to draw"));
        let one = draw(vec![(5.0, 2.5)], 9);
        assert!(one.contains("<span class=\"at\">step 5</span>"));
        assert!(one.contains("class=\"mark s0\" x="));
    }

    #[test]
    fn many_points_keep_their_extremes_and_a_bounded_size() {
        let spike = |i: u32| {
            if i == 31_234 {
                50.0
            } else {
                (f64::from(i) * 0.7).sin()
            }
        };
        let html = draw((0..100_000).map(|i| (f64::from(i), spike(i))).collect(), 0);
        assert!(html.len() < 100_000, "{} bytes", html.len());
        assert!(html.matches("class=\"hit\"").count() <= MOST_HITS + 1);
        let heights: Vec<f64> = strong_path(&html)
            .split(['M', 'L'])
            .filter_map(|point| point.split_once(' ')?.1.parse().ok())
            .collect();
        let spikes = heights.iter().filter(|&&y| y < 40.0).count();
        assert_eq!(spikes, 1, "the one spike is drawn, and drawn once");
        assert!(html.contains("<span class=\"at\">step 99,999</span>"));
    }

    #[test]
    fn smoothing_is_said_and_drawn_over_the_values() {
        let html = draw((0..50).map(|i| (f64::from(i), 3.0)).collect(), 9);
        assert!(html.contains("centred means of 9 values"));
        assert!(html.contains("class=\"line raw s0\""));
    }

    #[test]
    fn points_are_drawn_in_order_of_x() {
        let html = draw(vec![(2.0, 3.0), (0.0, 1.0), (1.0, 2.0)], 0);
        let xs: Vec<f64> = strong_path(&html)
            .split(['M', 'L'])
            .filter_map(|point| point.split_once(' ')?.0.parse().ok())
            .collect();
        assert!(xs.len() == 3 && xs.is_sorted(), "{xs:?}");
    }

    fn draw_marks(points: Vec<(f64, f64)>, marks: Vec<Mark>) -> String {
        let series = vec![Series {
            name: "run".to_owned(),
            points,
        }];
        let chart = LineChart {
            title: "Entropy".to_owned(),
            series,
            marks,
            ..LineChart::default()
        };
        let lines = Lines {
            charts: vec![chart],
            ..Lines::default()
        };
        let mut out = String::new();
        lines.render(&mut out, &Inks::of(["run"])).unwrap();
        out
    }

    #[test]
    fn levels_are_inside_the_axis_and_huge_values_have_places() {
        let level = |y, label: &str| Mark::Level {
            y,
            label: label.to_owned(),
        };
        let event = |x, label: &str| Mark::At {
            x,
            label: label.to_owned(),
        };
        let marks = vec![
            level(0.0, "uniform"),
            event(f64::NAN, "never"),
            level(f64::INFINITY, "above"),
        ];
        let html = draw_marks(vec![(0.0, f64::MIN), (1.0, f64::MAX)], marks);
        assert!(html.contains("uniform"));
        assert!(!html.contains("never") && !html.contains("above"));
        assert!(!html.contains("NaN") && !html.contains("inf"));
        let html = draw_marks(vec![(0.0, -0.2), (1.0, -0.1)], vec![level(0.0, "uniform")]);
        assert!(html.contains(">0.00</text>"), "the axis reaches the level");
    }

    #[test]
    fn marks_without_room_for_a_label_are_said() {
        let points = vec![(0.0, 1.0), (100.0, 2.0)];
        let crowd = (0..9).map(|i| Mark::At {
            x: f64::from(i),
            label: format!("event {i}"),
        });
        let html = draw_marks(points.clone(), crowd.collect());
        assert_eq!(
            html.matches(">event ").count(),
            3,
            "one in each line of text"
        );
        assert!(html.contains("Dashed at 8: event 8."));
        let crowd = (0..5).map(|i| Mark::Level {
            y: 1.5,
            label: format!("level {i}"),
        });
        let html = draw_marks(points, crowd.collect());
        assert_eq!(
            html.matches(">level ").count(),
            2,
            "one above the line and one below"
        );
        assert!(html.contains("Dashed at 1.500: level 4."));
    }
}
