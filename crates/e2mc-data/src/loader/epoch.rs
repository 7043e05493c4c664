//! The threads of one epoch, and the window of batches that they work on.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use e2mc_base::affinity;

use super::assembly::Assembly;
use super::worker::Worker;
use super::{BadImage, Batch, LoaderConfig, Source};
use crate::Error;

/// Samples that a thread takes at a time, at most: few enough that the threads finish a batch
/// together, enough that taking them costs nothing beside making them.
const LARGEST_CHUNK: usize = 16;

/// The batches of an epoch, in order. Dropping it stops and joins its threads. After an error
/// there are no more batches.
pub struct Epoch {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Batches that are still to be handed over.
    remaining: usize,
    /// Why there is not a single thread.
    failure: Option<Error>,
    waited: Duration,
}

struct Shared {
    source: Arc<Source>,
    epoch: u64,
    order: Vec<usize>,
    state: Mutex<State>,
    /// There may be something to do, or it is time to stop.
    work: Condvar,
    /// The first batch of the window may be ready.
    ready: Condvar,
}

struct State {
    /// The batches that are being made or wait to be taken, in order.
    window: VecDeque<Slot>,
    /// The numbers of the batches that are not yet in the window.
    todo: Range<usize>,
    stopped: bool,
    panic: Option<Box<dyn Any + Send>>,
}

/// A batch of the window. Chunks of its samples are claimed, then done.
struct Slot {
    batch: usize,
    assembly: Arc<Assembly>,
    /// Samples that a thread takes at a time.
    chunk: usize,
    /// Samples that were taken.
    claimed: usize,
    /// Samples that are made, or will never be.
    done: usize,
    /// The first sample that failed, so that it does not depend on which thread came first.
    error: Option<(usize, Error)>,
    /// Images that were replaced.
    bad: Vec<BadImage>,
}

/// Samples of a batch that a thread has taken on.
struct Claim {
    batch: usize,
    assembly: Arc<Assembly>,
    samples: Range<usize>,
}

impl Epoch {
    pub(super) fn start(
        source: Arc<Source>,
        epoch: u64,
        order: Vec<usize>,
        batches: Range<usize>,
    ) -> Self {
        let remaining = batches.len();
        let threads = if remaining == 0 {
            0
        } else {
            source.config.threads
        };
        let state = State {
            window: VecDeque::new(),
            todo: batches,
            stopped: false,
            panic: None,
        };
        let shared = Arc::new(Shared {
            source,
            epoch,
            order,
            state: Mutex::new(state),
            work: Condvar::new(),
            ready: Condvar::new(),
        });
        let mut epoch = Self {
            shared,
            threads: Vec::new(),
            remaining,
            failure: None,
            waited: Duration::ZERO,
        };
        for thread in 0..threads {
            let shared = Arc::clone(&epoch.shared);
            let builder = Builder::new().name(format!("loader-{thread}"));
            match builder.spawn(move || shared.run()) {
                Ok(handle) => epoch.threads.push(handle),
                // Fewer threads do the same; only none at all is a failure.
                Err(source) => {
                    epoch.failure = epoch
                        .threads
                        .is_empty()
                        .then_some(Error::Thread { thread, source });
                    break;
                }
            }
        }
        epoch
    }

