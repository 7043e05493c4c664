//! What line charts tell beside their drawing: under the pointer, over the drawing, and to those
//! who hear the page.

use std::fmt::Write;

use super::frame::Frame;
use super::panel::Hit;
use super::series::LineChart;
use super::track::Track;
use crate::ink;
use crate::text::{escape, plain};

/// No more upright strips under the pointer than this: about three pixels each.
pub(super) const MOST_HITS: usize = 110;

/// The values at the last x where any series has one; the script puts others in their place.
pub(super) fn readout(frame: &Frame, tracks: &[Track], x_label: &str) -> String {
    let last = tracks
        .iter()
        .filter_map(Track::last)
        .map(|point| point.0)
        .reduce(f64::max);
    let x = last.unwrap_or(0.0);
    let place = format!("{x_label} {}", frame.x_words(x));
    let mut out = format!("<span class=\"at\">{}</span>", escape(&place));
    for track in tracks {
        let (slot, glyph, value) = (track.slot, ink::glyph(track.slot), track.words(frame, x));
        write!(out, "<span class=\"value s{slot}\">{glyph}{value}</span>").expect("a string");
    }
    out
}

pub(super) fn description(
    chart: &LineChart,
    frame: &Frame,
    tracks: &[Track],
    x_label: &str,
) -> String {
    let mut text = format!("{} {} by {x_label}", plain(&chart.title), chart.unit);
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
pub(super) fn hits(frame: &Frame, tracks: &[Track], x_label: &str) -> Vec<Hit> {
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
    let hit = |(i, &x): (usize, &f64)| {
        let here = frame.x(x);
        let half =
            |other: Option<&f64>| other.map_or(4.0, |&other| (frame.x(other) - here).abs() / 2.0);
        let from = here - half(i.checked_sub(1).map(|i| &xs[i]));
        let to = here + half(xs.get(i + 1));
        let mut text = format!("{x_label} {}", frame.x_words(x));
        for track in tracks {
            write!(text, "\n{}: {}", track.name, track.words(frame, x)).expect("a string");
        }
        frame.strip(from, to, text)
    };
    xs.iter().enumerate().map(hit).collect()
}
