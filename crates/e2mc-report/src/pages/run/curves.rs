//! The curves of training runs, from their logs.

use e2mc_record::{Collapse, Epoch, RunLog};

use crate::chart::lines::Lines;
use crate::chart::marks::Mark;
use crate::chart::series::{LineChart, Series};

/// Terms that have a better name than their key, in the order in which they are shown, with their
/// unit.
const NAMED: [(&str, &str, &str); 5] = [
    ("invariance", "Invariance", ""),
    ("variance", "Variance", ""),
    ("covariance", "Covariance", ""),
    ("entropy", "Marginal entropy (maximised)", "nats"),
    ("hypercovariance", "Covariance after the transform", ""),
];

fn chart(
    title: &str,
    unit: &str,
    logs: &[RunLog],
    points: impl Fn(&RunLog) -> Vec<(f64, f64)>,
) -> LineChart {
    let series = logs.iter().map(|log| Series {
        name: log.name.clone(),
        points: points(log),
    });
    LineChart {
        title: title.into(),
        unit: unit.into(),
        series: series.filter(|series| !series.points.is_empty()).collect(),
        marks: Vec::new(),
    }
}

/// The charts that have something to show.
fn shown(charts: Vec<LineChart>) -> Vec<LineChart> {
    charts.into_iter().filter(LineChart::has_values).collect()
}

/// The loss and each of its terms over the steps.
#[must_use]
pub fn terms(logs: &[RunLog]) -> Lines {
    let mut charts = vec![chart("Whole loss", "", logs, |log| {
        log.by_step(|step| Some(step.loss))
    })];
    let mut keys: Vec<String> = Vec::new();
    for key in logs.iter().flat_map(RunLog::terms) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let rank = |key: &String| {
        NAMED
            .iter()
            .position(|(name, ..)| name == key)
            .unwrap_or(NAMED.len())
    };
    keys.sort_by_key(rank);
    for key in &keys {
        let (title, unit) = NAMED
            .iter()
            .find(|(name, ..)| name == key)
            .map_or((key.as_str(), ""), |(_, title, unit)| (*title, *unit));
        charts.push(chart(title, unit, logs, |log| log.term_by_step(key)));
    }
    charts[0].marks = epochs(logs);
    Lines {
        title: "Loss terms".into(),
        caption: "Unweighted terms, averaged between two entries of the log. Total losses of runs \
                  with different terms cannot be compared."
            .into(),
        x_label: "step".into(),
        smooth: 9,
        charts: shown(charts),
        ..Lines::default()
    }
}

/// Where the first run's epochs end, if they are few; else the first one's end, which makes the
/// axis readable.
fn epochs(logs: &[RunLog]) -> Vec<Mark> {
    let ends = logs.first().map(RunLog::epoch_ends).unwrap_or_default();
    let shown = if ends.len() <= 3 { ends.len() } else { 1 };
    let mark = |(epoch, x): &(u64, f64)| Mark::At {
        x: *x,
        label: format!("epoch {epoch}"),
    };
    ends[..shown].iter().map(mark).collect()
}

/// What the features and the embedding are like after each epoch.
#[must_use]
pub fn quality(logs: &[RunLog]) -> Lines {
    let collapse =
        |value: fn(&Collapse) -> f64| move |epoch: &Epoch| epoch.collapse.as_ref().map(value);
    let shape = |value: fn(&Collapse) -> Option<f64>| {
        move |epoch: &Epoch| epoch.collapse.as_ref().and_then(value)
    };
    let mut knn = chart("k-NN on held-out training images", "%", logs, |log| {
        log.by_epoch(|epoch| epoch.knn.map(|knn| 100.0 * knn))
    });
    let start = knn
        .series
        .first()
        .and_then(|series| series.points.first().copied());
    knn.marks.extend(
        start
            .filter(|point| point.0 == 0.0)
            .map(|(_, y)| Mark::Level {
                y,
                label: "at the start".into(),
            }),
    );
    let charts = vec![
        knn,
        chart("Marginal entropy of the embedding", "nats", logs, |log| {
            log.by_epoch(collapse(|c| c.entropy))
        }),
        chart("Its entropy without scale", "nats", logs, |log| {
            log.by_epoch(shape(|c| c.entropy_shape))
        }),
        chart("Its covariance without scale", "", logs, |log| {
            log.by_epoch(shape(|c| c.covariance_shape))
        }),
        chart(
            "Spread of its directions, about 1 is healthy",
            "",
            logs,
            |log| log.by_epoch(collapse(|c| c.spread)),
        ),
        chart("Nearly constant dimensions", "", logs, |log| {
            log.by_epoch(collapse(|c| c.dead_dims as f64))
        }),
    ];
    Lines {
        title: "After each epoch".into(),
        caption: "The embedding's figures are of the last batch of the epoch.".into(),
        x_label: "step".into(),
        charts: shown(charts),
        ..Lines::default()
    }
}

/// How fast the runs were, and how fast they were told to learn.
pub(super) fn speed(logs: &[RunLog]) -> Lines {
    let waiting = |log: &RunLog| {
        let share = log.by_step(|step| Some(step.waiting));
        share.into_iter().map(|(x, y)| (x, 100.0 * y)).collect()
    };
    Lines {
        title: "Throughput and learning rate".into(),
        x_label: "step".into(),
        charts: shown(vec![
            chart("Images a second", "", logs, |log| {
                log.by_step(|step| Some(step.images_per_s))
            }),
            chart("Time spent waiting for images", "%", logs, waiting),
            chart("Learning rate", "", logs, |log| {
                log.by_step(|step| Some(step.learning_rate))
            }),
        ]),
        ..Lines::default()
    }
}
