//! Scatter plots of the unit square: two dimensions of an embedding, a panel a pair (paper, Fig. 2
//! and D.1).
//!
//! Points may keep, in every panel, the colour of the place that they had in another one, so that
//! the eye sees where they went. The colours are mixed from four that are told apart by nearly
//! everyone, one at each corner of the square.

use std::fmt::Write;

use super::frame::Frame;
use super::panel::{Figure, Hit, Panel, left_out};
use crate::axis::Domain;
use crate::legend::Entry;
use crate::number::fixed;
use crate::text::{escape, plain};

/// Chosen so that the plot is a square.
const WIDTH: f64 = 224.0;
const HEIGHT: f64 = 229.0;

/// Cells along each side that the pointer tells apart.
const CELLS: usize = 8;

/// Colours along each side of the square.
const SHADES: usize = 5;

/// The corners' colours: lower left, lower right, upper left, upper right.
const CORNERS: [[f64; 3]; 4] = [
    [0.0, 114.0, 178.0],
    [230.0, 159.0, 0.0],
    [0.0, 158.0, 115.0],
    [204.0, 71.0, 120.0],
];

/// Points of several pairs of dimensions.
#[derive(Clone, Debug, Default)]
pub struct Scatter {
    /// Heading over all panels.
    pub title: String,
    /// What the reader should see, under the panels.
    pub caption: String,
    /// A panel each.
    pub panels: Vec<ScatterPanel>,
}

/// One pair of dimensions.
#[derive(Clone, Debug, Default)]
pub struct ScatterPanel {
    /// What is shown.
    pub title: String,
    /// A few words on it.
    pub note: String,
    /// What the x axis is; the y axis is named by the title.
    pub x_label: String,
    /// Places in the unit square; those outside are left out, which the panel mentions.
    pub points: Vec<[f32; 2]>,
    /// For each point the place whose colour it has; empty for one colour.
    pub coloured_by: Vec<[f32; 2]>,
}

impl Scatter {
    pub(crate) fn figure(&self) -> Figure {
        Figure {
            kind: "scatters",
            title: self.title.clone(),
            caption: self.caption.clone(),
            panels: self.panels.iter().map(ScatterPanel::panel).collect(),
            ..Figure::default()
        }
    }
}

impl ScatterPanel {
    fn panel(&self) -> Panel {
        let inside = |place: &[f32; 2]| place.iter().all(|u| (0.0..=1.0).contains(u));
        let shown: Vec<(usize, [f32; 2])> = self
            .points
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, place)| inside(place))
            .collect();
        let missing = self.points.len() - shown.len();
        let why = "are outside the square";
        let remark = left_out("points", missing, self.points.len(), why);
        let mut legend = vec![Entry::Point("a row of the embedding".to_owned())];
        if !self.coloured_by.is_empty() {
            legend.push(Entry::Words(
                "colour: its place in the first panel".to_owned(),
            ));
        }
        let mut panel = Panel {
            title: self.title.clone(),
            legend,
            size: (WIDTH, HEIGHT),
            slots: vec![0],
            readout: Some(format!("<span class=\"at\">{}</span>", escape(&self.note))),
            remarks: remark.into_iter().collect(),
            ..Panel::default()
        };
        if shown.is_empty() {
            panel.leave_empty();
            return panel;
        }
        let unit = Domain::new(0.0, 1.0);
        let frame = Frame::new(WIDTH, HEIGHT, 0.0, unit, unit);
        panel.description = format!(
            "{}: {} points. {}",
            plain(&self.title),
            shown.len(),
            self.note
        );
        panel.drawing = frame.svg(&self.x_label);
        panel.drawing.push_str(&self.dots(&frame, &shown));
        panel.hits = hits(&frame, &shown);
        panel
    }

    /// One path a colour: a dot is a line of no length with round ends.
    fn dots(&self, frame: &Frame, shown: &[(usize, [f32; 2])]) -> String {
        let mut paths: Vec<String> = vec![String::new(); SHADES * SHADES];
        for &(index, [x, y]) in shown {
            let shade = self.coloured_by.get(index).map_or(0, shade);
            let (x, y) = (frame.x(x.into()), frame.y(y.into()));
            write!(paths[shade], "M{x:.1} {y:.1}h0").expect("writing to a string does not fail");
        }
        let paths = paths.iter().enumerate();
        let path = |(shade, path): (usize, &String)| {
            let stroke = if self.coloured_by.is_empty() {
                String::new()
            } else {
                format!(" style=\"stroke:{}\"", colour(shade))
            };
            format!("<path class=\"points\"{stroke} d=\"{path}\"/>")
        };
        paths
            .filter(|(_, path)| !path.is_empty())
            .map(path)
            .collect()
    }
}

