//! Random parameters against torchvision's definition, written out again here with another source
//! of randomness: thousands of draws of each, compared by Kolmogorov and Smirnov's test.

use e2mc_data::augment::colour::Change;
use e2mc_data::{Augmentation, ViewRecipe, stream};

const DRAWS: usize = 20_000;

/// Another generator than the crate's: a multiplication and an exchange of halves.
struct Lcg(u64);

impl Lcg {
    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let bits = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd) >> 11;
        low + (high - low) * bits as f64 / (1_u64 << 53) as f64
    }

    /// From `low` on, below `high`.
    fn integer(&mut self, low: usize, high: usize) -> usize {
        (low + self.uniform(0.0, (high - low) as f64) as usize).min(high - 1)
    }
}

/// `RandomResizedCrop.get_params`: top, left, height, width.
fn crop(
    random: &mut Lcg,
    width: usize,
    height: usize,
    scale: [f64; 2],
    ratio: [f64; 2],
) -> [f64; 4] {
    let area = (height * width) as f64;
    for _ in 0..10 {
        let target = area * random.uniform(scale[0], scale[1]);
        let aspect = random.uniform(ratio[0].ln(), ratio[1].ln()).exp();
        let w = (target * aspect).sqrt().round_ties_even() as usize;
        let h = (target / aspect).sqrt().round_ties_even() as usize;
        if 0 < w && w <= width && 0 < h && h <= height {
            let top = random.integer(0, height - h + 1);
            let left = random.integer(0, width - w + 1);
            return [top, left, h, w].map(|value| value as f64);
        }
    }
    let whole = width as f64 / height as f64;
    let (w, h) = if whole < ratio[0] {
        (width, (width as f64 / ratio[0]).round_ties_even() as usize)
    } else if whole > ratio[1] {
        (
            (height as f64 * ratio[1]).round_ties_even() as usize,
            height,
        )
    } else {
        (width, height)
    };
    [(height - h) / 2, (width - w) / 2, h, w].map(|value| value as f64)
}

