//! Successive halving: many candidates for a short time, the better half of them for twice as long,
//! and so on; the last is trained for what is left of the time.
//!
//! Every candidate goes on where it was: a run of 4 epochs that is extended to 8 costs 4. So after
//! rung `r` a candidate has been trained for `2^r` units. Half of the time is for the rungs, half
//! for the last candidate. Where the time is too short for all candidates, the later ones of the
//! list are left out; where one pass over the images is too long, an epoch is of some of them.

use serde::{Deserialize, Serialize};

/// Steps of the first rung below which candidates cannot be told apart.
const LEAST_STEPS: f64 = 40.0;
/// Steps below which training is not worth its while at all.
const LEAST_LAST: f64 = 20.0;
/// Training ends here at the latest: the paper's ten epochs, or twice the steps after which small
/// bases showed their gain, whichever is more.
const MOST_EPOCHS: f64 = 10.0;
const MOST_STEPS: f64 = 3000.0;

/// What a schedule is made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Seconds for training and for evaluating on A.
    pub(super) seconds: f64,
    /// Seconds to train on one image.
    pub(super) per_image: f64,
    /// Seconds to judge a candidate on A.
    pub(super) per_judgement: f64,
    /// Images that may be trained on.
    pub(super) images: usize,
    /// Images a step.
    pub(super) batch: usize,
    /// Candidates, at least 1.
    pub(super) candidates: usize,
    /// Passes over the images after which training ends; its own bound if `None`.
    pub(super) most_epochs: Option<u64>,
}

/// How long which candidates are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schedule {
    /// Candidates that start, the first ones of the list.
    pub(super) candidates: usize,
    /// Images of an epoch, at least a batch.
    pub(super) epoch_images: usize,
    /// Epochs in all after which the candidates are compared and the worse half ends.
    pub(super) rungs: Vec<u64>,
    /// Epochs in all of the last candidate, at least those of the last rung.
    pub(super) last: u64,
}

impl Schedule {
    /// The longest schedule within the limits; none if the time or the images are too few for
    /// any training.
    pub(super) fn within(limits: Limits) -> Option<Self> {
        let Limits { images, batch, .. } = limits;
        if images < batch {
            return None;
        }
        (1..=limits.candidates)
            .rev()
            .find_map(|candidates| Self::of(candidates, limits))
    }

    /// The longest schedule in which two candidates are trained equally long; none if the time
    /// or the images are too few for that.
    pub(super) fn pair(limits: Limits) -> Option<Self> {
        const PAIR: f64 = 2.0;
        let one = Limits {
            candidates: 1,
            seconds: limits.seconds / PAIR,
            ..limits
        };
        let alone = Self::within(one).filter(|_| limits.candidates >= PAIR as usize)?;
        Some(Self {
            candidates: PAIR as usize,
            rungs: vec![alone.last],
            ..alone
        })
    }

    fn of(candidates: usize, limits: Limits) -> Option<Self> {
        let Limits {
            seconds,
            per_image,
            per_judgement,
            images,
            batch,
            ..
        } = limits;
        let step = per_image * batch as f64;
        let pass = (images / batch) as f64;
        let most = match limits.most_epochs {
            Some(epochs) => epochs as f64 * pass,
            None => (MOST_EPOCHS * pass).max(MOST_STEPS),
        };
        let alive = alive(candidates);
        let increments = (0..alive.len() as u32).map(|rung| 2_f64.powi((rung.max(1) - 1) as i32));
        let units: f64 = alive
            .iter()
            .zip(increments)
            .map(|(&n, k)| n as f64 * k)
            .sum();
        let judged = alive.iter().sum::<usize>() as f64 * per_judgement;
        // The last candidate is evaluated again when it has been trained, and half-way to its
        // start.
        let seconds = seconds - 2.0 * per_judgement;
        let longest = 2_f64.powi(alive.len() as i32);
        let affordable = match alive.is_empty() {
            true => seconds / step,
            false => (seconds / 2.0 - judged) / (units * step),
        };
        let least = match candidates {
            1 => LEAST_LAST,
            _ => LEAST_STEPS,
        };
        let bound = most / longest;
        let first = affordable.min(bound);
        if affordable < least.min(bound) || first < 1.0 {
            return None;
        }
        let (epoch_images, unit) = match first >= pass {
            true => (images, (first / pass) as u64),
            false => (first as usize * batch, 1),
        };
        let rungs: Vec<u64> = (0..alive.len() as u32).map(|rung| unit << rung).collect();
        let epoch = (epoch_images / batch) as f64;
        let searched = units * unit as f64 * epoch * step + judged;
        let before = rungs.last().copied().unwrap_or(0);
        let left = (seconds - searched).max(0.0) / (epoch * step);
        let last = (before as f64 + left).min(most / epoch) as u64;
        Some(Self {
            candidates,
            epoch_images,
            last: last.max(before).max(1),
            rungs,
        })
    }