    /// How long [`next`](Iterator::next) has waited for batches so far: time that faster loading
    /// would save.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        // None are left if this fails or passes on a panic.
        let left = std::mem::take(&mut self.remaining).checked_sub(1)?;
        let start = Instant::now();
        let result = match self.failure.take() {
            Some(error) => Err(error),
            None => self.shared.take(),
        };
        self.waited += start.elapsed();
        match &result {
            Ok(_) => self.remaining = left,
            Err(_) => self.shared.stop(),
        }
        Some(result)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.remaining > 0), Some(self.remaining))
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        self.shared.stop();
        for thread in self.threads.drain(..) {
            // A panic was caught in the thread, and handed over if a batch was waited for.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.work.notify_all();
    }

    /// Waits for the first batch of the window and takes it out.
    fn take(&self) -> Result<Batch, Error> {
        let mut state = self.lock();
        let slot = loop {
            if let Some(panic) = state.panic.take() {
                drop(state);
                resume_unwind(panic);
            }
            if state.window.front().is_some_and(Slot::is_done) {
                break state.window.pop_front();
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        self.work.notify_all();
        let slot = slot.expect("the window had a front");
        if let Some((_, error)) = slot.error {
            return Err(error);
        }
        if !slot.bad.is_empty() {
            let news = self.source.note_bad(slot.bad)?;
            self.source.lock_bad().news.extend(news);
        }
        let assembly = Arc::into_inner(slot.assembly);
        Ok(assembly
            .expect("threads let go of an assembly before they report it done")
            .finish())
    }

    /// What a thread does: it claims samples and makes them, until none are left or it is stopped.
    fn run(&self) {
        affinity::roam();
        let work = AssertUnwindSafe(|| {
            let mut worker = Worker::new(&self.source, self.epoch);
            while let Some(Claim {
                batch,
                assembly,
                samples,
            }) = self.claim()
            {
                let mut error = None;
                for position in samples.clone() {
                    // SAFETY: claims are disjoint, and a batch is finished only after its last
                    // claim was reported done, which is below.
                    if let Err(found) = unsafe { worker.make(&assembly, position) } {
                        error = Some((position, found));
                        break;
                    }
                }
                drop(assembly);
                self.report(batch, samples.len(), error, worker.take_bad());
            }
        });
        if let Err(panic) = catch_unwind(work) {
            let mut state = self.lock();
            state.stopped = true;
            state.panic = Some(panic);
            self.ready.notify_all();
            self.work.notify_all();
        }
    }

    /// The next samples to make; waits while the window is full.
    fn claim(&self) -> Option<Claim> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(claim) = state.window.iter_mut().find_map(Slot::claim) {
                return Some(claim);
            }
            if state.window.len() < self.source.config.prefetch {
                let batch = state.todo.next()?;
                let slot = self.slot(batch);
                // A process without a share of the last batch has nothing to make for it.
                if slot.is_done() {
                    self.ready.notify_all();
                }
                state.window.push_back(slot);
                self.work.notify_all();
            } else {
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// An empty slot for a batch, of which this process gets its share.
    fn slot(&self, batch: usize) -> Slot {
        let LoaderConfig {
            batch: size,
            threads,
            parts,
            rank,
            world,
            ..
        } = self.source.config;
        let whole = &self.order[batch * size..self.order.len().min((batch + 1) * size)];
        // A short last batch is cut where full ones are: its first processes have what they always
        // have.
        let most = size / parts / world;
        let cut = |share: usize| whole.len().min(share * most);
        // Part by part, so that each part of the batch is the same images whatever `world` is.
        let shares = (0..parts).map(|part| part * world + rank);
        let own = shares.flat_map(|share| &whole[cut(share)..cut(share + 1)]);
        let blank = self.source.blank(own.copied());
        let count = blank.indices.len();
        Slot {
            batch,
            assembly: Arc::new(Assembly::new(blank)),
            chunk: (count / (4 * threads)).clamp(1, LARGEST_CHUNK),
            claimed: 0,
            done: 0,
            error: None,
            bad: Vec::new(),
        }
    }

    /// Notes that samples of a batch are done; the caller has let go of the assembly.
    fn report(
        &self,
        batch: usize,
        samples: usize,
        error: Option<(usize, Error)>,
        bad: Vec<BadImage>,
    ) {
        let mut state = self.lock();
        // Only what is done leaves the window, so the batch is still in it.
        let Some(slot) = state.window.iter_mut().find(|slot| slot.batch == batch) else {
            return;
        };
        slot.done += samples;
        slot.bad.extend(bad);
        let first = slot
            .error
            .as_ref()
            .map_or(usize::MAX, |&(position, _)| position);
        if let Some(found) = error.filter(|&(position, _)| position < first) {
            slot.error = Some(found);
        }
        if slot.is_done() {
            self.ready.notify_all();
        }
    }
}

impl Slot {
    fn is_done(&self) -> bool {
        self.done == self.assembly.indices.len()
    }

    fn claim(&mut self) -> Option<Claim> {
        let end = self.assembly.indices.len().min(self.claimed + self.chunk);
        let samples = self.claimed..end;
        self.claimed = end;
        let (batch, assembly) = (self.batch, Arc::clone(&self.assembly));
        (!samples.is_empty()).then_some(Claim {
            batch,
            assembly,
            samples,
        })
    }
}
