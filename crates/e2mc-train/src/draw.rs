//! Random numbers of libtorch that depend on a seed alone.

use std::sync::{Mutex, PoisonError};

/// libtorch's CPU generator is one for all threads.
static GENERATOR: Mutex<()> = Mutex::new(());

/// What `draw` makes of libtorch's random numbers after `seed`, whatever other threads draw
/// meanwhile.
pub(crate) fn seeded<T>(seed: u64, draw: impl FnOnce() -> T) -> T {
    let _guard = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed as i64);
    draw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Kind, Tensor};

    #[test]
    fn threads_do_not_disturb_each_other() {
        let draw = |seed| {
            let options = (Kind::Float, tch::Device::Cpu);
            let make = || {
                (0..200)
                    .map(|_| Tensor::randn([64], options))
                    .collect::<Vec<_>>()
            };
            Tensor::stack(&seeded(seed, make), 0)
        };
        let expected: Vec<_> = (0..4).map(draw).collect();
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|seed| scope.spawn(move || draw(seed))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected);
        }
        assert_ne!(expected[0], expected[1]);
    }
}
