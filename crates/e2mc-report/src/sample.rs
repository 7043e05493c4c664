//! A whole report for the tests: every block, with the awkward values and names that real runs
//! have.

use crate::{
    AxisStart, Block, Cell, Column, DotPanel, Dots, Estimate, Finding, HeatMaps, HeatPanel,
    HistogramPanel, Histograms, Inks, LineChart, Lines, Mark, Reference, Report, Scatter,
    ScatterPanel, Section, Series, Table, Verdict,
};

/// The arms of the comparison, as every block names them.
pub(super) const ARMS: [&str; 3] = ["untouched base", "base loss alone", "base loss + E2MC"];

/// Drawings in the report.
pub(super) const DRAWINGS: usize = 22;

/// Text that would break a page that does not escape it.
pub(super) const HOSTILE: &str = "</script><script>alert('a' & \"b\")</script> ]]> \u{0}";

/// The report.
pub(super) fn report() -> Report {
    Report {
        title: format!("Continued training {HOSTILE}"),
        subtitle: "Five epochs from one checkpoint, with and without `E2MC`.".to_owned(),
        sections: vec![
            section("What came out", vec![findings()]),
            section(
                "Accuracy",
                vec![Block::Table(accuracy_table()), accuracy_dots().into()],
            ),
            section("Training", vec![loss_lines().into()]),
            section(
                "Before & after",
                vec![
                    marginals().into(),
                    entropies().into(),
                    pairs().into(),
                    spectrum().into(),
                ],
            ),
            section("Coefficients", vec![coefficients().into()]),
            section("How it was made", origins()),
        ],
        inks: Inks::with_base(ARMS[0]),
    }
}

fn section(heading: &str, blocks: Vec<Block>) -> Section {
    let prose = vec![format!("About {heading}: 1 < 2 & `a<b>`.")];
    Section {
        heading: heading.to_owned(),
        prose,
        blocks,
    }
}

fn arms() -> Vec<String> {
    ARMS.map(str::to_owned).to_vec()
}

/// Evenly spread, repeatable values between -1 and 1.
fn spread(i: usize, stream: f64) -> f64 {
    (i as f64 * 0.618_033_988_75 + stream * 0.347).fract() * 2.0 - 1.0
}

fn estimate(value: f64, error: f64, stream: f64) -> Estimate {
    let runs = (0..5)
        .map(|i| value + 2.0 * error * spread(i, stream))
        .collect();
    Estimate {
        value,
        standard_error: Some(error),
        runs,
    }
}

fn findings() -> Block {
    let finding = |verdict, text: &str| Finding {
        verdict,
        text: text.to_owned(),
    };
    Block::Findings(vec![
        finding(
            Verdict::Better,
            "The mean marginal entropy rose from −0.21 to −0.08 nats.",
        ),
        finding(
            Verdict::Worse,
            "At 10% of the labels accuracy fell from 82.6 to 82.1 %.",
        ),
        finding(
            Verdict::NoDifference,
            "At 1%: 79.3 ± 0.3 %, base 79.2 ± 0.3 %.",
        ),
        finding(Verdict::Note, HOSTILE),
    ])
}

fn accuracies() -> [[Estimate; 3]; 2] {
    let one = [
        estimate(79.22, 0.31, 1.0),
        estimate(79.35, 0.34, 2.0),
        estimate(79.34, 0.28, 3.0),
    ];
    let ten = [
        estimate(82.54, 0.11, 4.0),
        estimate(82.65, 0.12, 5.0),
        estimate(82.07, 0.09, 6.0),
    ];
    [one, ten]
}

fn accuracy_table() -> Table {
    let column = |group: &str, name: &str| Column {
        group: group.to_owned(),
        name: name.to_owned(),
        decimals: 2,
    };
    let [one, ten] = accuracies();
    let rows = ARMS.iter().zip(one).zip(ten).map(|((arm, one), ten)| {
        let knn = if *arm == ARMS[2] {
            Cell::Missing
        } else {
            Cell::Number(84.1)
        };
        let estimates = [one.clone(), one, ten.clone(), ten].map(Cell::Estimate);
        [Cell::Text((*arm).to_owned()), knn]
            .into_iter()
            .chain(estimates)
            .collect()
    });
    Table {
        caption: "Top-1 accuracy, %".to_owned(),
        columns: vec![
            column("", "Model"),
            column("", "k-NN"),
            column("1% of labels", "SGD probe"),
            column("1% of labels", "L-BFGS probe"),
            column("10% of labels", "SGD probe"),
            column("10% of labels", "L-BFGS probe"),
        ],
        rows: rows.collect(),
        note: "Mean ± standard error over 5 seeds.".to_owned(),
    }
}

