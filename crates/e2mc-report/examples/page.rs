//! Writes a self-contained page with one chart: `page [OUT.html]`.

use e2mc_report::{LineChart, Lines, Report, Section, Series};

fn main() -> Result<(), e2mc_report::Error> {
    let out = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "target/page.html".into());
    let points = (0..50).map(|epoch| (f64::from(epoch), 3.0 * (-0.05 * f64::from(epoch)).exp()));
    let loss = LineChart {
        title: "Loss".into(),
        series: vec![Series {
            name: "run".into(),
            points: points.collect(),
        }],
        ..LineChart::default()
    };
    let lines = Lines {
        x_label: "epoch".into(),
        charts: vec![loss],
        ..Lines::default()
    };
    let section = Section {
        heading: "Training".into(),
        blocks: vec![lines.into()],
        ..Section::default()
    };
    let report = Report {
        title: "A run".into(),
        sections: vec![section],
        ..Report::default()
    };
    report.save(out.as_ref())?;
    println!("{out}");
    Ok(())
}
