//! Which process this is, as whoever launched it says: in the variables that torchrun sets, in
//! those of SLURM's srun, or in the same by hand.

use super::WorldError;

/// One process's place among those that train together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number, from 0 to below `size`.
    pub rank: usize,
    /// How many processes there are, at least 1.
    pub size: usize,
    /// Its number among those of its machine.
    pub local_rank: usize,
    /// How many of them its machine has.
    pub local_size: usize,
    /// Where process 0 can be reached.
    pub host: String,
    /// The port at which the processes meet.
    pub port: u16,
    /// The run's name, which keeps it from others at the same port.
    pub run: String,
    /// The server of the store at which processes meet.
    pub store: StoreServer,
}

/// The server of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreServer {
    /// Process 0, at `port` of `host`.
    First,
    /// Process 0, at a socket that listens already and is its standard input.
    Inherited,
    /// The launcher.
    Launcher,
}

/// The variables by which this program tells its own processes who they are.
pub mod variable {
    /// The process's number.
    pub const RANK: &str = "RANK";
    /// How many there are.
    pub const SIZE: &str = "WORLD_SIZE";
    /// The number among those of a machine.
    pub const LOCAL_RANK: &str = "LOCAL_RANK";
    /// How many a machine has.
    pub const LOCAL_SIZE: &str = "LOCAL_WORLD_SIZE";
    /// Where process 0 is.
    pub const HOST: &str = "MASTER_ADDR";
    /// The port where they meet.
    pub const PORT: &str = "MASTER_PORT";
    /// The run's name.
    pub const RUN: &str = "E2MC_RUN_ID";
    /// Whether this program's own launcher started the process: its process number.
    pub const LAUNCHER: &str = "E2MC_LAUNCHER";
    /// Set where process 0's standard input is the socket that the store is served at.
    pub const SOCKET: &str = "E2MC_STORE_SOCKET";
}

/// The port of torch.distributed, where nobody says another.
const PORT: u16 = 29500;

impl Place {
    /// The place that the environment says; none if it says nothing, or a single process.
    ///
    /// # Errors
    /// Where a variable holds no number, or the numbers contradict each other.
    pub fn from_env() -> Result<Option<Self>, WorldError> {
        Self::from_variables(&|name| std::env::var(name).ok())
    }

    fn from_variables(get: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, WorldError> {
        let number = |name: &'static str| -> Result<Option<usize>, WorldError> {
            get(name)
                .map(|text| {
                    text.trim().parse().map_err(|_| WorldError::Variable {
                        variable: name,
                        expected: "a number of at least 0".into(),
                        found: format!("{text:?}"),
                    })
                })
                .transpose()
        };
        let by_hand = number(variable::SIZE)?;
        let slurm = by_hand.is_none();
        // A batch script has SLURM_NTASKS, too; srun's own processes alone have these.
        let (names, size) = if slurm {
            let names = ["SLURM_PROCID", "SLURM_LOCALID"];
            (names, number("SLURM_STEP_NUM_TASKS")?)
        } else {
            ([variable::RANK, variable::LOCAL_RANK], by_hand)
        };
        let Some(size) = size.filter(|&size| size > 1) else {
            return Ok(None);
        };
        let [rank_name, local_name] = names;
        let Some(rank) = number(rank_name)?.filter(|&rank| rank < size) else {
            return Err(WorldError::Variable {
                variable: rank_name,
                expected: format!("a number from 0 to {} for {size} processes", size - 1),
                found: get(rank_name).map_or("nothing".into(), |text| format!("{text:?}")),
            });
        };
        let local_rank = number(local_name)?.unwrap_or(0);
        let local_size = match slurm {
            false => number(variable::LOCAL_SIZE)?,
            true => get("SLURM_STEP_TASKS_PER_NODE").and_then(|text| leading_number(&text)),
        };
        let host = get(variable::HOST).or_else(|| {
            let nodes = get("SLURM_STEP_NODELIST").filter(|_| slurm)?;
            Some(first_node(&nodes))
        });
        let port = match number(variable::PORT)? {
            Some(port) => u16::try_from(port).map_err(|_| WorldError::Variable {
                variable: variable::PORT,
                expected: "a port below 65536".into(),
                found: port.to_string(),
            })?,
            None if slurm => slurm_port(get),
            None => PORT,
        };
        let of_agent = get("TORCHELASTIC_USE_AGENT_STORE").as_deref() == Some("True");
        let store = match get(variable::SOCKET) {
            Some(_) => StoreServer::Inherited,
            None if of_agent => StoreServer::Launcher,
            None => StoreServer::First,
        };
        Ok(Some(Self {
            rank,
            size,
            local_rank,
            local_size: local_size.unwrap_or(1).max(1),
            host: host.unwrap_or_else(|| "127.0.0.1".into()),
            port,
            run: run_name(get, slurm),
            store,
        }))
    }

    /// Whether this process serves the store.
    pub(super) fn serves(&self) -> bool {
        self.rank == 0 && self.store != StoreServer::Launcher
    }
}

