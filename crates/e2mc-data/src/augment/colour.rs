//! Brightness, contrast, saturation, hue and grey, rounded as Pillow rounds them.
//!
//! The first three are a blend of the image with another one: black, its mean grey, or its grey
//! self. Single-channel images have no saturation and no hue: those operations leave them alone.
//!
//! A contrast needs the mean of what came before it; all else is done pixel by pixel, several
//! changes in one pass, on a few hundred pixels at a time that stay in the nearest cache. There
//! they are whole numbers in `f32`, which holds every product here exactly; Pillow uses `f64` in
//! places, with the same results but for one level in about one of 10,000 turned pixels.

use super::recipe::Jitter;
use crate::vectorised::vectorised;
use crate::{Image, Stream};

/// Pixels that are worked on together.
const CHUNK: usize = 256;

/// One of the four changes with its drawn strength.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Blend with black by this factor.
    Brightness(f32),
    /// Blend with the mean grey by this factor.
    Contrast(f32),
    /// Blend with the grey image by this factor.
    Saturation(f32),
    /// Turn by this fraction of the circle, in `[-0.5, 0.5]`.
    Hue(f32),
}

impl Change {
    /// The four changes in random order, with strengths drawn from their ranges; `None` for one
    /// that the recipe leaves out.
    pub fn draw(jitter: &Jitter, stream: &mut Stream) -> [Option<Self>; 4] {
        let mut factor = |strength: f32| {
            (strength > 0.0).then(|| stream.range((1.0 - strength).max(0.0), 1.0 + strength))
        };
        let brightness = factor(jitter.brightness).map(Self::Brightness);
        let contrast = factor(jitter.contrast).map(Self::Contrast);
        let saturation = factor(jitter.saturation).map(Self::Saturation);
        let hue = (jitter.hue > 0.0).then(|| Self::Hue(stream.range(-jitter.hue, jitter.hue)));
        let mut changes = [brightness, contrast, saturation, hue];
        stream.shuffle(&mut changes);
        changes
    }
}

/// Does the changes in turn, then takes all colour out if `grey`.
pub fn adjust(image: &mut Image, changes: impl IntoIterator<Item = Change>, grey: bool) {
    let mut pending = Steps::default();
    for change in changes {
        match change {
            Change::Brightness(factor) => pending.push(Step::Blend { from: 0.0, factor }),
            Change::Contrast(factor) => {
                let sum = pending.run(image, true);
                let mean = sum as f64 / (image.width * image.height) as f64;
                let from = f32::from((mean + 0.5) as u8);
                pending.push(Step::Blend { from, factor });
            }
            Change::Saturation(factor) => pending.push(Step::Saturate { factor }),
            // In steps of the 8-bit hue, which wraps; towards zero.
            Change::Hue(turn) => {
                let steps = (f64::from(turn) * 255.0) as i32 as u8;
                pending.push(Step::Turn {
                    steps: f32::from(steps),
                });
            }
        }
    }
    if grey {
        pending.push(Step::Grey);
    }
    pending.run(image, false);
}

/// What can be done to a pixel without regard to the others.
#[derive(Clone, Copy)]
enum Step {
    Blend { from: f32, factor: f32 },
    Saturate { factor: f32 },
    Turn { steps: f32 },
    Grey,
}

/// Steps that wait to be done in one pass: never more than four changes and grey.
#[derive(Default)]
struct Steps {
    steps: [Option<Step>; 5],
    count: usize,
}

impl Steps {
    fn push(&mut self, step: Step) {
        self.steps[self.count] = Some(step);
        self.count += 1;
    }

    /// Does the steps, all of which are then done, and adds up the luma of the result if asked to.
    fn run(&mut self, image: &mut Image, sum: bool) -> u64 {
        let steps = &self.steps[..self.count];
        if steps.is_empty() && !sum {
            return 0;
        }
        let size = image.width * image.height;
        let total = if image.channels == 1 {
            run_grey(&mut image.pixels, steps)
        } else {
            let (red, rest) = image.pixels.split_at_mut(size);
            let (green, blue) = rest.split_at_mut(size);
            run_colour(red, green, blue, steps, sum)
        };
        self.count = 0;
        total
    }
}

