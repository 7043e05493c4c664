//! Line charts: named values over steps or epochs, in small panels that share their x axis.

use super::frame::Frame;
use super::marks::{self, Mark};
use super::panel::{Figure, Panel, left_out};
use super::pointer::{description, hits, readout};
use super::series::LineChart;
use super::track::{self, Track};
use crate::axis::Domain;
use crate::ink::Inks;
use crate::legend::Entry;

const WIDTH: f64 = 336.0;
const HEIGHT: f64 = 190.0;

/// Line charts of several quantities over one x axis.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// Heading over all panels.
    pub title: String,
    /// What the reader should see, under the panels.
    pub caption: String,
    /// What x counts: "step", "epoch".
    pub x_label: String,
    /// Points in the centred moving mean that is drawn strongly over the faint values; below 2
    /// the values themselves are drawn strongly.
    pub smooth: usize,
    /// Both axes count in powers of ten; values that are not positive leave gaps.
    pub logarithmic: bool,
    /// A panel each.
    pub charts: Vec<LineChart>,
}

impl Lines {
    pub(crate) fn names(&self) -> Vec<&str> {
        self.charts
            .iter()
            .flat_map(|chart| &chart.series)
            .map(|s| s.name.as_str())
            .collect()
    }

    pub(crate) fn figure(&self, inks: &Inks) -> Figure {
        if self.logarithmic {
            let charts = self.charts.iter().map(LineChart::logarithms).collect();
            return Self {
                charts,
                ..self.clone()
            }
            .drawn(inks);
        }
        self.drawn(inks)
    }

    /// Draws values that are logarithms already where the axes are.
    fn drawn(&self, inks: &Inks) -> Figure {
        let mut legend: Vec<Entry> = Vec::new();
        for name in self.names() {
            let entry = Entry::Line(inks.slot(name), name.to_owned());
            if !legend.contains(&entry) {
                legend.push(entry);
            }
        }
        let x = self.x_domain();
        let mut remarks = Vec::new();
        let mut series = self.charts.iter().flat_map(|chart| &chart.series);
        if series.any(|series| track::smoothed(series.points.len(), self.smooth)) {
            let n = self.smooth / 2 * 2 + 1;
            remarks.push(format!(
                "Strong lines are centred means of {n} values (fewer at the ends), faint lines the \
                 values."
            ));
        }
        Figure {
            kind: "lines",
            title: self.title.clone(),
            caption: self.caption.clone(),
            remarks,
            legend,
            panels: self
                .charts
                .iter()
                .map(|chart| self.panel(chart, x, inks))
                .collect(),
        }
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

    fn panel(&self, chart: &LineChart, x: Option<Domain>, inks: &Inks) -> Panel {
        let tracks: Vec<Track> = chart.series.iter().map(|s| Track::new(s, inks)).collect();
        let mut panel = Panel {
            title: chart.title.clone(),
            unit: chart.unit.clone(),
            legend: tracks
                .iter()
                .map(|track| Entry::Line(track.slot, track.name.to_owned()))
                .collect(),
            size: (WIDTH, HEIGHT),
            slots: tracks.iter().map(|track| track.slot).collect(),
            ..Panel::default()
        };
        match self.frame(chart, &tracks, x) {
            Some(frame) => self.fill(&mut panel, chart, &frame, &tracks),
            None => panel.leave_empty(),
        }
        panel.remarks.extend(
            tracks
                .iter()
                .filter_map(|t| left_out(t.name, t.missing, t.total, "are not finite: gaps")),
        );
        panel
    }

    /// The axes of one panel; none without a value.
    fn frame(&self, chart: &LineChart, tracks: &[Track], x: Option<Domain>) -> Option<Frame> {
        let values = || {
            tracks
                .iter()
                .flat_map(|track| &track.points)
                .map(|point| point.1)
        };
        Domain::of(values())?;
        let levels = chart.marks.iter().filter_map(Mark::level);
        let y = Domain::of(values().chain(levels))?.padded(0.06);
        let events = chart.marks.iter().any(|mark| mark.event().is_some());
        let head = if events { marks::HEAD } else { 0.0 };
        let mut frame = if self.logarithmic {
            Frame::logarithmic(WIDTH, HEIGHT, head, x?, y)
        } else {
            Frame::new(WIDTH, HEIGHT, head, x?, y)
        };
        if values().all(|value| !value.is_finite() || value.fract() == 0.0) {
            frame.y_ticks = frame.y_ticks.of_counts();
        }
        Some(frame)
    }

    fn fill(&self, panel: &mut Panel, chart: &LineChart, frame: &Frame, tracks: &[Track]) {
        panel.readout = Some(readout(frame, tracks, &self.x_label));
        panel.description = description(chart, frame, tracks, &self.x_label);
        panel.drawing = frame.svg(&self.x_label);
        panel.drawing.push_str(&marks::lines(frame, &chart.marks));
        let mut inked = Vec::new();
        for track in tracks {
            let (drawing, places) = track::svg(frame, track, self.smooth);
            panel.drawing.push_str(&drawing);
            inked.extend(places);
        }
        // Over the lines, and where they are not.
        let (labels, unlabelled) = marks::labels(frame, &chart.marks, &inked);
        panel.drawing.push_str(&labels);
        panel.remarks = unlabelled;
        panel.hits = hits(frame, tracks, &self.x_label);
    }
}

#[cfg(test)]
mod tests {
    use super::super::pointer::MOST_HITS;
    use super::super::series::Series;
    use super::*;

    fn html(lines: &Lines) -> String {
        let mut out = String::new();
        let figure = lines.figure(&Inks::of(["run"]));
        figure.html(&mut out).unwrap();
        out
    }

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
        html(&lines)
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
        let out = html(&lines);
        for label in [">1</text>", ">10</text>", ">1000</text>", ">0.01</text>"] {
            assert!(out.contains(label), "{label} in {out}");
        }
        assert!(out.contains("rank 2\nrun: 12.50"), "{out}");
        assert!(out.contains("1 of 1000 values are not finite"));
    }

    /// The path data of the one strong line.
    fn strong_path(html: &str) -> &str {
        let path = html.split("<path class=\"line s1\" ").nth(1).unwrap();
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
        assert!(one.contains("class=\"mark s1\" x="));
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
        assert!(html.contains("class=\"line raw s1\""));
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
        html(&lines)
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