fn accuracy_dots() -> Dots {
    let panel = |title: &str, estimates: &[Estimate]| DotPanel {
        title: title.to_owned(),
        unit: "%".to_owned(),
        decimals: 2,
        estimates: estimates.to_vec(),
    };
    let [one, ten] = accuracies();
    Dots {
        title: "The same with its noise".to_owned(),
        series: arms(),
        panels: vec![
            panel("1% of labels", &one),
            panel("10% of labels", &ten),
            panel("Not measured", &[]),
        ],
        start: AxisStart::AroundValues,
        ..Dots::default()
    }
}

fn entropies() -> Dots {
    let panel = |title: &str, decimals, values: [f64; 3]| DotPanel {
        title: title.to_owned(),
        decimals,
        estimates: values
            .map(|value| Estimate {
                value,
                ..Estimate::default()
            })
            .to_vec(),
        ..DotPanel::default()
    };
    Dots {
        series: arms(),
        panels: vec![
            panel("Mean marginal entropy", 3, [-0.214, -0.211, -0.079]),
            panel("Covariance penalty", 6, [3.1e-5, 3.0e-5, f64::NAN]),
            panel("Steps", 0, [1_250_000.0, 98_000.0, 1.0]),
        ],
        start: AxisStart::Zero,
        ..Dots::default()
    }
}

fn loss_lines() -> Lines {
    let chart = |title: &str, unit: &str, scale: f64, marks: Vec<Mark>| LineChart {
        title: title.to_owned(),
        unit: unit.to_owned(),
        series: ARMS[1..]
            .iter()
            .enumerate()
            .map(|(k, name)| Series {
                name: (*name).to_owned(),
                points: (0..=195)
                    .map(|i| {
                        let x = i as f64;
                        let y = 3.0 - (k + 1) as f64 * x / 195.0 + 0.1 * spread(i, k as f64);
                        (x, if i == 50 { f64::NAN } else { scale * y })
                    })
                    .collect(),
            })
            .collect(),
        marks,
    };
    let event = |x, label: &str| Mark::At {
        x,
        label: label.to_owned(),
    };
    Lines {
        title: "Loss terms".to_owned(),
        caption: "Both runs see the same images in the same order.".to_owned(),
        x_label: "step".to_owned(),
        smooth: 9,
        logarithmic: false,
        charts: vec![
            chart(
                "Total loss",
                "",
                1e4,
                vec![
                    event(39.0, "end of epoch 1"),
                    event(78.0, "end of epoch 2"),
                    event(195.0, "stopped"),
                ],
            ),
            chart(
                "Entropy",
                "nats",
                -0.1,
                vec![Mark::Level {
                    y: 0.0,
                    label: "uniform".to_owned(),
                }],
            ),
            chart("Covariance", "", 1.3e-5, vec![event(0.0, "resumed")]),
            LineChart {
                title: "Nothing yet".to_owned(),
                ..LineChart::default()
            },
        ],
    }
}

fn marginals() -> Histograms {
    let values =
        |power: i32| (0..500).map(move |i| (0.5 + 0.5 * spread(i, 0.1)).powi(power) as f32);
    let panel = |i: usize| HistogramPanel {
        title: format!("Dimension {}", 83 * i),
        note: "−0.31 → −0.08 nats".to_owned(),
        samples: vec![values(2).collect(), values(1).chain([f32::NAN]).collect()],
        axis: None,
    };
    let collapsed = HistogramPanel {
        title: "Dimension 511".to_owned(),
        samples: vec![vec![0.5; 500], values(1).collect()],
        ..HistogramPanel::default()
    };
    Histograms {
        title: "Marginals".to_owned(),
        x_label: "embedding after the sigmoid".to_owned(),
        series: vec![ARMS[0].to_owned(), ARMS[2].to_owned()],
        range: (0.0, 1.0),
        bins: 24,
        reference: Some(Reference {
            name: "uniform density".to_owned(),
            density: 1.0,
        }),
        panels: (0..4).map(panel).chain([collapsed]).collect(),
        ..Histograms::default()
    }
}