vectorised! {
    fn run_grey(samples: &mut [u8], steps: &[Option<Step>]) -> u64 {
        let mut total = 0;
        for samples in samples.chunks_mut(CHUNK) {
            let mut values = [0.0; CHUNK];
            load(samples, &mut values);
            for step in steps.iter().flatten() {
                if let Step::Blend { from, factor } = *step {
                    blend_with(&mut values, from, factor);
                }
            }
            store(&values, samples);
            total += samples.iter().map(|&sample| u32::from(sample)).sum::<u32>() as u64;
        }
        total
    }
}

vectorised! {
    fn run_colour(
        red: &mut [u8],
        green: &mut [u8],
        blue: &mut [u8],
        steps: &[Option<Step>],
        sum: bool,
    ) -> u64 {
        let mut total = 0;
        let chunks = red.chunks_mut(CHUNK).zip(green.chunks_mut(CHUNK)).zip(blue.chunks_mut(CHUNK));
        for ((red, green), blue) in chunks {
            let mut pixels = [[0.0; CHUNK]; 3];
            let [r, g, b] = &mut pixels;
            load(red, r);
            load(green, g);
            load(blue, b);
            for step in steps.iter().flatten() {
                match *step {
                    Step::Blend { from, factor } => {
                        blend_with(r, from, factor);
                        blend_with(g, from, factor);
                        blend_with(b, from, factor);
                    }
                    Step::Saturate { factor } => saturate(r, g, b, factor),
                    Step::Turn { steps } => turn(r, g, b, steps),
                    Step::Grey => take_colour_out(r, g, b),
                }
            }
            if !steps.is_empty() {
                store(r, red);
                store(g, green);
                store(b, blue);
            }
            if sum {
                let mut lumas = [0.0; CHUNK];
                for (((out, &r), &g), &b) in lumas.iter_mut().zip(&*r).zip(&*g).zip(&*b) {
                    *out = luma(r, g, b);
                }
                let count = red.len();
                let mut part = 0_i32;
                for &luma in &lumas[..count] {
                    part += to_integer(luma);
                }
                total += part as u64;
            }
        }
        total
    }
}

#[inline(always)]
fn load(samples: &[u8], values: &mut [f32; CHUNK]) {
    for (value, &sample) in values.iter_mut().zip(samples) {
        *value = f32::from(sample);
    }
}

#[inline(always)]
fn store(values: &[f32; CHUNK], samples: &mut [u8]) {
    for (sample, &value) in samples.iter_mut().zip(values) {
        *sample = to_integer(value) as u8;
    }
}

/// Cuts off the fraction of a number that is not negative and small.
#[inline(always)]
fn to_integer(value: f32) -> i32 {
    debug_assert!((0.0..1e9).contains(&value));
    // SAFETY: every caller's value is a sample, clipped, or a bounded function of samples.
    unsafe { value.to_int_unchecked() }
}

#[inline(always)]
fn whole(value: f32) -> f32 {
    to_integer(value) as f32
}

/// Clips to a sample's range and cuts off the fraction; what is no number becomes 0.
#[inline(always)]
fn clip(value: f32) -> f32 {
    let value = if value > 0.0 { value } else { 0.0 };
    whole(if value < 255.0 { value } else { 255.0 })
}

/// `from + factor * (to - from)`, clipped, the fraction cut off.
#[inline(always)]
fn blend(from: f32, to: f32, factor: f32) -> f32 {
    clip(from + factor * (to - from))
}

/// As [`crate::image::luma`]; the sum is below 2^24.
#[inline(always)]
fn luma(red: f32, green: f32, blue: f32) -> f32 {
    let sum = 19595.0 * red + 38470.0 * green + 7471.0 * blue + 32768.0;
    whole(sum * (1.0 / 65536.0))
}

#[inline(always)]
fn blend_with(values: &mut [f32; CHUNK], from: f32, factor: f32) {
    for value in values {
        *value = blend(from, *value, factor);
    }
}

