//! Optimisers and learning-rate schedules.
//!
//! [`OptimizerConfig`] says which rule, [`Optimizer`] applies it to named parameters, a
//! [`ParamGroup`] gives some of them a rate, a decay or a limit of their own by what they are
//! ([`Parameter`]), and [`ScheduleConfig`] says how the rate moves. No step waits for the device:
//! norms and ratios stay where the parameters are.

mod adamw;
mod clip;
mod config;
mod group;
mod larc;
mod lars;
mod optimizer;
mod parameter;
mod schedule;
mod sgd;

pub use adamw::AdamwConfig;
pub use clip::Clip;
pub(crate) use config::MOMENTUM;
pub use config::OptimizerConfig;
pub use group::{ParamGroup, Rate};
pub use larc::LarcConfig;
pub use lars::LarsConfig;
pub use optimizer::Optimizer;
pub(crate) use optimizer::STEPS;
pub use parameter::{Parameter, Place, Role, Select};
pub use schedule::ScheduleConfig;
pub use sgd::SgdConfig;
