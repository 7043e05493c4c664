//! One of several processes: how it joins the others, knows that they live, and tells why it ends.
//!
//! The processes meet at a store of texts by key (c10d's `TCPStore`) and exchange tensors in a
//! group (Gloo on the CPU, NCCL on GPUs). A group's operation fails at once where a process has
//! died, and after the timeout where one hangs; it does not say which, nor why. The store does:
//! each process counts a number up there while it lives, and leaves its error there when it fails.

use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

use super::patient::PatientStore;
use super::program::Program;
use super::raw::{Group, Message, Store};
use super::{Place, StoreServer, WorldError};

/// How often a process says that it lives.
const BEAT: Duration = Duration::from_millis(500);
/// How long silence must last until a process counts as lost, once an exchange has failed.
const SILENCE: Duration = Duration::from_secs(3);
/// How long a process that serves the store and fails waits for the others to read why.
const FAREWELL: Duration = Duration::from_secs(5);

/// A process that has joined others.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) place: Place,
    timeout: Duration,
    store: Arc<PatientStore>,
    /// Gone once this process has failed.
    group: RwLock<Option<Group>>,
    /// Processes that are known to be lost.
    lost: Mutex<Vec<usize>>,
    /// Numbers the things that are agreed on in the store; all processes count alike.
    agreed: AtomicU64,
    /// Ends the beats when dropped.
    beats: Option<(Sender<()>, JoinHandle<()>)>,
}

/// Keys of the store.
mod key {
    /// How many processes have come with this number.
    pub(super) fn came(rank: usize) -> String {
        format!("came/{rank}")
    }
    pub(super) fn joined(rank: usize) -> String {
        format!("joined/{rank}")
    }
    pub(super) fn beat(rank: usize) -> String {
        format!("beat/{rank}")
    }
    /// Why a process failed by itself.
    pub(super) fn failed(rank: usize) -> String {
        format!("failed/{rank}")
    }
    /// A process knows that the run has failed, by another's doing.
    pub(super) fn left(rank: usize) -> String {
        format!("left/{rank}")
    }
    pub(super) fn done(rank: usize) -> String {
        format!("done/{rank}")
    }
    pub(super) fn fact(number: u64, rank: usize) -> String {
        format!("fact/{number}/{rank}")
    }
}

impl Member {
    /// Joins the others, for groups on `cuda` devices too if asked.
    pub(super) fn join(place: Place, cuda: bool, timeout: Duration) -> Result<Self, WorldError> {
        if cuda && !super::raw::has_nccl() {
            return Err(WorldError::NoNccl { size: place.size });
        }
        let program = Program::own().map_err(|error| WorldError::Program {
            rank: place.rank,
            found: error.to_string(),
        })?;
        let listener = listener(&place)?;
        let no_store = |found| WorldError::NoStore {
            rank: place.rank,
            host: place.host.clone(),
            port: place.port,
            found,
        };
        let store = store(&place, listener, timeout)
            .and_then(|store| PatientStore::new(store, timeout))
            .map_err(no_store)?;
        // Before this process leaves anything in the store: it would be taken for the other's.
        if store.count(&key::came(place.rank)).map_err(no_store)? > 1 {
            return Err(WorldError::Taken {
                rank: place.rank,
                host: place.host.clone(),
                port: place.port,
            });
        }
        let store = Arc::new(store);
        let beats = beats(store.clone(), place.rank).map_err(no_store)?;
        let mut member = Self {
            timeout,
            store,
            group: RwLock::new(None),
            lost: Mutex::default(),
            agreed: AtomicU64::new(0),
            beats: Some(beats),
            place,
        };
        if let Err(error) = member.meet(&program) {
            // The server of the store stays until the others know, too.
            member.fail(&error.to_string(), false);
            return Err(error);
        }
        let interface = std::env::var("GLOO_SOCKET_IFNAME").ok();
        let address = own_address(&member.place).to_string();
        let Place { rank, size, .. } = member.place;
        let group = Group::join(
            member.store.inner(),
            (rank, size),
            member.place.local_size == size,
            interface.as_deref(),
            &address,
            cuda,
            timeout,
        );
        let group = group.map_err(|message| {
            let error = member.diagnose("connecting", message);
            member.fail(&error.to_string(), error.is_of_another());
            error
        })?;
        member.group = RwLock::new(Some(group));
        Ok(member)
    }