/// What keeps this run's keys from those of another at the same port.
fn run_name(get: &dyn Fn(&str) -> Option<String>, slurm: bool) -> String {
    let join = |names: [&str; 2]| {
        let parts: Vec<String> = names.into_iter().filter_map(get).collect();
        (!parts.is_empty()).then(|| parts.join("."))
    };
    let named = get(variable::RUN)
        .or_else(|| join(["TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"]))
        .or_else(|| {
            slurm
                .then(|| join(["SLURM_JOB_ID", "SLURM_STEP_ID"]))
                .flatten()
        });
    named.unwrap_or_else(|| "run".into())
}

/// A port that the processes of one step agree on without talking: jobs on one machine differ.
fn slurm_port(get: &dyn Fn(&str) -> Option<String>) -> u16 {
    let number = |name| get(name).and_then(|text| text.parse::<u64>().ok());
    let (job, step) = (number("SLURM_JOB_ID"), number("SLURM_STEP_ID"));
    let chosen = (job.unwrap_or(0) * 101 + step.unwrap_or(0)) % 20_000;
    20_000 + chosen as u16
}

fn leading_number(text: &str) -> Option<usize> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The first machine of SLURM's list: `gpu[03-07,09],big1` begins with `gpu03`.
fn first_node(list: &str) -> String {
    let Some((prefix, rest)) = list.split_once('[') else {
        return list.split(',').next().unwrap_or(list).to_owned();
    };
    if let Some((first, _)) = prefix.split_once(',') {
        return first.to_owned();
    }
    let numbers = rest.split_once(']').map_or(rest, |(inside, _)| inside);
    let first = numbers.split([',', '-']).next().unwrap_or_default();
    let after = rest.split_once(']').map_or("", |(_, after)| after);
    let suffix = after.split(',').next().unwrap_or_default();
    format!("{prefix}{first}{suffix}")
}

/// Threads for each of `processes` on this machine: an equal part of the cores, at least 1.
pub fn threads_each(processes: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / processes.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(variables: &[(&str, &str)]) -> Result<Option<Place>, WorldError> {
        Place::from_variables(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_said_or_a_single_process_is_no_place() {
        assert_eq!(place(&[]).unwrap(), None);
        assert_eq!(place(&[("WORLD_SIZE", "1"), ("RANK", "0")]).unwrap(), None);
        // A batch script outside of srun.
        assert_eq!(
            place(&[("SLURM_NTASKS", "4"), ("SLURM_PROCID", "0")]).unwrap(),
            None
        );
    }

    #[test]
    fn torchrun_says_it_all() {
        let place = place(&[
            ("RANK", "5"),
            ("WORLD_SIZE", "16"),
            ("LOCAL_RANK", "1"),
            ("LOCAL_WORLD_SIZE", "4"),
            ("MASTER_ADDR", "10.0.0.1"),
            ("MASTER_PORT", "4321"),
            ("TORCHELASTIC_RUN_ID", "none"),
            ("TORCHELASTIC_RESTART_COUNT", "2"),
            ("TORCHELASTIC_USE_AGENT_STORE", "True"),
        ]);
        let place = place.unwrap().unwrap();
        assert_eq!((place.rank, place.size), (5, 16));
        assert_eq!((place.local_rank, place.local_size), (1, 4));
        assert_eq!((&*place.host, place.port), ("10.0.0.1", 4321));
        assert_eq!(place.run, "none.2");
        assert_eq!(place.store, StoreServer::Launcher);
        assert!(!place.serves());
    }

    #[test]
    fn slurm_says_it_all() {
        let place = place(&[
            ("SLURM_PROCID", "0"),
            ("SLURM_STEP_NUM_TASKS", "6"),
            ("SLURM_LOCALID", "0"),
            ("SLURM_STEP_TASKS_PER_NODE", "2(x3)"),
            ("SLURM_STEP_NODELIST", "gpu[03-05]"),
            ("SLURM_JOB_ID", "1234"),
            ("SLURM_STEP_ID", "0"),
        ]);
        let place = place.unwrap().unwrap();
        assert_eq!((place.rank, place.size, place.local_size), (0, 6, 2));
        assert_eq!((&*place.host, &*place.run), ("gpu03", "1234.0"));
        assert!(place.port >= 20_000 && place.serves());
    }

    #[test]
    fn a_rank_beyond_the_world_or_missing_is_refused_by_name() {
        let error = place(&[("RANK", "2"), ("WORLD_SIZE", "2")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the variable RANK: expected a number from 0 to 1 for 2 processes, found \"2\""
        );
        let error = place(&[("WORLD_SIZE", "2")]).unwrap_err().to_string();
        assert!(error.ends_with("found nothing"), "{error}");
        let error = place(&[("WORLD_SIZE", "two")]).unwrap_err().to_string();
        assert!(error.contains("WORLD_SIZE"), "{error}");
    }

    #[test]
    fn the_first_machine_of_a_list_is_found() {
        for (list, first) in [
            ("node7", "node7"),
            ("a1,a2", "a1"),
            ("gpu[03-07,09],big1", "gpu03"),
            ("gpu[1,4]-ib", "gpu1-ib"),
            ("one,gpu[1-2]", "one"),
        ] {
            assert_eq!(first_node(list), first, "{list}");
        }
    }
}