/// Which of the colours a place has.
fn shade([x, y]: &[f32; 2]) -> usize {
    let along = |u: f32| ((u.clamp(0.0, 1.0) * SHADES as f32) as usize).min(SHADES - 1);
    along(*y) * SHADES + along(*x)
}

fn colour(shade: usize) -> String {
    let along = |i: usize| i as f64 / (SHADES - 1) as f64;
    let (x, y) = (along(shade % SHADES), along(shade / SHADES));
    let weights = [(1.0 - x) * (1.0 - y), x * (1.0 - y), (1.0 - x) * y, x * y];
    let mixed = [0, 1, 2].map(|channel| {
        let sum: f64 = CORNERS
            .iter()
            .zip(weights)
            .map(|(corner, w)| corner[channel] * w)
            .sum();
        sum.round() as u8
    });
    format!("#{:02x}{:02x}{:02x}", mixed[0], mixed[1], mixed[2])
}

/// Cells that say how many points they hold; even ones hold as many as another.
fn hits(frame: &Frame, shown: &[(usize, [f32; 2])]) -> Vec<Hit> {
    let mut counts = [0_usize; CELLS * CELLS];
    let cell = |u: f32| ((u * CELLS as f32) as usize).min(CELLS - 1);
    for &(_, [x, y]) in shown {
        counts[cell(y) * CELLS + cell(x)] += 1;
    }
    let edge = |i: usize| i as f64 / CELLS as f64;
    let hit = |(index, count): (usize, &usize)| {
        let (i, j) = (index % CELLS, index / CELLS);
        let (left, right) = (frame.x(edge(i)), frame.x(edge(i + 1)));
        let (bottom, top) = (frame.y(edge(j)), frame.y(edge(j + 1)));
        let span = |i: usize| format!("{} to {}", fixed(edge(i), 2), fixed(edge(i + 1), 2));
        let share = fixed(100.0 * *count as f64 / shown.len() as f64, 1);
        Hit {
            place: (left, top, right - left, bottom - top),
            text: format!(
                "x {}, y {}\nhere: {share} % of the points",
                span(i),
                span(j)
            ),
            picture: None,
        }
    };
    counts.iter().enumerate().map(hit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(points: Vec<[f32; 2]>, coloured_by: Vec<[f32; 2]>) -> String {
        let panel = ScatterPanel {
            title: "Dimensions 3 and 4".to_owned(),
            points,
            coloured_by,
            ..ScatterPanel::default()
        };
        let mut out = String::new();
        Scatter {
            panels: vec![panel],
            ..Scatter::default()
        }
        .figure()
        .html(&mut out)
        .unwrap();
        out
    }

    #[test]
    fn points_keep_the_colours_of_their_places() {
        let corners = vec![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
        let html = draw(vec![[0.5, 0.5]; 4], corners.clone());
        for colour in ["#0072b2", "#e69f00", "#009e73", "#cc4778"] {
            assert!(html.contains(colour), "{colour} in {html}");
        }
        let plain = draw(corners, vec![]);
        assert_eq!(plain.matches("class=\"points\"").count(), 1);
        assert!(!plain.contains("style="));
        assert_eq!(plain.matches("25.0 % of the points").count(), 4);
    }

    #[test]
    fn what_cannot_be_shown_is_said() {
        let html = draw(vec![[0.5, 0.5], [f32::NAN, 0.1], [0.1, 1.5]], vec![]);
        assert!(html.contains("points: 2 of 3 values are outside the square."));
        assert!(draw(vec![], vec![]).contains("no values to draw"));
    }
}
