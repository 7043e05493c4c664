//! Brightness, contrast, saturation, hue and grey, rounded as Pillow rounds them.
//!
//! The first three are a blend of the image with another one: black, its mean grey, or its grey
//! self. Single-channel images have no saturation and no hue: those operations leave them alone.

use super::recipe::Jitter;
use crate::image::luma;
use crate::{Image, Stream};

/// One of the four changes with its drawn strength.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Blend with black by this factor.
    Brightness(f32),
    /// Blend with the mean grey by this factor.
    Contrast(f32),
    /// Blend with the grey image by this factor.
    Saturation(f32),
    /// Turn by this part of the circle, in `[-0.5, 0.5]`.
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

    /// Changes the image.
    pub fn apply(self, image: &mut Image) {
        match self {
            Self::Brightness(factor) => brightness(image, factor),
            Self::Contrast(factor) => contrast(image, factor),
            Self::Saturation(factor) => saturation(image, factor),
            Self::Hue(turn) => hue(image, turn),
        }
    }
}

/// `from + factor * (to - from)` in float, clipped, the fraction cut off.
#[inline]
fn blend(from: u8, to: u8, factor: f32) -> u8 {
    let (from, to) = (f32::from(from), f32::from(to));
    // The conversion cuts off the fraction and saturates.
    (from + factor * (to - from)) as u8
}

/// Blends with one value everywhere, through a table.
fn blend_with(image: &mut Image, from: u8, factor: f32) {
    let table: [u8; 256] = std::array::from_fn(|to| blend(from, to as u8, factor));
    for sample in &mut image.pixels {
        *sample = table[usize::from(*sample)];
    }
}

/// Multiplies all samples by `factor`, from 0 up.
pub fn brightness(image: &mut Image, factor: f32) {
    blend_with(image, 0, factor);
}

/// Moves all samples from the image's mean luma, rounded, by `factor`, from 0 up.
pub fn contrast(image: &mut Image, factor: f32) {
    let sum: u64 = match image.channels {
        1 => image.pixels.iter().map(|&sample| u64::from(sample)).sum(),
        _ => image
            .pixels
            .chunks_exact(3)
            .map(|rgb| u64::from(luma(rgb[0], rgb[1], rgb[2])))
            .sum(),
    };
    let mean = sum as f64 / (image.width * image.height) as f64;
    blend_with(image, (mean + 0.5) as u8, factor);
}

/// Moves all pixels from their luma by `factor`, from 0 up.
pub fn saturation(image: &mut Image, factor: f32) {
    if image.channels == 1 {
        return;
    }
    for rgb in image.pixels.chunks_exact_mut(3) {
        let grey = luma(rgb[0], rgb[1], rgb[2]);
        for sample in rgb {
            *sample = blend(grey, *sample, factor);
        }
    }
}

/// Replaces all channels by the luma.
pub fn grey(image: &mut Image) {
    if image.channels == 1 {
        return;
    }
    for rgb in image.pixels.chunks_exact_mut(3) {
        let grey = luma(rgb[0], rgb[1], rgb[2]);
        rgb.fill(grey);
    }
}

/// Turns the hue by a part of the circle, in `[-0.5, 0.5]`, on 8-bit hue, saturation and value.
pub fn hue(image: &mut Image, turn: f32) {
    if image.channels == 1 {
        return;
    }
    // In steps of the 8-bit hue, which wraps; towards zero.
    let steps = (f64::from(turn) * 255.0) as i32 as u8;
    for rgb in image.pixels.chunks_exact_mut(3) {
        let [hue, saturation, value] = to_hsv([rgb[0], rgb[1], rgb[2]]);
        rgb.copy_from_slice(&to_rgb([hue.wrapping_add(steps), saturation, value]));
    }
}

