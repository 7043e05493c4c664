//! Optimisers and learning-rate schedules.
//!
//! [`OptimizerConfig`] says which rule, [`Optimizer`] applies it to named parameters, a
//! [`ParamGroup`] gives some of them a rate of their own, and [`ScheduleConfig`] says how the rate
//! moves. No step waits for the device: norms and ratios stay where the parameters are.

mod adamw;
mod config;
mod group;
mod larc;
mod lars;
mod optimizer;
mod schedule;
mod sgd;

pub use adamw::AdamwConfig;
pub(crate) use config::MOMENTUM;
pub use config::OptimizerConfig;
pub use group::{ParamGroup, Rate};
pub use larc::LarcConfig;
pub use lars::LarsConfig;
pub use optimizer::Optimizer;
pub(crate) use optimizer::STEPS;
pub use schedule::ScheduleConfig;
pub use sgd::SgdConfig;