    /// How many candidates each rung trains.
    pub(super) fn alive(&self) -> Vec<usize> {
        alive(self.candidates)
    }
}

/// The candidates of each rung until one is left.
fn alive(candidates: usize) -> Vec<usize> {
    let next = |&n: &usize| (n > 1).then_some(n.div_ceil(2));
    let rungs = std::iter::successors(Some(candidates), next);
    rungs.take_while(|&n| n > 1).collect()
}

/// The better half of `scores`, at least one, by their places in rising order; of equal ones the
/// earlier. A candidate without a score is out; none if all are.
pub(super) fn survivors(scores: &[(usize, Option<f64>)]) -> Vec<usize> {
    let mut scored: Vec<(usize, f64)> = scores
        .iter()
        .filter_map(|&(place, score)| Some((place, score?)))
        .collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored.truncate(scores.len().div_ceil(2));
    let mut kept: Vec<usize> = scored.into_iter().map(|(place, _)| place).collect();
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(seconds: f64) -> Limits {
        Limits {
            seconds,
            per_image: 1e-3,
            per_judgement: 2.0,
            images: 10_000,
            batch: 250,
            candidates: 4,
            most_epochs: None,
        }
    }

    /// Epochs of all candidates together.
    fn epochs(schedule: &Schedule) -> u64 {
        let mut before = 0;
        let mut sum = 0;
        for (alive, &rung) in schedule.alive().into_iter().zip(&schedule.rungs) {
            sum += alive as u64 * (rung - before);
            before = rung;
        }
        sum + schedule.last - before
    }

    /// Seconds that a schedule takes by its own account.
    fn seconds(schedule: &Schedule, limits: Limits) -> f64 {
        let images = epochs(schedule) as f64 * schedule.epoch_images as f64;
        let judged = schedule.alive().iter().sum::<usize>() + 2;
        images * limits.per_image + judged as f64 * limits.per_judgement
    }

    #[test]
    fn four_candidates_are_halved_twice_and_the_last_gets_half_of_the_time() {
        let limits = limits(400.0);
        let schedule = Schedule::within(limits).unwrap();
        assert_eq!(schedule.alive(), [4, 2]);
        // Search: 200 s less 6 judgements of 2 s, for 4 x 1 + 2 x 1 units of 10 s an epoch.
        assert_eq!(schedule.rungs, [3, 6]);
        assert_eq!(schedule.epoch_images, 10_000);
        // 396 s less 180 s of training and 12 s of evaluating: 20 more epochs.
        assert_eq!(schedule.last, 26);
        assert_eq!(epochs(&schedule), 4 * 3 + 2 * 3 + 20);
    }

    #[test]
    fn no_schedule_takes_longer_than_its_time() {
        for budget in [60.0, 75.0, 100.0, 180.0, 240.0, 400.0, 1800.0, 30_000.0] {
            for candidates in 1..=6 {
                let limits = Limits {
                    candidates,
                    ..limits(budget)
                };
                let Some(schedule) = Schedule::within(limits) else {
                    panic!("{budget} s are enough for one candidate");
                };
                let taken = seconds(&schedule, limits);
                assert!(taken <= budget + 1e-9, "{budget}: {taken} {schedule:?}");
                let capped = schedule.last * 40 >= 2950;
                assert!(
                    taken >= 0.8 * budget || capped,
                    "{budget}: {taken} {schedule:?}"
                );
                assert!(schedule.rungs.windows(2).all(|pair| pair[1] == 2 * pair[0]));
                assert!(schedule.last >= schedule.rungs.last().copied().unwrap_or(1));
            }
        }
    }

    #[test]
    fn a_pair_is_trained_equally_long() {
        let schedule = Schedule::pair(limits(400.0)).unwrap();
        assert_eq!(
            (schedule.alive(), &schedule.rungs),
            (vec![2], &vec![schedule.last])
        );
        // 200 s each, less two judgements of 2 s, at 10 s an epoch.
        assert_eq!((schedule.last, schedule.epoch_images), (19, 10_000));
        assert!(seconds(&schedule, limits(400.0)) <= 400.0);
        assert_eq!(Schedule::pair(limits(8.0)), None);
        let one = Limits {
            candidates: 1,
            ..limits(400.0)
        };
        assert_eq!(Schedule::pair(one), None, "nothing to compare with");
    }

    #[test]
    fn short_times_take_fewer_candidates_and_too_short_ones_none() {
        let of = |seconds| Schedule::within(limits(seconds));
        assert_eq!(of(400.0).unwrap().candidates, 4);
        let short = of(70.0).unwrap();
        assert_eq!((short.candidates, short.rungs.len()), (2, 1));
        assert_eq!(of(20.0).unwrap().rungs, [] as [u64; 0]);
        assert_eq!(of(8.0), None);
        let few = Limits {
            images: 200,
            ..limits(400.0)
        };
        assert_eq!(Schedule::within(few), None, "fewer images than a batch");
    }

    #[test]
    fn an_epoch_is_of_some_images_where_all_of_them_take_too_long() {
        let many = Limits {
            images: 1_000_000,
            ..limits(400.0)
        };
        let schedule = Schedule::within(many).unwrap();
        assert_eq!(schedule.rungs, [1, 2]);
        // 198 s less 12 s of evaluating, for 6 units of as many images.
        assert_eq!(schedule.epoch_images, 31_000);
        assert!(seconds(&schedule, many) <= 400.0);
    }

    #[test]
    fn a_bound_of_the_user_holds_however_much_time_there_is() {
        let bounded = |epochs| {
            let limits = Limits {
                most_epochs: Some(epochs),
                ..limits(30_000.0)
            };
            Schedule::within(limits).unwrap()
        };
        // 80 steps in all: 20 on the first rung.
        let short = bounded(2);
        assert_eq!((short.candidates, short.epoch_images), (4, 20 * 250));
        assert_eq!((short.rungs, short.last), (vec![1, 2], 4));
        let long = bounded(8);
        assert_eq!((long.epoch_images, long.last), (10_000, 8));
        assert_eq!(long.rungs, [2, 4]);
    }

    #[test]
    fn the_better_half_goes_on_and_what_failed_does_not() {
        let kept = survivors(&[
            (0, Some(0.5)),
            (3, Some(0.7)),
            (4, Some(0.6)),
            (7, Some(0.6)),
        ]);
        assert_eq!(kept, [3, 4]);
        assert_eq!(survivors(&[(0, None), (1, Some(0.1)), (2, None)]), [1]);
        assert_eq!(
            survivors(&[(2, Some(0.5)), (1, Some(0.5)), (0, Some(0.5))]),
            [0, 1]
        );
        assert!(survivors(&[(0, None)]).is_empty());
    }
}