/// Red, green, blue to hue, saturation, value, each a byte.
fn to_hsv([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let highest = red.max(green).max(blue);
    let lowest = red.min(green).min(blue);
    if highest == lowest {
        return [0, 0, highest];
    }
    let spread = f32::from(highest - lowest);
    let saturation = spread / f32::from(highest);
    let [from_red, from_green, from_blue] =
        [red, green, blue].map(|sample| f32::from(highest - sample) / spread);
    let sixth = if red == highest {
        f64::from(from_blue - from_green)
    } else if green == highest {
        2.0 + f64::from(from_red) - f64::from(from_blue)
    } else {
        4.0 + f64::from(from_green) - f64::from(from_red)
    } as f32;
    // The fraction and the rounding below are spelled out, for the functions of the standard
    // library are calls where the processor's baseline has no instruction for them.
    let turns = f64::from(sixth) / 6.0 + 1.0;
    let hue = if turns >= 1.0 { turns - 1.0 } else { turns } as f32;
    [
        (f64::from(hue) * 255.0) as u8,
        (f64::from(saturation) * 255.0) as u8,
        highest,
    ]
}

/// The way back.
fn to_rgb([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    if saturation == 0 {
        return [value; 3];
    }
    let sixth = f64::from(f32::from(hue)) * 6.0 / 255.0;
    let sector = sixth as u8;
    let fraction = f64::from((sixth - f64::from(sector)) as f32);
    let saturation = f64::from(f32::from(saturation) / 255.0);
    let scaled = |part: f64| (f64::from(value) * part + 0.5) as u8;
    let low = scaled(1.0 - saturation);
    let falling = scaled(1.0 - saturation * fraction);
    let rising = scaled(1.0 - saturation * (1.0 - fraction));
    match sector % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream;

    const JITTER: Jitter = Jitter {
        probability: 1.0,
        brightness: 0.4,
        contrast: 1.5,
        saturation: 0.2,
        hue: 0.1,
    };

    #[test]
    fn strengths_are_uniform_and_orders_equally_likely() {
        let draws = 24_000;
        let mut sums = [0.0; 4];
        let mut orders = std::collections::HashMap::new();
        for index in 0..draws {
            let changes = Change::draw(&JITTER, &mut stream(5, 0, index, 0)).map(Option::unwrap);
            let mut order = [0; 4];
            for (place, change) in changes.into_iter().enumerate() {
                let (kind, value, [low, high]) = match change {
                    Change::Brightness(factor) => (0, factor, [0.6, 1.4]),
                    Change::Contrast(factor) => (1, factor, [0.0, 2.5]),
                    Change::Saturation(factor) => (2, factor, [0.8, 1.2]),
                    Change::Hue(turn) => (3, turn, [-0.1, 0.1]),
                };
                assert!((low..=high).contains(&value), "{change:?}");
                sums[kind] += f64::from((value - low) / (high - low));
                order[place] = kind;
            }
            *orders.entry(order).or_insert(0_i32) += 1;
        }
        for sum in sums {
            let mean = sum / draws as f64;
            assert!(
                (mean - 0.5).abs() < 5.0 / (12.0 * draws as f64).sqrt(),
                "{mean}"
            );
        }
        // Each is binomial (24000, 1/24): 1000, standard deviation 31.
        assert_eq!(orders.len(), 24);
        assert!(
            orders.values().all(|count| (count - 1000).abs() < 160),
            "{orders:?}"
        );
    }

    #[test]
    fn what_has_no_strength_is_not_drawn() {
        let jitter = Jitter {
            probability: 1.0,
            contrast: 0.5,
            ..Jitter::default()
        };
        let changes = Change::draw(&jitter, &mut stream(0, 0, 0, 0));
        let drawn: Vec<_> = changes.into_iter().flatten().collect();
        assert!(matches!(drawn[..], [Change::Contrast(_)]), "{drawn:?}");
    }

    #[test]
    fn grey_images_have_no_colour_to_change() {
        let pixels = (0..=255).collect();
        let image = Image {
            width: 16,
            height: 16,
            channels: 1,
            pixels,
        };
        for change in [Change::Saturation(0.3), Change::Hue(0.4)] {
            let mut changed = image.clone();
            change.apply(&mut changed);
            assert_eq!(changed, image);
        }
        let mut changed = image.clone();
        grey(&mut changed);
        assert_eq!(changed, image);
    }

    #[test]
    fn grey_and_repeated_grey_change_alike() {
        let pixels = (0..=255).map(|value: u8| value / 2 + 30).collect();
        let image = Image {
            width: 16,
            height: 16,
            channels: 1,
            pixels,
        };
        for change in [
            Change::Brightness(1.7),
            Change::Contrast(0.4),
            Change::Contrast(1.9),
        ] {
            let (mut one, mut three, mut want) =
                (image.clone(), Image::default(), Image::default());
            image.with_channels(3, &mut three);
            change.apply(&mut one);
            change.apply(&mut three);
            one.with_channels(3, &mut want);
            assert_eq!(three, want, "{change:?}");
        }
    }

    #[test]
    fn a_factor_of_one_and_no_turn_change_nothing() {
        let pixels = (0..3 * 64).map(|value| value as u8).collect();
        let image = Image {
            width: 8,
            height: 8,
            channels: 3,
            pixels,
        };
        for change in [
            Change::Brightness(1.0),
            Change::Contrast(1.0),
            Change::Saturation(1.0),
        ] {
            let mut changed = image.clone();
            change.apply(&mut changed);
            assert_eq!(changed, image, "{change:?}");
        }
    }

    #[test]
    fn half_a_turn_exchanges_complements() {
        let mut image = Image {
            width: 1,
            height: 1,
            channels: 3,
            pixels: vec![255, 0, 0],
        };
        hue(&mut image, 0.5);
        // 127 steps of 255: a hair before cyan.
        assert_eq!(image.pixels, [0, 255, 252]);
    }
}
