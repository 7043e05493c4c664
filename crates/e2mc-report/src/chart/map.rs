//! Maps: images as points in a plane, coloured by class, a panel a model.
//!
//! A map has no scale: what counts is who is near to whom. The colours of classes have one
//! lightness, at which they stand out from light and from dark ground; the name of a class stands
//! where its points are, so that colour is not needed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use super::panel::{Figure, Hit, Panel, left_out};
use crate::legend::Entry;
use crate::number::fixed;
use crate::picture::{Shot, Thumbnail};
use crate::text::{class_name, escape, plain, shorten, text_width};

/// The side of a panel.
const SIDE: f64 = 336.0;
/// The room around the points.
const MARGIN: f64 = 12.0;
/// The side of the square around a point that the pointer finds.
const REACH: f64 = 8.0;
/// The luminance of all class colours: 4 to 1 on white, and on the dark card.
const LUMINANCE: f64 = 0.18;
/// Classes whose names are written; more would lie over each other.
const NAMED: usize = 24;
/// The names of classes are cut to this many characters.
const LONGEST: usize = 18;

/// Images as points.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// Heading over all panels.
    pub title: String,
    /// What the reader should see, under the panels.
    pub caption: String,
    /// Names of the classes, by number; a class beyond them has its number only.
    pub classes: Vec<String>,
    /// A panel each.
    pub panels: Vec<MapPanel>,
}

/// The images as one model places them.
#[derive(Clone, Debug, Default)]
pub struct MapPanel {
    /// What is shown: the model.
    pub title: String,
    /// A few words on it.
    pub note: String,
    /// The images.
    pub points: Vec<MapPoint>,
}

/// An image in a map.
#[derive(Clone, Debug, Default)]
pub struct MapPoint {
    /// Its place; one that is not finite is left out, which the panel mentions.
    pub place: [f32; 2],
    /// The number of its class, where it is known.
    pub class: Option<usize>,
    /// What it is, and its picture.
    pub shot: Shot,
}

impl Map {
    pub(crate) fn figure(&self) -> Figure {
        Figure {
            kind: "maps",
            title: self.title.clone(),
            caption: self.caption.clone(),
            panels: self.panels.iter().map(|panel| self.panel(panel)).collect(),
            legend: self.legend(),
            ..Figure::default()
        }
    }

    pub(crate) fn pictures(&self) -> impl Iterator<Item = &Arc<Thumbnail>> {
        let points = self.panels.iter().flat_map(|panel| &panel.points);
        points.filter_map(|point| point.shot.thumbnail.as_ref())
    }