/// Checks that two samples are from one distribution.
#[track_caller]
fn assert_alike(what: &str, mut a: Vec<f64>, mut b: Vec<f64>) {
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    let (mut i, mut j, mut distance) = (0, 0, 0.0_f64);
    while i < a.len() && j < b.len() {
        let value = a[i].min(b[j]);
        while i < a.len() && a[i] <= value {
            i += 1;
        }
        while j < b.len() && b[j] <= value {
            j += 1;
        }
        distance = distance.max((i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs());
    }
    // The distance that equal distributions exceed once in 100,000 times.
    let limit =
        (-(0.5e-5_f64).ln() / 2.0).sqrt() * (1.0 / a.len() as f64 + 1.0 / b.len() as f64).sqrt();
    assert!(distance < limit, "{what}: {distance} of {limit}");
}

#[test]
fn crops_are_torchvisions() {
    let vicreg = Augmentation::vicreg().views[0].clone();
    let swav = Augmentation::swav().views;
    let recipes = [
        ("vicreg", &vicreg),
        ("swav large", &swav[0]),
        ("swav small", &swav[1]),
    ];
    // An ordinary photograph, and shapes for which many draws do not fit.
    for (width, height) in [(500, 375), (90, 400), (300, 60), (28, 28)] {
        for (name, recipe) in recipes {
            let mut random = Lcg(11);
            let (mut found, mut wanted) = (vec![vec![]; 6], vec![vec![]; 6]);
            for index in 0..DRAWS as u64 {
                let region = recipe
                    .draw(width, height, &mut stream(3, 0, index, 0))
                    .region;
                let ours = [region.top, region.left, region.height, region.width];
                let ours = ours.map(|value| value as f64);
                let scale = recipe.scale.map(f64::from);
                let ratio = recipe.ratio.map(f64::from);
                let theirs = crop(&mut random, width, height, scale, ratio);
                for (list, [top, left, h, w]) in [(&mut found, ours), (&mut wanted, theirs)] {
                    // The parts, the area and the place within what is free.
                    let free = (width as f64 - w).max(1.0);
                    let values = [top, left, h, w, h * w, left / free];
                    list.iter_mut()
                        .zip(values)
                        .for_each(|(list, value)| list.push(value));
                }
            }
            for ((found, wanted), what) in found.into_iter().zip(wanted).zip([
                "top",
                "left",
                "height",
                "width",
                "area",
                "relative left",
            ]) {
                assert_alike(
                    &format!("{what} of {name} in {width} x {height}"),
                    found,
                    wanted,
                );
            }
        }
    }
}

#[test]
fn factors_widths_and_chances_are_those_of_the_recipes() {
    let recipes = [
        ("vicreg 1", Augmentation::vicreg().views[0].clone()),
        ("vicreg 2", Augmentation::vicreg().views[1].clone()),
        ("swav", Augmentation::swav().views[0].clone()),
        ("simsiam", Augmentation::simsiam().views[0].clone()),
        ("probe", Augmentation::crop_and_flip().views[0].clone()),
    ];
    for (name, recipe) in recipes {
        let ViewRecipe { jitter, blur, .. } = recipe;
        let mut random = Lcg(5);
        let mut uniform = |low: f32, high: f32, count: usize| -> Vec<f64> {
            let (low, high) = (f64::from(low), f64::from(high));
            (0..count).map(|_| random.uniform(low, high)).collect()
        };
        let mut kinds = [const { Vec::new() }; 4];
        let mut sigmas = Vec::new();
        // Jitter, flip, grey, blur, solarize; whether the first change is the brightness.
        let mut counts = [0_usize; 5];
        let mut first = 0;
        for index in 0..DRAWS as u64 {
            let drawn = recipe.draw(500, 375, &mut stream(9, 1, index, 1));
            let changes: Vec<Change> = drawn.changes.into_iter().flatten().collect();
            for change in &changes {
                let (kind, value) = match *change {
                    Change::Brightness(value) => (0, value),
                    Change::Contrast(value) => (1, value),
                    Change::Saturation(value) => (2, value),
                    Change::Hue(value) => (3, value),
                };
                kinds[kind].push(f64::from(value));
            }
            sigmas.extend(drawn.blur.map(f64::from));
            first += usize::from(matches!(changes.first(), Some(Change::Brightness(_))));
            let happened = [
                !changes.is_empty(),
                drawn.flipped,
                drawn.grey,
                drawn.blur.is_some(),
                drawn.solarized,
            ];
            counts
                .iter_mut()
                .zip(happened)
                .for_each(|(count, happened)| *count += usize::from(happened));
        }
        let strengths = [jitter.brightness, jitter.contrast, jitter.saturation];
        for (kind, strength) in strengths.into_iter().enumerate().filter(|(_, s)| *s > 0.0) {
            let wanted = uniform((1.0 - strength).max(0.0), 1.0 + strength, DRAWS);
            assert_alike(
                &format!("factor {kind} of {name}"),
                kinds[kind].clone(),
                wanted,
            );
        }
        if jitter.hue > 0.0 {
            let wanted = uniform(-jitter.hue, jitter.hue, DRAWS);
            assert_alike(&format!("hue of {name}"), kinds[3].clone(), wanted);
        }
        if blur.probability > 0.0 {
            let wanted = uniform(blur.sigma[0], blur.sigma[1], DRAWS);
            assert_alike(&format!("sigma of {name}"), sigmas, wanted);
        }
        let chances = [
            jitter.probability,
            recipe.flip,
            recipe.grey,
            blur.probability,
            recipe.solarize,
        ];
        let by_chance = counts.into_iter().zip(chances.map(f64::from));
        let fourth = (first, f64::from(jitter.probability) / 4.0);
        for (place, (count, chance)) in by_chance.chain([fourth]).enumerate() {
            let n = DRAWS as f64;
            let error = 5.0 * (chance * (1.0 - chance) * n).sqrt();
            let found = count as f64;
            assert!(
                (found - chance * n).abs() <= error,
                "{name}, {place}: {found} for {chance}"
            );
        }
    }
}
