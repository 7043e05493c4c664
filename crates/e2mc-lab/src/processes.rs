//! Several processes of this program on one machine, started by one command.
//!
//! Each gets the command's own arguments, and learns from its environment who it is
//! ([`e2mc_train::world::Place`]). They meet at a port that the system chose and that is open
//! before the first of them starts, on loopback. They are process groups of their own: signals of a
//! terminal reach the launcher alone, which passes the wish to end on to process 0. The others
//! learn it from that one.

use std::net::TcpListener;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt, parent_id};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use e2mc_base::stop::{Phase, Stop};
use e2mc_base::{affinity, unfinished};
use e2mc_train::world::{threads_each, variable};

use crate::error::ProcessError;

/// How long the others may take to see why one has failed, and to say so.
const GRACE: Duration = Duration::from_secs(20);
/// How often the launcher looks.
const LOOK: Duration = Duration::from_millis(20);

/// The exit code of a process that was asked to end, and left a state that can go on.
const STOPPED_EARLY: u8 = 3;

/// Starts this program `size` times with its own arguments, and waits for all. Returns the exit
/// code of all.
///
/// # Errors
/// Where one cannot be started, or process 0, which speaks for all, did not end by itself.
pub fn launch(size: usize, stop: &Stop) -> Result<u8, ProcessError> {
    let _heeding = stop.enter(Phase::Heeding);
    let listener = TcpListener::bind("127.0.0.1:0").map_err(ProcessError::Listen)?;
    let port = listener.local_addr().map_err(ProcessError::Listen)?.port();
    let mut socket = Some(OwnedFd::from(listener));
    let run = format!("local.{}.{port}", std::process::id());
    let mut children = Children::default();
    for rank in 0..size {
        let mut start = || -> std::io::Result<Child> {
            let mut command = Command::new(std::env::current_exe()?);
            command
                .args(std::env::args_os().skip(1))
                .envs(place(rank, size, port))
                .env(variable::RUN, &run)
                .envs(threads(size))
                .process_group(0)
                .stdin(Stdio::null());
            // All would be bound to the same first cores.
            for name in affinity::bound_by_program() {
                command.env_remove(name);
            }
            match socket.take() {
                Some(socket) => command.env(variable::SOCKET, "0").stdin(socket),
                None => command.env_remove(variable::SOCKET).stdout(Stdio::null()),
            };
            command.spawn()
        };
        let child = start().map_err(|source| ProcessError::Start { rank, size, source })?;
        children.all.push((child, None));
    }
    let (mut asked, mut over) = (false, None);
    while children.look() {
        if stop.is_requested() && !asked {
            asked = true;
            children.send(0..1, libc::SIGTERM);
        }
        if over.is_none() && children.is_over() {
            over = Some(Instant::now());
        }
        if over.is_some_and(|since| since.elapsed() > GRACE) {
            children.send(0..size, libc::SIGKILL);
        } else if over.is_some() {
            children.kill_stopped();
        }
        std::thread::sleep(LOOK);
    }
    children.outcome(asked)
}

/// Ends this process where the launcher that started it is gone. Does nothing for one that no
/// launcher of this program started.
pub fn follow_launcher() {
    let Some(launcher) = launcher() else {
        return;
    };
    let watch = move || {
        while parent_id() == launcher {
            std::thread::sleep(Duration::from_millis(500));
        }
        // Other threads are at work: nothing of theirs is waited for or dropped.
        let _all = unfinished::remove_all();
        // SAFETY: ends the process, whatever its threads do.
        unsafe { libc::_exit(1) }
    };
    // Without the thread a launcher that is killed leaves its processes behind, and nothing else.
    let _ = std::thread::Builder::new()
        .name("launcher".into())
        .spawn(watch);
}

/// The launcher of this program that started this process, if one did.
pub fn launcher() -> Option<u32> {
    std::env::var(variable::LAUNCHER).ok()?.parse().ok()
}

