//! Whether a head was trained long enough, by its losses alone.

/// Windows that are compared are each this part of the epochs.
const WINDOW: f64 = 0.2;
/// A fall of the mean loss by more than this share of it counts.
const SHARE: f64 = 0.02;
/// In nats: a loss below it has nothing left to fall that any prediction would show.
const NEGLIGIBLE: f64 = 0.05;
/// The loss of one epoch says nothing.
const FEWEST: usize = 2;

/// Whether the mean loss of the last fifth of the epochs is more than 2 % below that of the fifth before, so
/// that the head learned too slowly or too short: its accuracy is then too low. `losses` are each epoch's
/// mean, in nats. Of fewer than 10 epochs the last is compared with the one before. Of a single epoch, and of
/// a loss below 0.05, it is false.
///
/// A cosine schedule leaves 1 % of the whole way to the last fifth, and 6 % to the one before. A
/// head that has arrived falls by less than 2 % there, as the noise of its steps goes with the
/// rate.
pub fn still_falling(losses: &[f64]) -> bool {
    let epochs = losses.len();
    if epochs < FEWEST {
        return false;
    }
    let window = ((WINDOW * epochs as f64).round() as usize).clamp(1, epochs / 2);
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / window as f64;
    let last = mean(&losses[epochs - window..]);
    let before = mean(&losses[epochs - 2 * window..epochs - window]);
    last > NEGLIGIBLE && before - last > SHARE * before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(epochs: usize, loss: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..epochs)
            .map(|epoch| loss(epoch as f64 / epochs as f64))
            .collect()
    }

    #[test]
    fn a_loss_that_falls_to_the_end_is_told_from_one_that_has_arrived() {
        assert!(still_falling(&losses(100, |t| 3.0 - 2.0 * t)));
        assert!(still_falling(&losses(10, |t| (-t).exp())));
        assert!(!still_falling(&losses(100, |t| 1.0 + (-20.0 * t).exp())));
        assert!(!still_falling(&losses(100, |t| 1.0 + t)));
        // Just above and just below the share: a line from 1 falls by a fifth of its slope from
        // window to window.
        let line = |slope: f64| losses(1000, move |t| 1.0 - slope * t);
        assert!(still_falling(&line(0.11)));
        assert!(!still_falling(&line(0.09)));
    }

    #[test]
    fn short_fits_are_judged_by_their_last_two_epochs() {
        for epochs in 2..10 {
            assert!(still_falling(&losses(epochs, |t| 2.0 - t)), "{epochs}");
            assert!(!still_falling(&losses(epochs, |_| 2.0)), "{epochs}");
        }
    }

    #[test]
    fn one_epoch_and_negligible_losses_are_not_judged() {
        assert!(!still_falling(&losses(1, |t| 1.0 - t)));
        assert!(!still_falling(&losses(100, |t| 0.04 * (2.0 - t))));
        assert!(!still_falling(&[]));
    }
}