#[inline(always)]
fn saturate(r: &mut [f32; CHUNK], g: &mut [f32; CHUNK], b: &mut [f32; CHUNK], factor: f32) {
    for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
        let grey = luma(*r, *g, *b);
        *r = blend(grey, *r, factor);
        *g = blend(grey, *g, factor);
        *b = blend(grey, *b, factor);
    }
}

#[inline(always)]
fn take_colour_out(r: &mut [f32; CHUNK], g: &mut [f32; CHUNK], b: &mut [f32; CHUNK]) {
    for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
        let grey = luma(*r, *g, *b);
        (*r, *g, *b) = (grey, grey, grey);
    }
}

/// Turns the hue by a number of its 256 steps, from 0 to 255.
#[inline(always)]
fn turn(r: &mut [f32; CHUNK], g: &mut [f32; CHUNK], b: &mut [f32; CHUNK], steps: f32) {
    for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
        let (hue, saturation, value) = to_hsv(*r, *g, *b);
        let hue = hue + steps;
        let hue = if hue < 256.0 { hue } else { hue - 256.0 };
        (*r, *g, *b) = to_rgb(hue, saturation, value);
    }
}

/// Red, green, blue to hue, saturation, value, each from 0 to 255.
///
/// Without branches. Of the three distances from the highest sample, one is 0 and one is the
/// spread, which divided by itself is 1, so that a single division is left of Pillow's three.
#[inline(always)]
fn to_hsv(red: f32, green: f32, blue: f32) -> (f32, f32, f32) {
    let higher = |a: f32, b: f32| if a > b { a } else { b };
    let lower = |a: f32, b: f32| if a < b { a } else { b };
    let highest = higher(higher(red, green), blue);
    let lowest = lower(lower(red, green), blue);
    let middle = red + green + blue - highest - lowest;
    let spread = highest - lowest;
    let share = (highest - middle) / higher(spread, 1.0);
    let saturation = whole(spread / higher(highest, 1.0) * 255.0);
    // Where the sixths of the circle are counted from, and the sample whose distance is taken off.
    let (start, taken) = (4.0, red);
    let (start, taken) = if green == highest {
        (2.0, blue)
    } else {
        (start, taken)
    };
    let (start, taken) = if red == highest {
        (0.0, green)
    } else {
        (start, taken)
    };
    let sixths = if taken == lowest {
        start - 1.0 + share
    } else {
        start + 1.0 - share
    };
    let turns = sixths / 6.0;
    let turns = if turns < 0.0 { turns + 1.0 } else { turns };
    let hue = if spread == 0.0 { 0.0 } else { turns * 255.0 };
    (whole(hue), saturation, highest)
}

/// The way back.
#[inline(always)]
fn to_rgb(hue: f32, saturation: f32, value: f32) -> (f32, f32, f32) {
    // All of these are whole numbers below 2^24.
    let sixths = hue * 6.0;
    let sector = whole((sixths + 0.5) * (1.0 / 255.0));
    let into = sixths - 255.0 * sector;
    let low = whole(value * (255.0 - saturation) * (1.0 / 255.0) + 0.5);
    let scaled = |part: f32| whole(value * (65025.0 - saturation * part) * (1.0 / 65025.0) + 0.5);
    let (falling, rising) = (scaled(into), scaled(255.0 - into));
    // Sector 6 is sector 0 again.
    let red = if sector == 1.0 { falling } else { value };
    let red = if sector == 2.0 || sector == 3.0 {
        low
    } else {
        red
    };
    let red = if sector == 4.0 { rising } else { red };
    let green = if sector == 0.0 || sector == 6.0 {
        rising
    } else {
        value
    };
    let green = if sector == 3.0 { falling } else { green };
    let green = if sector == 4.0 || sector == 5.0 {
        low
    } else {
        green
    };
    let blue = if sector == 2.0 { rising } else { low };
    let blue = if sector == 3.0 || sector == 4.0 {
        value
    } else {
        blue
    };
    let blue = if sector == 5.0 { falling } else { blue };
    (red, green, blue)
}

#[cfg(test)]
mod tests;
