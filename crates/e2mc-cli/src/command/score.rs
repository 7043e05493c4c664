//! `e2mc score`: the criterion on a file of embeddings.

use std::process::ExitCode;

use anyhow::Result;
use e2mc::{Criterion, Matrix, Shape, Value, Workspace};
use e2mc_base::counted;
use e2mc_cli::failure::Failure;
use e2mc_cli::options::ScoreOptions;
use e2mc_cli::output;
use e2mc_eval::{read_embeddings, write_npy};
use serde_json::json;

pub(crate) fn run(options: &ScoreOptions) -> Result<ExitCode> {
    if let Some(threads) = options.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()?;
    }
    let z = read_embeddings(&options.file)?;
    let criterion = options.criterion();
    let mut workspace = Workspace::default();
    let value = if let Some(path) = &options.gradient {
        let mut gradient = Matrix::zeros(z.rows(), z.cols());
        let value = evaluate(
            &criterion,
            &z,
            Some(gradient.data_mut()),
            &mut workspace,
            options,
        )?;
        write_npy(path, gradient.view())?;
        value
    } else {
        evaluate(&criterion, &z, None, &mut workspace, options)?
    };
    let shape = criterion
        .shape(z.view())
        .map_err(|error| about(&error, options))?;

    let mut result = json!({
        "rows": z.rows(), "dims": z.cols(),
        "entropy": value.entropy, "covariance": value.covariance, "loss": value.loss,
        "entropy_shape": shape.entropy_shape, "covariance_shape": shape.covariance_shape,
    });
    if options.marginals {
        result["marginal_entropy"] = json!(value.marginal_entropy);
    }
    output::result(options.json, &result, || text(&z, &value, &shape, options));
    Ok(ExitCode::SUCCESS)
}

/// Evaluates once; says which file is at fault if the values are.
fn evaluate(
    criterion: &Criterion,
    z: &Matrix,
    gradient: Option<&mut [f32]>,
    workspace: &mut Workspace,
    options: &ScoreOptions,
) -> Result<Value> {
    let value = match gradient {
        Some(gradient) => criterion.value_and_gradient_in(z.view(), gradient, workspace),
        None => criterion.value_in(z.view(), workspace),
    };
    value.cloned().map_err(|error| about(&error, options))
}

/// Names the file in an error about its values.
fn about(error: &e2mc::Error, options: &ScoreOptions) -> anyhow::Error {
    let hint = error.hint().unwrap_or_default();
    Failure::new(format!("{}: {error}", options.file), hint)
}

fn text(z: &Matrix, value: &Value, shape: &Shape, options: &ScoreOptions) -> String {
    let mut text = format!(
        "{}, {}\nentropy     {:.6} nats (0 is uniform)\ncovariance  {:.6}\n\
         loss        {:.6} = {} covariance - {} entropy\n\
         without scale (dimensions of mean 0 and variance 1): entropy {:.6} nats, covariance \
         {:.6}\n",
        counted(z.rows(), "row"),
        counted(z.cols(), "dimension"),
        value.entropy,
        value.covariance,
        value.loss,
        options.gamma,
        options.beta,
        shape.entropy_shape,
        shape.covariance_shape
    );
    if options.marginals {
        text.push_str("marginal entropies, nats:\n");
        for (dimension, entropy) in value.marginal_entropy.iter().enumerate() {
            text.push_str(&format!("{dimension:>6}  {entropy:.6}\n"));
        }
    }
    if let Some(path) = &options.gradient {
        text.push_str(&format!("gradient: {}\n", path.display()));
    }
    text
}
