//! DINO's loss.

use tch::{Kind, TchError, Tensor};

/// What scores are divided by before the softmax.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Temperatures {
    /// The student's.
    pub student: f64,
    /// The teacher's: the less, the sharper.
    pub teacher: f64,
}

/// The mean over the teacher's views, the student's other views and the images of
/// `-sum_k p_k log q_k`, with `p = softmax((teacher - centre) / temperature)`, through which no
/// gradient flows, and `q = softmax(student / temperature)` (Caron et al. 2021, Eq. 3).
///
/// `student` are the scores `(n, k)` of each view, `teacher` those of the first views, `centre` is
/// `(1, k)`. The result is a scalar in float32.
///
/// # Errors
/// Where the shapes differ, or libtorch runs out of memory.
pub fn loss(
    student: &[Tensor],
    teacher: &[Tensor],
    centre: &Tensor,
    temperatures: Temperatures,
) -> Result<Tensor, TchError> {
    let log_q = student
        .iter()
        .map(|scores| {
            scores
                .f_div_scalar(temperatures.student)?
                .f_log_softmax(1, Kind::Float)
        })
        .collect::<Result<Vec<_>, _>>()?;
    // The sum over all views but one is that over all, less the one: one product with each of the
    // teacher's views instead of one with each pair.
    let all = log_q[1..]
        .iter()
        .try_fold(log_q[0].shallow_clone(), |sum, view| sum.f_add(view))?;
    let mut agreement = Tensor::f_zeros([], (Kind::Float, all.device()))?;
    for (view, scores) in teacher.iter().enumerate() {
        let p = tch::no_grad(|| {
            scores
                .f_sub(centre)?
                .f_div_scalar(temperatures.teacher)?
                .f_softmax(1, Kind::Float)
        })?;
        let others = all.f_sub(&log_q[view])?;
        agreement = agreement.f_add(&p.f_mul(&others)?.f_sum(Kind::Float)?)?;
    }
    let count = teacher.len() as i64 * (student.len() as i64 - 1) * all.size()[0];
    agreement.f_div_scalar(-count)
}
