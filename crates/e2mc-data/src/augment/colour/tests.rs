//! Against Pillow's arithmetic by its definition, one pixel at a time.

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
        adjust(&mut changed, [change], true);
        assert_eq!(changed, image);
    }
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
        let (mut one, mut three, mut want) = (image.clone(), Image::default(), Image::default());
        image.with_channels(3, &mut three);
        adjust(&mut one, [change], false);
        adjust(&mut three, [change], true);
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
        adjust(&mut changed, [change], false);
        assert_eq!(changed, image, "{change:?}");
    }
}

/// Red, green, blue to hue, saturation, value as Pillow has it, with its types and branches.
fn slow_to_hsv([red, green, blue]: [u8; 3]) -> [u8; 3] {
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
    let hue = (f64::from(sixth) / 6.0 + 1.0).rem_euclid(1.0) as f32;
    [
        (f64::from(hue) * 255.0) as u8,
        (f64::from(saturation) * 255.0) as u8,
        highest,
    ]
}

fn slow_to_rgb([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    if saturation == 0 {
        return [value; 3];
    }
    let sixth = f64::from(f32::from(hue)) * 6.0 / 255.0;
    let sector = sixth.floor();
    let fraction = f64::from((sixth - sector) as f32);
    let saturation = f64::from(f32::from(saturation) / 255.0);
    let scaled = |part: f64| (f64::from(value) * part).round() as u8;
    let low = scaled(1.0 - saturation);
    let falling = scaled(1.0 - saturation * fraction);
    let rising = scaled(1.0 - saturation * (1.0 - fraction));
    match sector as u8 % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}

fn bytes((a, b, c): (f32, f32, f32)) -> [u8; 3] {
    [a, b, c].map(|value| value as u8)
}

#[test]
fn hue_saturation_and_value_are_pillows() {
    // Every order of the three, every spread and every distance of the middle one.
    for high in [1, 2, 3, 17, 60, 85, 128, 170, 254, 255_u8] {
        for low in 0..=high {
            for middle in low..=high {
                for [r, g, b] in [
                    [high, middle, low],
                    [high, low, middle],
                    [middle, high, low],
                    [low, high, middle],
                    [middle, low, high],
                    [low, middle, high],
                ] {
                    let found = to_hsv(f32::from(r), f32::from(g), f32::from(b));
                    assert_eq!(bytes(found), slow_to_hsv([r, g, b]), "{:?}", [r, g, b]);
                }
            }
        }
    }
}

#[test]
fn the_way_back_is_pillows_to_one_level_and_mostly_exactly() {
    let (mut count, mut wrong) = (0, 0);
    for hue in 0..=255 {
        for saturation in (0..=255).step_by(3) {
            for value in (0..=255).step_by(5) {
                let hsv = [hue, saturation, value];
                let [h, s, v] = hsv.map(f32::from);
                let (found, wanted) = (bytes(to_rgb(h, s, v)), slow_to_rgb(hsv));
                for (found, wanted) in found.into_iter().zip(wanted) {
                    count += 1;
                    wrong += usize::from(found != wanted);
                    assert!(found.abs_diff(wanted) <= 1, "{hsv:?}: {found} for {wanted}");
                }
            }
        }
    }
    assert!(wrong * 10_000 <= count, "{wrong} of {count}");
}

#[test]
fn changes_in_one_pass_are_the_changes_in_turn() {
    let mut random = stream(8, 0, 0, 0);
    for case in 0..60 {
        // Sizes that leave a part of the last chunk empty.
        let mut image = Image::black(13 + case % 7, 47, if case % 3 == 0 { 1 } else { 3 });
        image
            .pixels
            .iter_mut()
            .for_each(|sample| *sample = random.below(256) as u8);
        let changes = Change::draw(&JITTER, &mut random).map(Option::unwrap);
        let mut turns = image.clone();
        for change in changes {
            adjust(&mut turns, [change], false);
        }
        adjust(&mut turns, [], true);
        adjust(&mut image, changes, true);
        assert_eq!(image, turns, "{changes:?}");
    }
}

#[test]
fn blends_are_pillows_by_their_definition() {
    let mut random = stream(9, 0, 0, 0);
    let mut image = Image::black(19, 31, 3);
    image
        .pixels
        .iter_mut()
        .for_each(|sample| *sample = random.below(256) as u8);
    let pixel = |image: &Image, place: usize| {
        [0, 1, 2].map(|channel| image.pixels[channel * 19 * 31 + place])
    };
    let lumas = (0..19 * 31).map(|place| {
        let [r, g, b] = pixel(&image, place);
        crate::image::luma(r, g, b)
    });
    let lumas: Vec<u8> = lumas.collect();
    let mean = lumas.iter().map(|&luma| f64::from(luma)).sum::<f64>() / lumas.len() as f64;
    let mean = (mean + 0.5) as u8;
    let blend = |from: u8, to: u8, factor: f32| {
        let (from, to) = (f32::from(from), f32::from(to));
        (from + factor * (to - from)) as u8
    };
    for factor in [0.0, 0.3, 0.77, 1.0, 1.4, 2.9] {
        let brightness = Change::Brightness(factor);
        for change in [
            brightness,
            Change::Contrast(factor),
            Change::Saturation(factor),
        ] {
            let mut changed = image.clone();
            adjust(&mut changed, [change], false);
            for (place, &luma) in lumas.iter().enumerate() {
                let from = match change {
                    Change::Brightness(_) => 0,
                    Change::Contrast(_) => mean,
                    _ => luma,
                };
                let wanted = pixel(&image, place).map(|to| blend(from, to, factor));
                assert_eq!(pixel(&changed, place), wanted, "{change:?}");
            }
        }
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
    adjust(&mut image, [Change::Hue(0.5)], false);
    // 127 steps of 255: a hair before cyan.
    assert_eq!(image.pixels, [0, 255, 252]);
}
