//! One command, several processes: this one starts them, is one of them, or is alone.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use e2mc_cli::failure::Failure;
use e2mc_cli::options::ProcessOptions;
use e2mc_lab::processes;
use e2mc_train::world::{Place, WorldError};
use e2mc_train::{Device, Error, World, device};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

/// Does `work` together with the processes that the options or the environment name, on each one's device;
/// or starts them, where they are to be started.
pub(crate) fn with(
    options: ProcessOptions,
    device_name: &str,
    work: impl FnOnce(&World, Device) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let place = Place::from_env().map_err(Error::from)?;
    let wanted = usize::from(options.nproc.unwrap_or(1));
    let launched = processes::launcher().is_some();
    let Some(place) = place else {
        if wanted > 1 {
            return launch(wanted);
        }
        return work(&World::solo(), device(device_name)?);
    };
    if wanted > 1 && !launched {
        return Err(Failure::usage(
            format!(
                "--nproc {wanted} within a launcher that has started {} processes",
                place.size
            ),
            "leave --nproc out: the launcher says how many there are",
        ));
    }
    processes::follow_launcher();
    match take_part(options, device_name, &place, work) {
        // Process 0 tells what another has told it, or all have found alike.
        Err(error) if place.rank > 0 && (launched || is_of_another(&error)) => {
            Ok(ExitCode::FAILURE)
        }
        result => result,
    }
}

/// Does `work` as the process that `place` says; the others learn how it ends.
fn take_part(
    options: ProcessOptions,
    device_name: &str,
    place: &Place,
    work: impl FnOnce(&World, Device) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let device = own_device(device_name, place)?;
    let patience = Duration::from_secs(options.timeout);
    let world = World::join(place.clone(), device.is_cuda(), patience)?;
    let result = work(&world, device);
    match &result {
        // All is written; whoever is lost now takes nothing with it.
        Ok(_) => {
            let _ = world.leave();
        }
        Err(error) => world.fail(&format!("{error:#}"), is_of_another(error)),
    }
    result
}

/// Starts the processes and waits for them.
fn launch(size: usize) -> Result<ExitCode> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGUSR1]).context("cannot watch for signals")?;
    let code = processes::launch(size, || signals.pending().collect());
    Ok(ExitCode::from(code.map_err(e2mc_lab::Error::from)?))
}

/// Each process of a machine has a CUDA device of its own.
fn own_device(name: &str, place: &Place) -> Result<Device> {
    if name.starts_with("cuda:") {
        return Err(Failure::usage(
            format!("{} processes on one device, {name}", place.size),
            "give --device cuda: each process takes the device of its number",
        ));
    }
    match name {
        "cuda" => Ok(device(&format!("cuda:{}", place.local_rank))?),
        _ => Ok(device(name)?),
    }
}

/// Whether another process is the cause, which says so itself.
fn is_of_another(error: &anyhow::Error) -> bool {
    let of_train =
        |error: &Error| matches!(error, Error::World(error) if WorldError::is_of_another(error));
    error.chain().any(|cause| {
        if let Some(e2mc_lab::Error::Train(error)) = cause.downcast_ref() {
            return of_train(error);
        }
        cause.downcast_ref().is_some_and(of_train)
    })
}
