//! `e2mc pretrain`: a base model from scratch.

use std::process::ExitCode;

use anyhow::Result;
use e2mc_train::{Trainer, device};

use crate::recipe;
use crate::run;
use e2mc_cli::options::PretrainOptions;

pub(crate) fn run(options: &PretrainOptions) -> Result<ExitCode> {
    let options = &options.train;
    let device = device(&options.machine.device)?;
    let mut trainer = if options.resume {
        Trainer::resume(&run::interrupted(options)?, device, options.epochs)?
    } else {
        let recipe = recipe::resolve(None, options.recipe.as_deref(), &run::changes(options)?)?;
        if options.dry_run {
            run::print_plan(&recipe, options)?;
            return Ok(ExitCode::SUCCESS);
        }
        Trainer::new(recipe, device, options.machine.seed)?
    };
    run::execute(&mut trainer, options)
}