    /// All classes that have points, in order.
    fn shown(&self) -> Vec<usize> {
        let points = self.panels.iter().flat_map(|panel| &panel.points);
        let mut classes: Vec<usize> = points.filter_map(|point| point.class).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    fn legend(&self) -> Vec<Entry> {
        let shown = self.shown();
        if shown.len() > NAMED {
            let words = format!("colour: one of {} classes", shown.len());
            return vec![Entry::Words(words)];
        }
        let entry = |(at, &class): (usize, &usize)| {
            Entry::Coloured(colour(at, shown.len()), self.class(class))
        };
        shown.iter().enumerate().map(entry).collect()
    }

    /// What a class is called.
    fn class(&self, class: usize) -> String {
        class_name(&self.classes, class)
    }

    fn panel(&self, panel: &MapPanel) -> Panel {
        let mut drawn = Panel {
            title: panel.title.clone(),
            legend: self.legend(),
            size: (SIDE, SIDE),
            readout: Some(format!("<span class=\"at\">{}</span>", escape(&panel.note))),
            ..Panel::default()
        };
        let finite = |point: &&MapPoint| point.place.iter().all(|value| value.is_finite());
        let points: Vec<&MapPoint> = panel.points.iter().filter(finite).collect();
        let missing = panel.points.len() - points.len();
        drawn.remarks = left_out("points", missing, panel.points.len(), "have no place")
            .into_iter()
            .collect();
        if points.is_empty() {
            drawn.leave_empty();
            return drawn;
        }
        let places = places(&points);
        let by_class = self.by_class(&points, &places);
        drawn.drawing = self.draw(&points, &places, &by_class);
        drawn.description = self.describe(panel, points.len(), &by_class);
        drawn.hits = points
            .iter()
            .zip(&places)
            .map(|(point, &(x, y))| self.hit(point, x, y))
            .collect();
        drawn
    }

    fn hit(&self, point: &MapPoint, x: f64, y: f64) -> Hit {
        let class = point
            .class
            .map(|class| format!("\nclass: {}", self.class(class)));
        Hit {
            place: (x - REACH / 2.0, y - REACH / 2.0, REACH, REACH),
            text: format!("{}{}", point.shot.name, class.unwrap_or_default()),
            picture: point.shot.thumbnail.as_ref().map(|t| t.id().to_owned()),
        }
    }

    /// The number and the middle of the points of each class.
    fn by_class(&self, points: &[&MapPoint], places: &[(f64, f64)]) -> BTreeMap<usize, Middle> {
        let mut classes: BTreeMap<usize, Middle> = BTreeMap::new();
        for (point, &(x, y)) in points.iter().zip(places) {
            if let Some(class) = point.class {
                let middle = classes.entry(class).or_default();
                middle.count += 1;
                middle.x += x;
                middle.y += y;
            }
        }
        for middle in classes.values_mut() {
            middle.x /= middle.count as f64;
            middle.y /= middle.count as f64;
        }
        classes
    }

    fn draw(
        &self,
        points: &[&MapPoint],
        places: &[(f64, f64)],
        by_class: &BTreeMap<usize, Middle>,
    ) -> String {
        let shown = self.shown();
        // One path a class: a dot is a line of no length with round ends.
        let mut paths: BTreeMap<Option<usize>, String> = BTreeMap::new();
        for (point, (x, y)) in points.iter().zip(places) {
            let path = paths.entry(point.class).or_default();
            write!(path, "M{x:.1} {y:.1}h0").expect("writing to a string does not fail");
        }
        let mut out = String::new();
        for (class, path) in paths {
            let at = class.and_then(|class| shown.binary_search(&class).ok());
            let stroke = at.map_or(String::new(), |at| {
                format!(" style=\"stroke:{}\"", colour(at, shown.len()))
            });
            write!(out, "<path class=\"points\"{stroke} d=\"{path}\"/>")
                .expect("writing to a string does not fail");
        }
        if shown.len() <= NAMED {
            out.push_str(&self.names(by_class));
        }
        out
    }

    /// The names of the classes in the middle of their points, moved apart; those without room are
    /// in the legend.
    fn names(&self, by_class: &BTreeMap<usize, Middle>) -> String {
        let (mut out, mut taken) = (String::new(), Vec::<(f64, f64, f64)>::new());
        for (&class, middle) in by_class {
            let name = shorten(&self.class(class), LONGEST);
            let half = text_width(&name) / 2.0;
            let x = middle
                .x
                .clamp(half + 2.0, (SIDE - half - 2.0).max(half + 2.0));
            let free = |y: f64| {
                let apart = |&(other, base, wide): &(f64, f64, f64)| {
                    (other - x).abs() > half + wide + 2.0 || (base - y).abs() >= 13.0
                };
                (12.0..SIDE - 4.0).contains(&y) && taken.iter().all(apart)
            };
            let tries = [0.0, 13.0, -13.0, 26.0, -26.0];
            let base = tries
                .into_iter()
                .map(|by| middle.y + 4.0 + by)
                .find(|&y| free(y));
            if let Some(y) = base {
                taken.push((x, y, half));
                write!(
                    out,
                    "<text class=\"name middle halo\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
                    escape(&name)
                )
                .expect("writing to a string does not fail");
            }
        }
        out
    }

    /// How many images a class has, and which class lies nearest.
    fn describe(
        &self,
        panel: &MapPanel,
        count: usize,
        by_class: &BTreeMap<usize, Middle>,
    ) -> String {
        let mut text = format!("{}: {count} images. {}", plain(&panel.title), panel.note);
        for (&class, middle) in by_class {
            let others = by_class.iter().filter(|(other, _)| **other != class);
            let nearest =
                others.min_by(|a, b| middle.distance(a.1).total_cmp(&middle.distance(b.1)));
            let images = if middle.count == 1 { "image" } else { "images" };
            write!(
                text,
                "; {}: {} {images}",
                self.class(class),
                fixed(middle.count as f64, 0)
            )
            .expect("writing to a string does not fail");
            if let Some((&nearest, _)) = nearest {
                write!(text, ", nearest to {}", self.class(nearest))
                    .expect("writing to a string does not fail");
            }
        }
        text
    }
}

/// The middle of a class's points.
#[derive(Default)]
struct Middle {
    count: usize,
    x: f64,
    y: f64,
}

impl Middle {
    fn distance(&self, other: &Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// The points in pixels: both axes have the same scale, so that distances are true.
fn places(points: &[&MapPoint]) -> Vec<(f64, f64)> {
    let ends = |axis: usize| {
        let values = points.iter().map(|point| f64::from(point.place[axis]));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let ((left, right), (bottom, top)) = (ends(0), ends(1));
    let span = (right - left).max(top - bottom);
    // One point, or several in one place, lie in the middle.
    let scale = match span > 0.0 {
        true => (SIDE - 2.0 * MARGIN) / span,
        false => 0.0,
    };
    let (x, y) = ((left + right) / 2.0, (bottom + top) / 2.0);
    let place = |point: &&MapPoint| {
        (
            SIDE / 2.0 + scale * (f64::from(point.place[0]) - x),
            SIDE / 2.0 - scale * (f64::from(point.place[1]) - y),
        )
    };
    points.iter().map(place).collect()
}

/// The colour of class number `at` of `count`: hues evenly around the circle, all equally light.
fn colour(at: usize, count: usize) -> String {
    let hue = 6.0 * (at as f64 / count.max(1) as f64 + 0.58).fract();
    let channel = |shift: f64| {
        let place = (hue + shift).rem_euclid(6.0);
        ((place - 3.0).abs() - 1.0).clamp(0.0, 1.0)
    };
    let pure = [channel(0.0), channel(-2.0), channel(-4.0)];
    let linear = |value: f64| match value <= 0.040_45 {
        true => value / 12.92,
        false => ((value + 0.055) / 1.055).powf(2.4),
    };
    let luminance = |rgb: [f64; 3]| {
        let weights = [0.2126, 0.7152, 0.0722];
        rgb.into_iter()
            .zip(weights)
            .map(|(v, w)| w * linear(v))
            .sum::<f64>()
    };
    // Towards black where the hue is lighter, towards white where it is darker.
    let towards = if luminance(pure) > LUMINANCE {
        0.0
    } else {
        1.0
    };
    let mixed = |share: f64| pure.map(|value| value + share * (towards - value));
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..24 {
        let middle = (low + high) / 2.0;
        let lighter = luminance(mixed(middle)) > LUMINANCE;
        match lighter == (towards == 0.0) {
            true => low = middle,
            false => high = middle,
        }
    }
    let [red, green, blue] = mixed(low).map(|value| (255.0 * value).round() as u8);
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(classes: &[&str], points: Vec<([f32; 2], Option<usize>)>) -> Map {
        let point = |(index, (place, class)): (usize, ([f32; 2], Option<usize>))| MapPoint {
            place,
            class,
            shot: Shot {
                name: format!("<{index}>.png"),
                ..Shot::default()
            },
        };
        Map {
            classes: classes.iter().map(|&name| name.to_owned()).collect(),
            panels: vec![MapPanel {
                title: "base".to_owned(),
                note: "40 % of the variance across".to_owned(),
                points: points.into_iter().enumerate().map(point).collect(),
            }],
            ..Map::default()
        }
    }

    fn three() -> Map {
        map(
            &["cat", "dog & <b>", "ship"],
            vec![
                ([0.0, 0.0], Some(0)),
                ([1.0, 0.0], Some(0)),
                ([2.0, 1.0], Some(1)),
                ([9.0, 9.0], Some(2)),
            ],
        )
    }

    #[test]
    fn the_map_says_in_words_which_classes_are_near() {
        let figure = three().figure();
        let panel = &figure.panels[0];
        assert_eq!(
            panel.description,
            "base: 4 images. 40 % of the variance across; cat: 2 images, nearest to dog & <b>; dog \
             & <b>: 1 image, nearest to cat; ship: 1 image, nearest to dog & <b>"
        );
        let mut html = String::new();
        figure.html(&mut html).unwrap();
        roxmltree::Document::parse(&html).expect("well-formed");
        assert!(
            html.contains("<title>&lt;2&gt;.png\nclass: dog &amp; &lt;b&gt;</title>"),
            "{html}"
        );
        assert!(!html.contains("<b>dog") && !html.contains("dog & <b>"));
        assert_eq!(html.matches("class=\"hit\"").count(), 4);
        roxmltree::Document::parse(&panel.to_svg()).expect("well-formed");
    }

    #[test]
    fn both_axes_have_one_scale() {
        let map = three();
        let points: Vec<&MapPoint> = map.panels[0].points.iter().collect();
        let found = places(&points);
        let far = |a: usize, b: usize| (found[a].0 - found[b].0).hypot(found[a].1 - found[b].1);
        assert!((far(0, 1) * 2f64.sqrt() - far(1, 2)).abs() < 1e-9);
        assert!(
            found
                .iter()
                .all(|(x, y)| (MARGIN..=SIDE - MARGIN).contains(x)
                    && (MARGIN..=SIDE - MARGIN).contains(y))
        );
    }

    #[test]
    fn what_has_no_place_is_said_and_one_point_is_drawn() {
        let mut html = String::new();
        let lost = map(&[], vec![([f32::NAN, 0.0], None), ([1.0, 1.0], Some(7))]);
        lost.figure().html(&mut html).unwrap();
        assert!(html.contains("points: 1 of 2 values have no place.") && !html.contains("NaN"));
        assert!(html.contains(">class 7</text>"));
        assert!(
            map(&[], vec![]).figure().panels[0]
                .drawing
                .contains("no values to draw")
        );
    }

    #[test]
    fn class_colours_differ_and_stand_out_from_both_grounds() {
        let luminance = |hex: &str| {
            let channel = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let linear = [channel(1), channel(3), channel(5)].map(|value| {
                let value = f64::from(value) / 255.0;
                if value <= 0.040_45 {
                    value / 12.92
                } else {
                    ((value + 0.055) / 1.055).powf(2.4)
                }
            });
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        for count in [1, 2, 10, 24] {
            let colours: Vec<String> = (0..count).map(|at| colour(at, count)).collect();
            for (at, hex) in colours.iter().enumerate() {
                assert!(!colours[..at].contains(hex), "{hex} twice of {count}");
                // White, and the dark card.
                let light = 1.05 / (luminance(hex) + 0.05);
                let dark = (luminance(hex) + 0.05) / (0.0123 + 0.05);
                assert!(light >= 3.0 && dark >= 3.0, "{hex}: {light:.2} {dark:.2}");
            }
        }
    }

    #[test]
    fn many_classes_are_not_named_in_the_drawing() {
        let points = (0..60).map(|i| ([i as f32, 0.0], Some(i))).collect();
        let map = map(&[], points);
        assert!(!map.figure().panels[0].drawing.contains("<text"));
        assert_eq!(map.legend().len(), 1);
    }
}
