//! The page of a sweep and its heat maps, as far as it has come.

use e2mc_base::write_atomically;
use e2mc_report::Inks;
use e2mc_report::pages::sweep::{self, Axis, Point, Recipe, Sweep};

use super::plan::SweepFolder;
use super::results::SweepResults;
use crate::error::Error;
use crate::recipe;

/// Writes the page and the heat maps.
pub(super) fn save(results: &SweepResults, folder: &SweepFolder) -> Result<(), Error> {
    let sweep = of(results)?;
    for (index, map) in sweep::heat_maps(&sweep).into_iter().enumerate() {
        let chart = e2mc_report::Chart::from(map);
        let (path, svg) = (
            folder.heat_map(index),
            chart.figure(&Inks::default()).to_svg(),
        );
        write_atomically(&path, svg.as_bytes()).map_err(|source| Error::write(&path, source))?;
    }
    sweep::report(&sweep).save(&folder.report())?;
    Ok(())
}

fn of(results: &SweepResults) -> Result<Sweep, Error> {
    let plan = &results.plan;
    let names = plan.grid.names().into_iter();
    let axes = names.zip(&plan.grid.axes).map(|(name, axis)| Axis {
        name: name.to_owned(),
        labels: axis.labels(),
    });
    let points = results.runs.iter().map(|run| Point {
        indices: run.point.indices.clone(),
        result: run
            .measured
            .as_ref()
            .map(|measured| measured.result.clone()),
    });
    let made = [
        ("e2mc", e2mc_record::VERSION.to_owned()),
        ("checkpoint", plan.checkpoint.display().to_string()),
        ("data", plan.settings.data.data.display().to_string()),
        ("seed", plan.seed.to_string()),
        ("label subsets", plan.probe.seeds.to_string()),
    ];
    Ok(Sweep {
        axes: axes.collect(),
        base: results.base.result.clone(),
        points: points.collect(),
        recipe: Recipe {
            epochs: plan.recipe.training.epochs,
            criterion: plan.recipe.criterion.name().to_owned(),
            text: recipe::to_toml(&plan.recipe)?,
        },
        made: made.map(|(key, value)| (key.to_owned(), value)).to_vec(),
        command: plan.command.clone(),
    })
}
