//! What can go wrong between processes, each with who is meant.

use crate::advice::Advice;

/// An error of the processes that train together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// A variable of the environment that says who takes part does not hold what it should.
    #[error("the variable {variable}: expected {expected}, found {found}")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// What would be valid.
        expected: String,
        /// What was there.
        found: String,
    },
    /// The port that the processes are to meet at cannot be listened at.
    #[error("process 0 cannot listen on {host}:{port}: {found}")]
    Port {
        /// Where they are to meet.
        host: String,
        /// The port.
        port: u16,
        /// What the system said.
        found: String,
    },
    /// Nothing listens at the meeting place, or something other than a run of this program.
    #[error("process {rank} found no run at {host}:{port}: {found}")]
    NoStore {
        /// The process that looked for it.
        rank: usize,
        /// Where they are to meet.
        host: String,
        /// The port.
        port: u16,
        /// What was found there.
        found: String,
    },
    /// A process of the same number has joined the run before.
    #[error("the run at {host}:{port} has a process {rank} already, and this is another")]
    Taken {
        /// The number.
        rank: usize,
        /// Where they meet.
        host: String,
        /// The port.
        port: u16,
    },
    /// Processes did not come.
    #[error(
        "{} of {size} did not join the run at {host}:{port} within {seconds} s",
        processes(ranks)
    )]
    Missing {
        /// The processes that did not.
        ranks: Vec<usize>,
        /// How many there should be.
        size: usize,
        /// Where they were to meet.
        host: String,
        /// The port.
        port: u16,
        /// How long they were waited for.
        seconds: u64,
    },
    /// A process cannot tell which program it runs.
    #[error("process {rank} cannot read the file of its own program: {found}")]
    Program {
        /// The process.
        rank: usize,
        /// What the system said.
        found: String,
    },
    /// A process is about something else than the others.
    #[error("process {rank} has another {what} than process 0: expected {expected}, found {found}")]
    Other {
        /// The process that differs.
        rank: usize,
        /// What differs.
        what: String,
        /// Process 0's.
        expected: String,
        /// The process's.
        found: String,
    },
    /// A process has failed and said why.
    #[error("process {rank} failed: {message}")]
    Failed {
        /// Which.
        rank: usize,
        /// Its error.
        message: String,
    },
    /// Processes were killed, stopped, or cut off.
    #[error(
        "{} of {size} no longer answer{}, while {doing}",
        processes(ranks),
        singular(ranks)
    )]
    Lost {
        /// Which.
        ranks: Vec<usize>,
        /// How many there are.
        size: usize,
        /// What was being done.
        doing: &'static str,
    },
    /// The exchange failed though all processes live.
    #[error("process {rank} failed while {doing}: {message}")]
    Exchange {
        /// The process that noticed.
        rank: usize,
        /// What was being done.
        doing: &'static str,
        /// What libtorch said.
        message: String,
    },
    /// Several GPUs were asked of a program that was built without NCCL.
    #[error("this program was built without NCCL, which {size} processes on CUDA devices need")]
    NoNccl {
        /// How many processes there are.
        size: usize,
    },
}

/// `process 1`, or `processes 1, 3`.
fn processes(ranks: &[usize]) -> String {
    match ranks {
        [rank] => format!("process {rank}"),
        _ => {
            let ranks: Vec<String> = ranks.iter().map(ToString::to_string).collect();
            format!("processes {}", ranks.join(", "))
        }
    }
}

fn singular(ranks: &[usize]) -> &'static str {
    if ranks.len() == 1 { "s" } else { "" }
}

impl WorldError {
    /// Whether the cause is another process, which says so itself where it can.
    pub fn is_of_another(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Lost { .. })
    }

    /// What the user can do about it.
    pub fn advice(&self) -> Option<Advice> {
        let words = match self {
            Self::Variable { .. } => "correct it, or let the launcher set it",
            Self::Port { .. } => "choose another MASTER_PORT, or end the program that uses it",
            Self::NoStore { .. } => {
                "give all processes the same MASTER_ADDR and MASTER_PORT, on which process 0 can \
                 listen"
            }
            Self::Taken { .. } => {
                "give each process a RANK of its own, and each run a MASTER_PORT or E2MC_RUN_ID of \
                 its own"
            }
            Self::Missing { .. } => {
                "start all processes, with the same address, port, number of processes and run"
            }
            Self::Program { .. } => "give the program's file the permission to be read",
            Self::Other { .. } => {
                "start all processes with the same arguments and data, and the same build of the \
                 program"
            }
            Self::Lost { .. } => {
                "check that process's machine and memory, then run the command again or resume the \
                 run"
            }
            Self::NoNccl { .. } => "build with a CUDA libtorch and its headers: `make gpu`",
            Self::Failed { .. } | Self::Exchange { .. } => return None,
        };
        Some(Advice::words(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_processes_and_agree_with_their_number() {
        let lost = |ranks: &[usize]| {
            let (ranks, size, doing) = (ranks.to_vec(), 4, "summing gradients");
            WorldError::Lost { ranks, size, doing }.to_string()
        };
        assert_eq!(
            lost(&[2]),
            "process 2 of 4 no longer answers, while summing gradients"
        );
        assert_eq!(
            lost(&[1, 3]),
            "processes 1, 3 of 4 no longer answer, while summing gradients"
        );
    }
}
