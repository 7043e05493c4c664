//! One command, several processes: this one starts them, is one of them, or is alone.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use e2mc_base::stop::Stop;
use e2mc_cli::failure::{Failure, STOPPED_EARLY};
use e2mc_cli::options::{MachineOptions, ProcessOptions};
use e2mc_cli::signals;
use e2mc_lab::Error as LabError;
use e2mc_lab::machine::Machine;
use e2mc_lab::notice::Notices;
use e2mc_lab::processes;
use e2mc_train::world::{Place, WorldError, threads_each};
use e2mc_train::{Device, Error, World, device};

use crate::screen::Screen;
use crate::{hint, settings};

/// Does `work` together with the processes that the options or the environment name, on each one's
/// device; or starts them, where they are to be started.
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
            let code = processes::launch(wanted, signals::stop());
            return Ok(ExitCode::from(code.map_err(LabError::from)?));
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
        Err(error) if place.rank > 0 && is_stopped(&error) => Ok(ExitCode::from(STOPPED_EARLY)),
        // Process 0 tells what another has told it, or all have found alike.
        Err(error) if place.rank > 0 && (launched || is_of_another(&error)) => {
            Ok(ExitCode::FAILURE)
        }
        result => result.map_err(|error| of_process(error, &place)),
    }
}

/// The error with the process that met it, unless it names one, or all have met it alike.
fn of_process(error: anyhow::Error, place: &Place) -> anyhow::Error {
    let of_all = |error: &Error| {
        matches!(
            error,
            Error::World(_) | Error::Config { .. } | Error::Argument { .. }
        )
    };
    if is_stopped(&error) || hint::is_usage(&error) || of_train(&error).any(of_all) {
        return error;
    }
    error.context(format!("process {} of {}", place.rank, place.size))
}

/// Does `work` as the process that `place` says; the others learn how it ends.
fn take_part(
    options: ProcessOptions,
    device_name: &str,
    place: &Place,
    work: impl FnOnce(&World, Device) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let device = device_of(device_name, place.size, place.local_rank)?;
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

/// Does `work` that is shared up to a point, on this process's part of its machine; a process that
/// is not the first ends where its share does.
pub(crate) fn sharing(
    options: ProcessOptions,
    machine: &MachineOptions,
    work: impl FnOnce(&World, Machine) -> Result<ExitCode>,
) -> Result<ExitCode> {
    with(options, &machine.device, |world, _| {
        let mut own = settings::machine(machine);
        own.threads = threads(world, machine);
        own.device = device_name_of(&machine.device, world.size(), world.local_rank())?;
        work(world, own)
    })
}

/// Does work that the first process `lead`s and the others `follow`.
pub(crate) fn led(
    options: ProcessOptions,
    machine: &MachineOptions,
    lead: impl FnOnce(&World, Machine) -> Result<ExitCode>,
    follow: impl FnOnce(&Machine, &World, &Stop, &Arc<dyn Notices>) -> Result<(), LabError>,
) -> Result<ExitCode> {
    sharing(options, machine, |world, machine| {
        if world.is_first() {
            return lead(world, machine);
        }
        let notices: Arc<dyn Notices> = Screen::of(world);
        follow(&machine, world, signals::stop(), &notices)?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Threads that prepare images: what was typed, or this process's part of the machine's cores.
pub(crate) fn threads(world: &World, options: &MachineOptions) -> usize {
    match world.size() {
        1 => options.threads(),
        _ => {
            let typed = options.threads.map(usize::from);
            typed.unwrap_or_else(|| threads_each(world.local_size()))
        }
    }
}

/// The device of this process. Each process of a machine has a CUDA device of its own.
pub(crate) fn own_device(world: &World, name: &str) -> Result<Device> {
    device_of(name, world.size(), world.local_rank())
}

fn device_of(name: &str, size: usize, local_rank: usize) -> Result<Device> {
    Ok(device(&device_name_of(name, size, local_rank)?)?)
}

fn device_name_of(name: &str, size: usize, local_rank: usize) -> Result<String> {
    match name {
        "cuda" if size > 1 => Ok(format!("cuda:{local_rank}")),
        _ if size > 1 && name.starts_with("cuda:") => Err(Failure::usage(
            format!("{size} processes on one device, {name}"),
            "give --device cuda: each process takes the device of its number",
        )),
        _ => Ok(name.to_owned()),
    }
}

/// Whether the work was asked to end before it had changed anything.
fn is_stopped(error: &anyhow::Error) -> bool {
    of_lab(error).any(|cause| matches!(cause, LabError::Stopped { .. }))
}

/// Whether another process is the cause, which says so itself.
fn is_of_another(error: &anyhow::Error) -> bool {
    of_train(error)
        .any(|error| matches!(error, Error::World(error) if WorldError::is_of_another(error)))
}

/// Training's errors among the causes.
fn of_train(error: &anyhow::Error) -> impl Iterator<Item = &Error> {
    let of_lab = of_lab(error).filter_map(|cause| match cause {
        LabError::Train(error) => Some(error),
        _ => None,
    });
    of_lab.chain(error.chain().filter_map(|cause| cause.downcast_ref()))
}

/// The lab's errors among the causes; that of a sweep's run is in a box.
fn of_lab(error: &anyhow::Error) -> impl Iterator<Item = &LabError> {
    error.chain().filter_map(|cause| {
        let boxed = cause.downcast_ref::<Box<LabError>>();
        cause
            .downcast_ref::<LabError>()
            .or(boxed.map(|boxed| &**boxed))
    })
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use anyhow::Context;

    use super::*;

    fn place() -> Place {
        let store = e2mc_train::world::StoreServer::First;
        Place {
            rank: 2,
            size: 4,
            local_rank: 0,
            local_size: 1,
            host: "10.0.0.1".into(),
            port: 29500,
            run: "run".into(),
            store,
        }
    }

    fn said(error: impl Into<anyhow::Error>) -> String {
        format!("{:#}", of_process(error.into(), &place()))
    }

    #[test]
    fn an_error_names_a_process_once() {
        let full = || Error::Io {
            action: "write",
            path: "run/checkpoint.safetensors".into(),
            source: ErrorKind::StorageFull.into(),
        };
        let expected = "process 2 of 4: cannot write run/checkpoint.safetensors: ";
        assert!(said(full()).starts_with(expected), "{}", said(full()));
        let of_lab = said(LabError::from(full()));
        assert!(of_lab.starts_with(expected), "{of_lab}");
        // What is known of the cause stays known.
        let error = of_process(LabError::from(full()).into(), &place());
        assert!(error.chain().find_map(hint::of).unwrap().contains("space"));

        let lost = || WorldError::Lost {
            ranks: vec![3],
            size: 4,
            doing: "summing",
        };
        let named = "process 3 of 4 no longer answers, while summing";
        assert_eq!(said(Error::from(lost())), named);
        assert_eq!(said(LabError::from(Error::from(lost()))), named);
    }

    #[test]
    fn what_is_wrong_for_all_names_none() {
        let wrong = Error::config("training.epochs", "at least 1", 0);
        assert!(said(wrong).starts_with("setting `training.epochs`"));
        let usage = Err::<(), _>(Failure::usage("no", "yes")).context("--nproc 2");
        assert!(said(usage.unwrap_err()).starts_with("--nproc 2"));
    }
}