/// The environment variables that give a process its rank.
fn place(rank: usize, size: usize, port: u16) -> [(&'static str, String); 7] {
    [
        (variable::RANK, rank.to_string()),
        (variable::SIZE, size.to_string()),
        (variable::LOCAL_RANK, rank.to_string()),
        (variable::LOCAL_SIZE, size.to_string()),
        (variable::HOST, "127.0.0.1".into()),
        (variable::PORT, port.to_string()),
        (variable::LAUNCHER, std::process::id().to_string()),
    ]
}

/// The threads of each process: its part of the cores, or fewer where the user says so.
fn threads(size: usize) -> [(&'static str, String); 2] {
    let each = threads_each(size);
    ["OMP_NUM_THREADS", "RAYON_NUM_THREADS"].map(|name| {
        let set = std::env::var(name).ok().and_then(|text| text.parse().ok());
        (name, set.unwrap_or(each).min(each).to_string())
    })
}

/// The processes, and how those ended that did. None outlives it.
#[derive(Default)]
struct Children {
    all: Vec<(Child, Option<ExitStatus>)>,
    /// The first that was seen to have failed.
    first: Option<usize>,
}

impl Children {
    /// Notes who has ended; whether any still runs.
    fn look(&mut self) -> bool {
        let mut running = false;
        for (child, status) in &mut self.all {
            if status.is_none() {
                *status = child.try_wait().ok().flatten();
                running |= status.is_none();
            }
        }
        self.first = self.first.or_else(|| self.failed());
        running
    }

    /// The first that ended otherwise than by finishing or by saving its state.
    fn failed(&self) -> Option<usize> {
        let bad = |status: ExitStatus| {
            !matches!(status.code(), Some(0)) && status.code() != Some(STOPPED_EARLY.into())
        };
        self.all
            .iter()
            .position(|(_, status)| status.is_some_and(bad))
    }

    /// Whether one has failed, or process 0 has ended, which the others soon see.
    fn is_over(&self) -> bool {
        self.failed().is_some() || self.all[0].1.is_some()
    }

    fn send(&self, ranks: Range<usize>, signal: i32) {
        for (child, status) in &self.all[ranks] {
            if status.is_none() {
                // SAFETY: the process is a child that has not been waited for, so the number is its
                // own.
                unsafe { libc::kill(child.id() as libc::pid_t, signal) };
            }
        }
    }

    /// Ends those that a signal has stopped: they would say nothing however long they are given.
    fn kill_stopped(&self) {
        for rank in 0..self.all.len() {
            let (child, status) = &self.all[rank];
            if status.is_none() && is_stopped(child.id()) {
                self.send(rank..rank + 1, libc::SIGKILL);
            }
        }
    }

    /// The code of process 0, which has said why where it is not good. Where that one was `asked` to end
    /// and did, the others had no say. Where it was killed it may have waited for one that was killed before.
    fn outcome(&self, asked: bool) -> Result<u8, ProcessError> {
        let status = |rank: usize| self.all[rank].1;
        let code = status(0).and_then(|status| status.code());
        let by_signal =
            |rank: &usize| status(*rank).is_some_and(|status| status.signal().is_some());
        let code = code.map(|code| u8::try_from(code).unwrap_or(1));
        let ended = |rank: usize| ProcessError::Ended {
            rank,
            size: self.all.len(),
            how: status(rank).map_or("is gone".into(), words),
        };
        match (code, self.failed()) {
            (None, _) => Err(ended(self.first.filter(by_signal).unwrap_or(0))),
            (Some(STOPPED_EARLY), _) if asked => Ok(STOPPED_EARLY),
            (Some(0 | STOPPED_EARLY), Some(rank)) => Err(ended(rank)),
            (Some(code), _) => Ok(code),
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.send(0..self.all.len(), libc::SIGKILL);
        for (child, _) in &mut self.all {
            let _ = child.wait();
        }
    }
}

/// Whether a signal has stopped a process; false where the system does not say.
fn is_stopped(process: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat"));
    // The state follows the program's name, which stands in parentheses and may hold some.
    state.is_ok_and(|text| {
        let rest = text.rsplit_once(") ");
        rest.is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

fn words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (_, Some(libc::SIGKILL)) => {
            "was killed: by the system for want of memory, by a person, or because it no longer \
             answered"
                .into()
        }
        (_, Some(signal)) => format!("was ended by signal {signal}"),
        (Some(code), _) => format!("ended with exit code {code}"),
        _ => "ended".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(codes: &[i32]) -> Result<u8, ProcessError> {
        outcome(codes, false)
    }

    fn outcome(codes: &[i32], asked: bool) -> Result<u8, ProcessError> {
        children(codes).outcome(asked)
    }

    fn children(codes: &[i32]) -> Children {
        let ended = codes.iter().map(|&code| {
            let child = Command::new("true").spawn().unwrap();
            (child, Some(ExitStatus::from_raw(code)))
        });
        Children {
            all: ended.collect(),
            first: None,
        }
    }

    #[test]
    fn process_0_speaks_for_all_unless_it_cannot() {
        // As wait(2) has them: exit codes in the second byte, signals in the first.
        assert_eq!(ended(&[0, 0]).unwrap(), 0);
        assert_eq!(ended(&[3 << 8, 3 << 8]).unwrap(), 3);
        assert_eq!(ended(&[1 << 8, 9]).unwrap(), 1);
        let killed = ended(&[9, 1 << 8]).unwrap_err().to_string();
        assert!(killed.starts_with("process 0 of 2 was killed"), "{killed}");
        let other = ended(&[0, 6]).unwrap_err().to_string();
        assert_eq!(other, "process 1 of 2 was ended by signal 6");
        assert_eq!(outcome(&[3 << 8, 1 << 8], true).unwrap(), 3);
        assert!(outcome(&[3 << 8, 1 << 8], false).is_err());
    }

    #[test]
    fn of_those_that_were_killed_the_first_is_named() {
        let first = |codes: &[i32], first| {
            let mut ended = children(codes);
            ended.first = first;
            ended.outcome(false).unwrap_err().to_string()
        };
        assert!(first(&[9, 9], Some(1)).starts_with("process 1 of 2 was killed"));
        assert!(first(&[9, 9], Some(0)).starts_with("process 0 of 2 was killed"));
        // One that gave up waiting for process 0 is not the cause.
        assert!(first(&[9, 1 << 8], Some(1)).starts_with("process 0 of 2 was killed"));
    }
}
