//! The run's store, asked by a thread of its own: c10d waits for an answer without end, and whoever
//! serves the store may have been stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use super::raw::{Message, Store};

/// A question, answered elsewhere.
type Question = Box<dyn FnOnce(&Store) + Send>;

/// A store that is waited for as long as patience lasts, and asked no more once that was in vain.
#[derive(Debug)]
pub(super) struct PatientStore {
    store: Arc<Store>,
    questions: Mutex<Sender<Question>>,
    patience: AtomicU64,
    silent: AtomicBool,
}

impl PatientStore {
    pub(super) fn new(store: Store, patience: Duration) -> Result<Self, Message> {
        let store = Arc::new(store);
        let (questions, asked) = mpsc::channel::<Question>();
        let own = store.clone();
        let answer = move || {
            for question in asked {
                question(&own);
            }
        };
        let spawned = Builder::new().name("store".into()).spawn(answer);
        spawned.map_err(|error| error.to_string())?;
        let this = Self {
            store,
            questions: Mutex::new(questions),
            patience: AtomicU64::new(0),
            silent: AtomicBool::new(false),
        };
        this.wait_at_most(patience);
        Ok(this)
    }

    /// The store itself.
    pub(super) fn inner(&self) -> &Store {
        &self.store
    }

    /// From now on answers are waited for that long.
    pub(super) fn wait_at_most(&self, patience: Duration) {
        let milliseconds = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.patience.store(milliseconds, Ordering::Relaxed);
    }

    pub(super) fn set(&self, key: &str, value: &str) -> Result<(), Message> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.ask(move |store| store.set(&key, &value))
    }

    /// Counts up under `key`, and gives the new number, from 1: no two processes get the same.
    pub(super) fn count(&self, key: &str) -> Result<i64, Message> {
        let key = key.to_owned();
        self.ask(move |store| store.count(&key))
    }

    /// What stands under `key` now, if anything does.
    pub(super) fn get(&self, key: &str) -> Result<Option<String>, Message> {
        let key = key.to_owned();
        self.ask(move |store| store.get(&key))
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, Message> + Send + 'static,
    ) -> Result<T, Message> {
        let no_answer = || Message::from("no answer");
        if self.silent.load(Ordering::Relaxed) {
            return Err(no_answer());
        }
        let (send, receive) = mpsc::channel();
        let question: Question = Box::new(move |store| {
            // The caller may have stopped waiting.
            let _ = send.send(question(store));
        });
        let questions = self.questions.lock();
        let sent = questions
            .unwrap_or_else(PoisonError::into_inner)
            .send(question);
        sent.map_err(|_| no_answer())?;
        let patience = Duration::from_millis(self.patience.load(Ordering::Relaxed));
        receive.recv_timeout(patience).unwrap_or_else(|_| {
            self.silent.store(true, Ordering::Relaxed);
            Err(no_answer())
        })
    }
}