/// The paper's Table D.2: SwAV at 800 epochs, 1 % of the labels; what was not measured is missing.
fn coefficients() -> HeatMaps {
    let paper = [
        [Some(53.69), Some(53.63), None, Some(53.66)],
        [None, Some(54.09), None, Some(53.88)],
        [Some(53.85), Some(54.29), Some(54.99), Some(55.27)],
        [None, Some(51.53), None, Some(55.12)],
    ];
    let panel = |title: &str, error: Option<f64>, scale: f64, unit: &str| HeatPanel {
        title: title.to_owned(),
        unit: unit.to_owned(),
        decimals: 2,
        cells: paper
            .iter()
            .map(|row| {
                let cell = |value: &Option<f64>| {
                    value.map(|value| Estimate {
                        value: scale * value,
                        standard_error: error,
                        runs: vec![],
                    })
                };
                row.iter().map(cell).collect()
            })
            .collect(),
        reference: Some(("base".to_owned(), scale * 53.69)),
        find: true,
    };
    let labels = |values: [&str; 4]| values.map(str::to_owned).to_vec();
    HeatMaps {
        title: "Top-1 accuracy by coefficients".to_owned(),
        caption: "One run a cell.".to_owned(),
        x_label: "gamma".to_owned(),
        x: labels(["0", "1", "10", "25"]),
        y_label: "beta".to_owned(),
        y: labels(["0", "0.1", "1", "10"]),
        panels: vec![
            panel("1 % of labels, logistic", Some(0.12), 1.0, "%"),
            panel("20-NN", None, 1.0, "%"),
            panel("Narrow cells", Some(0.12), 1e9, ""),
            HeatPanel {
                title: "Not measured".to_owned(),
                ..HeatPanel::default()
            },
        ],
    }
}

fn pairs() -> Scatter {
    let place = |i: usize, stream: f64| 0.5 + 0.5 * spread(i, stream) as f32;
    let before: Vec<[f32; 2]> = (0..400)
        .map(|i| [place(i, 0.3), 0.5 * place(7 * i, 1.9)])
        .collect();
    let x: Vec<[f32; 2]> = before
        .iter()
        .enumerate()
        .map(|(i, [x, _])| [*x, if i % 2 == 0 { *x } else { 1.0 - *x }])
        .collect();
    let panel = |title: &str, points: &[[f32; 2]]| ScatterPanel {
        title: title.to_owned(),
        note: "1.25 nats from uniform, 1.25 shared, correlation −0.01".to_owned(),
        x_label: "dimension 3".to_owned(),
        points: points.to_vec(),
        coloured_by: before.clone(),
    };
    Scatter {
        title: "Farthest from uniform".to_owned(),
        caption: "Coloured by the place before.".to_owned(),
        panels: vec![
            panel("Dimension 17 over 3, before", &before),
            panel("Dimension 17 over 3, after", &x),
        ],
    }
}

fn spectrum() -> Lines {
    let series = |name: &str, exponent: f64| Series {
        name: name.to_owned(),
        points: (1..=512)
            .map(|i| (f64::from(i), f64::from(i).powf(-exponent)))
            .collect(),
    };
    Lines {
        title: "Spectrum".to_owned(),
        x_label: "rank".to_owned(),
        logarithmic: true,
        charts: vec![LineChart {
            title: "Variance by direction".to_owned(),
            series: vec![series(ARMS[0], 1.4), series(ARMS[2], 0.7)],
            ..LineChart::default()
        }],
        ..Lines::default()
    }
}

fn origins() -> Vec<Block> {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let long = "a-very-long-name-without-any-space-in-it/".repeat(4);
    vec![
        Block::Code {
            caption: "Command".to_owned(),
            text: format!("e2mc demo --out {long}"),
        },
        Block::KeyValues(vec![
            pair("Seed", "0"),
            pair("Base model", &long),
            pair("Text", HOSTILE),
        ]),
        Block::Code {
            caption: "Recipe".to_owned(),
            text: "beta = 1000 # <paper>\n".repeat(20),
        },
    ]
}
