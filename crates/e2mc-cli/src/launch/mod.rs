//! From `e2mc` to `e2mc-engine`: the program that has a network takes over with the same arguments.
//!
//! The engine is looked for beside `e2mc`, then at `E2MC_ENGINE`. What libtorch reads when it is
//! loaded is set before. On Unix the engine replaces this process, so that signals, exit codes
//! and output are those of one program.

mod environment;
mod libtorch;
mod pytorch;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use e2mc_base::{affinity, cgroup};

use crate::failure::Failure;
use libtorch::Libtorch;

/// Where else the engine may be.
const ENGINE: &str = "E2MC_ENGINE";

/// Does what was typed with the engine, on `device` if one was named. On Unix this returns only
/// where the engine cannot be started.
///
/// # Errors
/// Where there is no engine, or no libtorch for it.
pub fn engine(device: Option<&str>) -> Result<ExitCode> {
    let engine = find()?;
    let libtorch = Libtorch::find(&engine)?;
    let mut command = Command::new(&engine);
    command.args(env::args_os().skip(1));
    let cuda = device.is_some_and(|device| device.starts_with("cuda"));
    let has: Vec<String> = env::vars_os()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    // A GPU computes, and the threads beside it prepare images.
    let owns = !libtorch.has_cuda() && affinity::has_all_processors();
    command.envs(environment::openmp(&has, cgroup::threads(), owns));
    command.envs(libtorch.environment(|name| env::var_os(name), cuda));
    if !libtorch.is_found() && !starts(&command) {
        return Err(Failure::new(
            format!(
                "{} finds no libtorch: {}",
                engine.display(),
                libtorch.lack()
            ),
            format!(
                "run `pip install 'torch=={}.*'` in its environment (from source: `make build`), \
                 or set E2MC_LIBTORCH to a folder with libtorch's lib/",
                pytorch::SERIES
            ),
        ));
    }
    execute(command).with_context(|| format!("cannot start {}", engine.display()))
}

/// The engine: beside this program, links followed, or where `E2MC_ENGINE` says.
fn find() -> Result<PathBuf> {
    let name = format!("e2mc-engine{}", env::consts::EXE_SUFFIX);
    let own = env::current_exe().and_then(|path| path.canonicalize());
    let own = own.context("cannot tell where this program is")?;
    let beside = own.with_file_name(name);
    let named = env::var_os(ENGINE).map(PathBuf::from);
    let places = [Some(&beside), named.as_ref()].into_iter().flatten();
    let mut engines = places.filter(|path| path.is_file());
    engines.next().cloned().ok_or_else(|| {
        let named = named.as_ref().map_or_else(
            || format!("{ENGINE} is not set"),
            |path| format!("{ENGINE} is {}", path.display()),
        );
        Failure::new(
            format!("{} is missing, and {named}", beside.display()),
            "what needs a network is done by that program: run `pip install \"e2mc[train]\"`, or \
             from source `make build`, which makes both",
        )
    })
}

/// Whether the engine can be loaded: asked only where libtorch is not where it is expected.
fn starts(command: &Command) -> bool {
    let mut probe = Command::new(command.get_program());
    let set = command.get_envs();
    probe.envs(set.filter_map(|(name, value)| Some((name, value?))));
    probe.arg("--version").stdin(Stdio::null());
    let ended = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
    ended.is_ok_and(|status| status.success())
}

/// Becomes the command, under the name that was typed.
#[cfg(unix)]
fn execute(mut command: Command) -> std::io::Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    if let Some(name) = env::args_os().next() {
        command.arg0(name);
    }
    Err(command.exec())
}

/// Runs the command and gives its exit code.
#[cfg(not(unix))]
fn execute(mut command: Command) -> std::io::Result<ExitCode> {
    let code = command.status()?.code().unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// `first` before what a list of paths held.
fn before(first: &Path, list: Option<OsString>) -> OsString {
    let mut all = first.as_os_str().to_owned();
    if let Some(rest) = list.filter(|rest| !rest.is_empty()) {
        all.push(":");
        all.push(rest);
    }
    all
}