    /// Waits for all others and compares what must be alike from the start. Each process compares
    /// all of them, so that none waits for those that have found a difference.
    fn meet(&self, program: &Program) -> Result<(), WorldError> {
        let Place { rank, size, .. } = self.place;
        let Program { build, libtorch } = program;
        let own = format!("{build}\n{size}\n{libtorch}");
        self.set(&key::joined(rank), &own)?;
        let since = Instant::now();
        let mut joined = vec![None; size];
        joined[rank] = Some(own);
        let mut pause = Pause::new();
        loop {
            for (other, theirs) in joined.iter_mut().enumerate() {
                if theirs.is_none() {
                    *theirs = self.get(&key::joined(other))?;
                }
            }
            if let Some(first) = &joined[0] {
                for (other, theirs) in joined.iter().enumerate() {
                    if let Some(theirs) = theirs {
                        compare_programs(first, theirs, other)?;
                    }
                }
            }
            let missing: Vec<usize> = (0..size).filter(|&other| joined[other].is_none()).collect();
            if missing.is_empty() {
                return Ok(());
            }
            if since.elapsed() > self.timeout {
                return Err(WorldError::Missing {
                    ranks: missing,
                    size,
                    host: self.place.host.clone(),
                    port: self.place.port,
                    seconds: self.timeout.as_secs(),
                });
            }
            self.fail_as_others()?;
            pause.wait();
        }
    }

