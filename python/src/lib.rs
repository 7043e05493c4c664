//! The extension `e2mc._native`: thin functions on float32 arrays in C order.
//!
//! The Python package converts and checks what users pass, names the defaults and gives results
//! their types; this layer turns arrays into matrix views, releases the interpreter's lock, and
//! turns typed errors into exceptions.

mod adapt;
mod array;
mod compare;
mod criterion;
mod error;
mod evaluate;
mod inspect;
mod pool;
mod rivals;
mod runs;

use pyo3::prelude::*;

/// The bindings of the Rust crates; see the package `e2mc`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::adapt::{NativeMap, auto_map, check_adapter, fit_map};
    #[pymodule_export]
    use super::compare::{compare_predictions, compare_results};
    #[pymodule_export]
    use super::criterion::{default_epsilon, score, value, value_and_grad};
    #[pymodule_export]
    use super::evaluate::{knn, logistic, svm};
    #[pymodule_export]
    use super::inspect::{Measured, measure};
    #[pymodule_export]
    use super::rivals::{mmcr, sigreg, sigreg_directions, uniformity, vcreg};
    #[pymodule_export]
    use super::runs::read_run;

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", e2mc_record::VERSION)
    }
}
