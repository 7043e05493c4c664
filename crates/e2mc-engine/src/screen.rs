//! What the user sees while the engine works: a bar on a terminal, else a plain line now and then.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use e2mc_base::duration;
use e2mc_cli::output;
use e2mc_lab::notice::{Notice, Notices, Severity};
use e2mc_lab::run::{Moment, RunObserver};
use e2mc_record::{Epoch, Event, Step, Terms};
use e2mc_train::World;
use indicatif::{ProgressBar, ProgressStyle};

/// Seconds between two plain lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Standard error, which notices and progress share.
pub(crate) struct Screen {
    state: Mutex<State>,
    /// Whether another process prints for this one.
    silent: bool,
}

struct State {
    /// The bar or spinner that is shown now.
    bar: Option<ProgressBar>,
    last_line: Instant,
    /// What was last said of the images' preprocessing: the models of a sweep share one.
    preprocessing: Option<String>,
}

impl Screen {
    pub(crate) fn new() -> Arc<Self> {
        Self::of(&World::solo())
    }

    /// The screen of a process among others: the first one speaks for all.
    pub(crate) fn of(world: &World) -> Arc<Self> {
        Arc::new(Self {
            silent: !world.is_first(),
            state: Mutex::new(State {
                bar: None,
                last_line: Instant::now(),
                preprocessing: None,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line that stays, above the bar where there is one.
    fn above(&self, write: impl FnOnce()) {
        if self.silent {
            return;
        }
        match &self.state().bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the bar away.
    fn clear(&self) {
        if let Some(bar) = self.state().bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Shows a state that the next one replaces: in the bar on a terminal, else as a line now and
    /// then.
    fn replace(
        &self,
        new_bar: fn() -> ProgressBar,
        on_bar: impl FnOnce(&ProgressBar),
        line: impl FnOnce() -> String,
    ) {
        if self.silent {
            return;
        }
        let mut state = self.state();
        if std::io::stderr().is_terminal() {
            on_bar(state.bar.get_or_insert_with(new_bar));
        } else if state.last_line.elapsed() >= LINE_EVERY {
            state.last_line = Instant::now();
            output::note(&line());
        }
    }
}

impl Notices for Screen {
    fn tell(&self, notice: &Notice) {
        let text = text(notice);
        if let Notice::Preprocessing { text } = notice
            && self.state().preprocessing.replace(text.clone()).as_ref() == Some(text)
        {
            return;
        }
        match (notice.severity(), notice) {
            (Severity::Progress, Notice::Listed) => self.clear(),
            (Severity::Progress, _) => self.replace(
                ProgressBar::new_spinner,
                |bar| {
                    bar.tick();
                    bar.set_message(text.clone());
                },
                || text.clone(),
            ),
            (Severity::Note, _) => self.above(|| output::note(&text)),
            (Severity::Warning, _) => self.above(|| output::warning(&text)),
        }
    }
}

/// The notice's sentence, with the option that decides it.
fn text(notice: &Notice) -> String {
    match notice {
        Notice::Mirrored { views, keys } => {
            let options = keys.iter().map(|key| format!(" --set {key}=0"));
            format!("{views}, add{}", options.collect::<String>())
        }
        Notice::NewHeads { .. } => format!("{notice} (--head-warmup)"),
        _ => notice.to_string(),
    }
}

/// Shows one training run.
pub(crate) struct RunScreen {
    screen: Arc<Screen>,
    /// Where this process logged its first step, and when: the pace is taken from there.
    first: Option<(u64, Instant)>,
}

impl RunScreen {
    pub(crate) fn new(screen: &Arc<Screen>) -> Self {
        Self {
            screen: screen.clone(),
            first: None,
        }
    }

    fn step(&mut self, step: &Step, moment: Moment) {
        let Moment {
            epochs,
            batch,
            batches,
        } = moment;
        let left = self.time_left(step.step, batches * epochs);
        let terms = terms(step.loss, &step.terms);
        let pace = format!(
            "{}  left {left}",
            speed(step.images_per_s, step.waiting, step.exchanging)
        );
        self.screen.replace(
            bar,
            |bar| {
                bar.set_length(batches);
                bar.set_position(batch);
                bar.set_prefix(format!("epoch {}/{epochs}  {pace}", step.epoch));
                let (_, width) = console::Term::stderr().size();
                bar.set_message(folded(&terms, width.into()));
            },
            || {
                format!(
                    "epoch {}/{epochs}  batch {batch}/{batches}  {terms}  {pace}",
                    step.epoch
                )
            },
        );
    }

    fn time_left(&mut self, step: u64, total: u64) -> String {
        // After a resume, only this process's own steps tell its speed.
        let Some((first, since)) = self.first else {
            self.first = Some((step, Instant::now()));
            return "?".into();
        };
        let done = step.saturating_sub(first).max(1);
        let left = since.elapsed().as_secs_f64() / done as f64 * total.saturating_sub(step) as f64;
        duration(left)
    }

    fn epoch(&self, epoch: &Epoch, epochs: u64) {
        // A notice reports the untouched model.
        let (Some(loss), Some(seconds)) = (epoch.loss, epoch.seconds) else {
            return;
        };
        let mut line = format!(
            "epoch {}/{epochs}  {}  {}  {}",
            epoch.epoch,
            terms(loss, &epoch.terms),
            speed(
                epoch.images_per_s.unwrap_or(f64::NAN),
                epoch.waiting.unwrap_or(f64::NAN),
                epoch.exchanging,
            ),
            duration(seconds),
        );
        if let Some(knn) = epoch.knn {
            line.push_str(&format!("  k-NN {:.2} %", 100.0 * knn));
        }
        self.screen.above(|| output::note(&line));
    }
}

impl RunObserver for RunScreen {
    fn event(&mut self, event: &Event, moment: Moment) {
        match event {
            Event::Step(step) => self.step(step, moment),
            Event::Epoch(epoch) => self.epoch(epoch, moment.epochs),
            Event::End(_) => self.screen.clear(),
            _ => {}
        }
    }
}

/// Images a second and what they wait for, as fractions of the time.
fn speed(images_per_s: f64, waiting: f64, exchanging: Option<f64>) -> String {
    let mut text = format!(
        "{images_per_s:.0} images/s  data wait {:.0} %",
        100.0 * waiting
    );
    if let Some(exchanging) = exchanging {
        text.push_str(&format!("  exchange {:.0} %", 100.0 * exchanging));
    }
    text
}

fn terms(loss: f64, terms: &Terms) -> String {
    let mut text = format!("loss {loss:.4}");
    for (name, value) in terms.iter() {
        text.push_str(&format!("  {name} {value:.4}"));
    }
    text
}

/// The terms in lines of at most `width` columns, where one fits at all.
fn folded(terms: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for term in terms.split("  ") {
        let line = lines.last_mut().expect("there is always one");
        if line.is_empty() {
            line.push_str(term);
        } else if line.len() + 2 + term.len() < width {
            line.push_str("  ");
            line.push_str(term);
        } else {
            lines.push(term.to_owned());
        }
    }
    lines.join("\n")
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:16} {pos}/{len}  {prefix}\n{msg}")
        .expect("the template is valid");
    bar.set_style(style);
    bar
}

#[cfg(test)]
mod tests {
    use e2mc_lab::notice::MirroredViews;

    use super::*;

    #[test]
    fn a_warning_of_mirrored_views_names_the_options_that_end_it() {
        let keys = [0, 1].map(|index| format!("augmentation.views.{index}.flip"));
        let mirrored = |probability| Notice::Mirrored {
            views: MirroredViews {
                method: "vicreg",
                probability,
            },
            keys: keys.to_vec(),
        };
        assert_eq!(
            text(&mirrored(0.5)),
            "training views: those of vicreg; half of them are mirrored. If left and right matter \
             (letters, signs), add --set augmentation.views.0.flip=0 --set \
             augmentation.views.1.flip=0"
        );
        assert!(text(&mirrored(0.2)).contains("; 20 % of them are mirrored"));
    }

    #[test]
    fn terms_are_folded_and_none_is_lost() {
        let text = "loss 21.9646  invariance 0.1554  entropy -0.5928";
        assert_eq!(folded(text, 80), text);
        assert_eq!(
            folded(text, 40),
            "loss 21.9646  invariance 0.1554\nentropy -0.5928"
        );
        assert_eq!(folded(text, 5).lines().count(), 3);
    }
}