    /// Does something with the group, as all processes do.
    pub(super) fn together<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Group) -> Result<T, Message>,
    ) -> Result<T, WorldError> {
        let group = self.group.read().unwrap_or_else(PoisonError::into_inner);
        let result = match &*group {
            Some(group) => work(group),
            None => Err("this process has left the run".into()),
        };
        drop(group);
        result.map_err(|message| self.diagnose(doing, message))
    }

    /// What each process says, by rank.
    pub(super) fn all(&self, own: &str) -> Result<Vec<String>, WorldError> {
        let number = self.agreed.fetch_add(1, Ordering::Relaxed);
        self.set(&key::fact(number, self.place.rank), own)?;
        (0..self.place.size)
            .map(|rank| self.wait_for(&key::fact(number, rank), rank))
            .collect()
    }

    /// Compares each named text with process 0's; every process finds the same.
    pub(super) fn same(&self, facts: &[(&str, String)]) -> Result<(), WorldError> {
        let own: Vec<&str> = facts.iter().map(|(_, text)| text.as_str()).collect();
        // No text holds the character that parts them.
        let all = self.all(&own.join("\u{1f}"))?;
        let first: Vec<&str> = all[0].split('\u{1f}').collect();
        for (rank, theirs) in all.iter().enumerate().skip(1) {
            let theirs = theirs.split('\u{1f}');
            for (((what, _), expected), found) in facts.iter().zip(&first).zip(theirs) {
                if *expected != found {
                    let (expected, found) = first_difference(expected, found);
                    return Err(WorldError::Other {
                        rank,
                        what: (*what).to_owned(),
                        expected,
                        found,
                    });
                }
            }
        }
        Ok(())
    }

    /// What process 0 says, however long it works before, while it lives.
    pub(super) fn of_first(&self, own: String) -> Result<String, WorldError> {
        let number = self.agreed.fetch_add(1, Ordering::Relaxed);
        let key = key::fact(number, 0);
        if self.place.rank == 0 {
            self.set(&key, &own)?;
            return Ok(own);
        }
        self.wait_for(&key, 0)
    }

    /// Waits for what process `rank` is to set, while it lives.
    fn wait_for(&self, key: &str, rank: usize) -> Result<String, WorldError> {
        let mut life = Life::of(rank);
        let mut pause = Pause::new();
        loop {
            if let Some(text) = self.get(key)? {
                return Ok(text);
            }
            if let Err(error) = self.fail_as_others() {
                // The text may have come between the two looks. Then this process finds by itself
                // what made the other one fail, and says it in its own words.
                return self.get(key).ok().flatten().ok_or(error);
            }
            life.look(self)?;
            if life.silent() > self.timeout.max(SILENCE) {
                return Err(self.lost(vec![rank], "waiting for it"));
            }
            pause.wait();
        }
    }

    /// An error if another process has failed.
    fn fail_as_others(&self) -> Result<(), WorldError> {
        for rank in (0..self.place.size).filter(|&rank| rank != self.place.rank) {
            if let Some(message) = self.get(&key::failed(rank))? {
                return Err(WorldError::Failed { rank, message });
            }
        }
        Ok(())
    }

    /// Why the group failed: who is lost, or what another process says.
    pub(super) fn diagnose(&self, doing: &'static str, message: Message) -> WorldError {
        self.store.wait_at_most(SILENCE.min(self.timeout));
        match self.look_around(doing) {
            Err(error) => error,
            Ok(()) => WorldError::Exchange {
                rank: self.place.rank,
                doing,
                message: message.lines().next().unwrap_or_default().to_owned(),
            },
        }
    }

    fn look_around(&self, doing: &'static str) -> Result<(), WorldError> {
        let Place { rank, size, .. } = self.place;
        let mut others: Vec<Life> = (0..size)
            .filter(|&other| other != rank)
            .map(Life::of)
            .collect();
        let since = Instant::now();
        while since.elapsed() < SILENCE + BEAT && !others.is_empty() {
            self.fail_as_others()?;
            let mut unsure = Vec::new();
            for mut life in others {
                if self.get(&key::left(life.rank))?.is_none() && !life.look(self)? {
                    unsure.push(life);
                }
            }
            others = unsure;
            sleep(Duration::from_millis(50));
        }
        // Those that live may have an error of their own to tell, a moment later than this one.
        self.fail_as_others()?;
        if others.is_empty() {
            return Ok(());
        }
        Err(self.lost(others.iter().map(|life| life.rank).collect(), doing))
    }

    fn lost(&self, ranks: Vec<usize>, doing: &'static str) -> WorldError {
        self.known_lost().extend(&ranks);
        WorldError::Lost {
            ranks,
            size: self.place.size,
            doing,
        }
    }

    fn known_lost(&self) -> MutexGuard<'_, Vec<usize>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves `message` for the others and cuts the connections, so that they look for it.
    pub(super) fn fail(&self, message: &str, by_another: bool) {
        let Place { rank, size, .. } = self.place;
        let key = match by_another {
            true => key::left(rank),
            false => key::failed(rank),
        };
        let told = self.store.set(&key, message).is_ok();
        let group = self
            .group
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Closing may wait for an operation that hangs; nobody waits for that.
        let _ = Builder::new().spawn(move || drop(group));
        if !told || !self.place.serves() {
            return;
        }
        let since = Instant::now();
        let knows = |rank| {
            let keys = [key::failed(rank), key::left(rank), key::done(rank)];
            keys.iter()
                .any(|key| matches!(self.store.get(key), Ok(Some(_))))
        };
        let lost = self.known_lost().clone();
        let mut others: Vec<usize> = (1..size).filter(|rank| !lost.contains(rank)).collect();
        while since.elapsed() < FAREWELL && !others.is_empty() {
            others.retain(|&rank| !knows(rank));
            sleep(Duration::from_millis(50));
        }
    }

    /// Ends the run in good order: whoever serves the store waits until nobody needs it.
    pub(super) fn leave(&self) -> Result<(), WorldError> {
        self.set(&key::done(self.place.rank), "")?;
        if self.place.serves() {
            for rank in 1..self.place.size {
                self.wait_for(&key::done(rank), rank)?;
            }
        }
        Ok(())
    }

    fn set(&self, key: &str, value: &str) -> Result<(), WorldError> {
        let set = self.store.set(key, value);
        set.map_err(|message| self.without_store(&message))
    }

    fn get(&self, key: &str) -> Result<Option<String>, WorldError> {
        let got = self.store.get(key);
        got.map_err(|message| self.without_store(&message))
    }

    /// The store answers as long as whoever serves it lives.
    fn without_store(&self, message: &str) -> WorldError {
        match self.place.store {
            StoreServer::Launcher => WorldError::Exchange {
                rank: self.place.rank,
                doing: "asking the launcher's store",
                message: message.lines().next().unwrap_or_default().to_owned(),
            },
            _ => self.lost(vec![0], "asking its store"),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.beats.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

/// What is seen of another process.
struct Life {
    rank: usize,
    beat: Option<String>,
    since: Instant,
}

impl Life {
    fn of(rank: usize) -> Self {
        Self {
            rank,
            beat: None,
            since: Instant::now(),
        }
    }

    /// Whether the process has counted on since the first look.
    fn look(&mut self, member: &Member) -> Result<bool, WorldError> {
        let beat = member.get(&key::beat(self.rank))?;
        let first = self.beat.is_none();
        let moved = beat != self.beat;
        if moved {
            self.beat = beat;
            self.since = Instant::now();
        }
        Ok(moved && !first)
    }

    /// How long it has not counted on.
    fn silent(&self) -> Duration {
        self.since.elapsed()
    }
}

/// Longer and longer pauses, so that many processes do not ask the store all the time.
struct Pause(Duration);

impl Pause {
    fn new() -> Self {
        Self(Duration::from_millis(2))
    }

    fn wait(&mut self) {
        sleep(self.0);
        self.0 = (self.0 * 2).min(Duration::from_millis(100));
    }
}

/// Counts up in the store until the other end of the channel is dropped.
fn beats(store: Arc<PatientStore>, rank: usize) -> Result<(Sender<()>, JoinHandle<()>), Message> {
    let key = key::beat(rank);
    store.set(&key, "0")?;
    let (stop, stopped) = mpsc::channel();
    let count = move || {
        for beat in 1_u64.. {
            match stopped.recv_timeout(BEAT) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return,
            }
            if store.set(&key, &beat.to_string()).is_err() {
                return;
            }
        }
    };
    let thread = Builder::new().name("beats".into()).spawn(count);
    let thread = thread.map_err(|error| error.to_string())?;
    Ok((stop, thread))
}

/// The socket that this process serves the store at, if it does: on loopback where all processes
/// are on this machine.
fn listener(place: &Place) -> Result<Option<OwnedFd>, WorldError> {
    if !place.serves() {
        return Ok(None);
    }
    let failed = |found: std::io::Error| WorldError::Port {
        host: place.host.clone(),
        port: place.port,
        found: found.to_string(),
    };
    if place.store == StoreServer::Inherited {
        // SAFETY: the launcher made standard input this socket, and nothing else here reads it.
        return Ok(Some(unsafe { OwnedFd::from_raw_fd(0) }));
    }
    let address = resolve(place).map_err(failed)?;
    let any: IpAddr = match address {
        _ if address.ip().is_loopback() => address.ip(),
        SocketAddr::V4(_) => [0; 4].into(),
        SocketAddr::V6(_) => [0_u16; 8].into(),
    };
    let listener = TcpListener::bind((any, place.port)).map_err(failed)?;
    Ok(Some(listener.into()))
}

fn resolve(place: &Place) -> std::io::Result<SocketAddr> {
    let addresses = (place.host.as_str(), place.port).to_socket_addrs()?;
    let mut addresses: Vec<SocketAddr> = addresses.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let first = addresses.into_iter().next();
    first.ok_or_else(|| std::io::Error::other("the name has no address"))
}

/// The address by which this machine reaches process 0, and the others reach it.
fn own_address(place: &Place) -> IpAddr {
    let address = || -> std::io::Result<IpAddr> {
        let to = resolve(place)?;
        let any: IpAddr = match to {
            SocketAddr::V4(_) => [0; 4].into(),
            SocketAddr::V6(_) => [0_u16; 8].into(),
        };
        // Nothing is sent: the system only says which way it would go.
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(to)?;
        Ok(socket.local_addr()?.ip())
    };
    address().unwrap_or([127, 0, 0, 1].into())
}

/// Joins the store, and does not wait for ever for something else at that port.
fn store(place: &Place, listener: Option<OwnedFd>, timeout: Duration) -> Result<Store, Message> {
    let (send, receive) = mpsc::channel();
    let (host, port, prefix) = (
        place.host.clone(),
        place.port,
        format!("e2mc/{}", place.run),
    );
    let join = move || {
        let _ = send.send(Store::join(&host, port, listener, &prefix, timeout));
    };
    let spawned = Builder::new().name("store".into()).spawn(join);
    spawned.map_err(|error| error.to_string())?;
    match receive.recv_timeout(timeout + Duration::from_secs(1)) {
        Ok(joined) => joined.map_err(|message| message.lines().next().unwrap_or_default().into()),
        Err(_) => Err(format!("no answer within {} s", timeout.as_secs())),
    }
}

/// Compares build, number of processes and libtorch, each on a line of its own.
fn compare_programs(first: &str, found: &str, rank: usize) -> Result<(), WorldError> {
    const WHAT: [&str; 3] = [
        "build of the program",
        "number of processes",
        "version of libtorch",
    ];
    let pairs = first.lines().zip(found.lines());
    for (what, (expected, found)) in WHAT.into_iter().zip(pairs) {
        if expected != found {
            return Err(WorldError::Other {
                rank,
                what: what.into(),
                expected: expected.into(),
                found: found.into(),
            });
        }
    }
    Ok(())
}

/// The first line in which two texts differ.
fn first_difference(expected: &str, found: &str) -> (String, String) {
    let mut lines = (expected.lines(), found.lines());
    loop {
        match (lines.0.next(), lines.1.next()) {
            (a, b) if a == b && a.is_some() => {}
            (a, b) => {
                let line = |line: Option<&str>| {
                    let line = line.unwrap_or("nothing").trim();
                    line.strip_suffix(',').unwrap_or(line).to_owned()
                };
                return (line(a), line(b));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart_by_their_first_other_line() {
        let difference = first_difference("a = 1\nb = 2\n", "a = 1\nb = 3\n");
        assert_eq!(difference, ("b = 2".into(), "b = 3".into()));
        assert_eq!(
            first_difference("a", "a\nb"),
            ("nothing".into(), "b".into())
        );
    }
}
