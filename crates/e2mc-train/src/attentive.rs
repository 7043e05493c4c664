//! An attentive probe: one cross-attention layer over a frozen network's tokens, and a linear
//! layer.
//!
//! A mean over places weighs all alike; here a query that is learned says which places count (Chen
//! et al. 2024, "Context Autoencoder", section 4; Bardes et al. 2024, "V-JEPA"). With tokens `x`,
//! behind a layer norm, keys `k = W_k x`, values `v = W_v x` and a query `q` of each head, the
//! features are `softmax(q k / sqrt(d)) v`, heads side by side, and the scores a linear layer of
//! them. V-JEPA's has two more linear layers behind it.
//!
//! Epochs, rate, decay and schedule are those of V-JEPA's public configuration for ImageNet; its
//! batch is 1024, here 64, for few labels. The accuracy that counts is the last epoch's.

use e2mc::Matrix;
use e2mc_base::affinity;
use e2mc_base::random::Stream;
use tch::nn::Init;
use tch::{Device, Reduction, Tensor, nn};

use crate::Error;
use crate::draw::seeded;
use crate::layer::{LayerNorm, Linear, Precision};
use crate::optim::{AdamwConfig, Optimizer, OptimizerConfig, ParamGroup, ScheduleConfig};

/// Numbers of a head, as in vision transformers.
const OF_HEAD: usize = 64;
/// The standard deviation that weights are drawn with.
const DEVIATION: f64 = 0.02;

/// The settings of an attentive probe.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentiveConfig {
    /// Passes over the labelled images, at least 1.
    pub epochs: u64,
    /// Images a step, at least 1; fewer where there are fewer.
    pub batch: usize,
    /// AdamW's rate, above 0; half a cosine takes it to 0.
    pub learning_rate: f64,
    /// AdamW's weight decay, at least 0, of all but biases and the layer norm.
    pub weight_decay: f64,
}

impl Default for AttentiveConfig {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch: 64,
            learning_rate: 1e-3,
            weight_decay: 1e-3,
        }
    }
}

/// A probe that has been fitted.
#[derive(Debug)]
pub struct AttentiveProbe {
    /// The mean loss of the last epoch.
    pub loss: f64,
    network: Network,
    device: Device,
}

/// Tokens of images, as rows of all their numbers.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    /// `(n, tokens * width)`, token by token.
    pub rows: &'a Matrix,
    /// Numbers a token; it divides the columns.
    pub width: usize,
}

impl Tokens<'_> {
    /// Those of some rows, `(k, tokens, width)`.
    fn of(self, rows: &[usize], device: Device) -> Result<Tensor, Error> {
        let Self { rows: all, width } = self;
        let view = all.view();
        let mut values = Vec::with_capacity(rows.len() * all.cols());
        for &row in rows {
            values.extend_from_slice(view.row(row));
        }
        let shape = [rows.len() as i64, -1, width as i64];
        Ok(Tensor::f_from_slice(&values)?
            .f_reshape(shape)?
            .f_to_device(device)?)
    }
}

#[derive(Debug)]
struct Network {
    norm: LayerNorm,
    /// `(1, heads, 1, d)`.
    query: Tensor,
    pairs: Linear,
    scores: Linear,
    heads: i64,
}

impl Network {
    fn new(path: &nn::Path, width: usize, classes: usize) -> Result<Self, Error> {
        let heads = match width % OF_HEAD {
            0 => width / OF_HEAD,
            _ => 1,
        };
        let shape = [1, heads as i64, 1, (width / heads) as i64];
        let init = Init::Randn {
            mean: 0.0,
            stdev: DEVIATION,
        };
        let linear =
            |name: &str, outputs| Linear::normal(&(path / name), width, outputs, true, DEVIATION);
        Ok(Self {
            norm: LayerNorm::new(&(path / "norm"), width, 1e-6)?,
            query: path.f_var("query", &shape, init)?,
            pairs: linear("pairs", 2 * width)?,
            scores: linear("scores", classes)?,
            heads: heads as i64,
        })
    }

    /// Tokens `(n, t, width)` to scores `(n, classes)`.
    fn forward(&self, tokens: &Tensor) -> Result<Tensor, Error> {
        let (n, t, width) = tokens.size3()?;
        let precision = Precision::F32;
        let x = self.norm.forward(tokens)?;
        let pairs = self
            .pairs
            .forward(&x, precision)?
            .f_reshape([n, t, 2, self.heads, width / self.heads])?
            .f_permute([2, 0, 3, 1, 4])?;
        let query = self.query.f_expand([n, -1, -1, -1], false)?;
        let gathered = Tensor::f_scaled_dot_product_attention(
            &query,
            &pairs.f_get(0)?,
            &pairs.f_get(1)?,
            None::<&Tensor>,
            0.0,
            false,
            None::<f64>,
            false,
        )?;
        self.scores
            .forward(&gathered.f_reshape([n, width])?, precision)
    }
}

impl AttentiveProbe {
    /// Fits a probe to the tokens of the images `rows`, whose classes `labels` has, below
    /// `classes`; `epoch` is told each epoch that is done, from 1, and its mean loss. The same seed
    /// gives the same probe.
    ///
    /// # Errors
    /// Where `rows` is empty, the width does not divide the columns, a loss is not finite, or
    /// libtorch runs out of memory.
    pub fn fit(
        tokens: Tokens<'_>,
        (rows, labels, classes): (&[usize], &[usize], usize),
        config: &AttentiveConfig,
        (seed, device): (u64, Device),
        mut epoch: impl FnMut(u64, f64),
    ) -> Result<Self, Error> {
        let columns = tokens.rows.cols();
        if rows.is_empty() || tokens.width == 0 || !columns.is_multiple_of(tokens.width) {
            let expected = "rows of whole tokens";
            let found = format!("{} rows of {columns} numbers", rows.len());
            return Err(Error::argument("tokens", expected, found));
        }
        let mut variables = nn::VarStore::new(Device::Cpu);
        let network = seeded(seed, || {
            Network::new(&variables.root(), tokens.width, classes)
        })?;
        variables.set_device(device);
        let adamw = AdamwConfig {
            weight_decay: config.weight_decay,
            ..AdamwConfig::default()
        };
        let parameters: Vec<_> = variables.variables().into_iter().collect();
        let groups = vec![ParamGroup::undecayed()];
        let config_of_steps = OptimizerConfig::Adamw(adamw);
        let mut optimizer = Optimizer::with_groups(&config_of_steps, parameters, groups)?;
        let schedule = ScheduleConfig::Cosine {
            warmup: 0.0,
            end: 0.0,
        };
        let batch = config.batch.clamp(1, rows.len());
        let steps = rows.len().div_ceil(batch) as u64;
        let (mut step, mut mean) = (0, 0.0);
        let _settled = affinity::settle();
        for number in 0..config.epochs {
            let order = Stream::at([seed, number, 0, 0]).permutation(rows.len());
            let mut sum = 0.0;
            for places in order.chunks(batch) {
                let chosen: Vec<usize> = places.iter().map(|&place| rows[place]).collect();
                let targets: Vec<i64> = chosen.iter().map(|&row| labels[row] as i64).collect();
                let targets = Tensor::f_from_slice(&targets)?.f_to_device(device)?;
                let scores = network.forward(&tokens.of(&chosen, device)?)?;
                let loss = scores.f_cross_entropy_loss::<Tensor>(
                    &targets,
                    None,
                    Reduction::Mean,
                    -100,
                    0.0,
                )?;
                optimizer.zero_grad();
                loss.f_backward()?;
                let rate = schedule.rate(config.learning_rate, step, steps, config.epochs);
                optimizer.step(rate)?;
                step += 1;
                sum += loss.f_double_value(&[])? * places.len() as f64;
            }
            mean = sum / rows.len() as f64;
            if !mean.is_finite() {
                let expected = "finite tokens";
                return Err(Error::argument(
                    "tokens",
                    expected,
                    format!("a loss of {mean}"),
                ));
            }
            epoch(number + 1, mean);
        }
        Ok(Self {
            loss: mean,
            network,
            device,
        })
    }

    /// Scores `(n, classes)` of the images of `tokens`.
    ///
    /// # Errors
    /// Where the tokens have another width, or libtorch runs out of memory.
    pub fn scores(&self, tokens: Tokens<'_>) -> Result<Matrix, Error> {
        let _guard = tch::no_grad_guard();
        let all: Vec<usize> = (0..tokens.rows.rows()).collect();
        let mut values = Vec::new();
        let mut classes = 0;
        for rows in all.chunks(256) {
            let scores = self.network.forward(&tokens.of(rows, self.device)?)?;
            classes = scores.size()[1] as usize;
            let scores = scores.f_to_device(Device::Cpu)?.f_flatten(0, -1)?;
            values.extend(Vec::<f32>::try_from(&scores)?);
        }
        let rows = all.len();
        Ok(Matrix::new(values, rows, classes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 8;
    const PLACES: usize = 8;

    /// Noise, and at one place of eight, another in each image, a token that is marked and holds
    /// the class. The others hold classes, too, so that each is there twice, and the mean of all
    /// says nothing.
    fn planted(count: usize, salt: u64) -> (Matrix, Vec<usize>) {
        let mut stream = e2mc_data::stream(salt, 0, 0, 0);
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for image in 0..count {
            let class = image % 4;
            labels.push(class);
            let marked = (stream.uniform() * PLACES as f32) as usize % PLACES;
            // What is left of each class twice, from another one on in each image.
            let mut left = vec![0, 0, 1, 1, 2, 2, 3, 3];
            left.remove(2 * class);
            left.rotate_left(image / 4 % 7);
            for place in 0..PLACES {
                let shown = match place == marked {
                    true => class,
                    false => left.pop().unwrap(),
                };
                for dim in 0..WIDTH {
                    let noise = stream.uniform() - 0.5;
                    let signal = f32::from(u8::from(dim == shown))
                        + f32::from(u8::from(dim == 7 && place == marked));
                    values.push(2.0 * signal + 0.2 * noise);
                }
            }
        }
        let matrix = Matrix::new(values, count, PLACES * WIDTH).unwrap();
        (matrix, labels)
    }

    fn accuracy(scores: &Matrix, labels: &[usize]) -> f64 {
        let best = |row: &[f32]| {
            let places = row.iter().enumerate();
            places.max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0
        };
        let right = (0..labels.len()).filter(|&row| best(scores.view().row(row)) == labels[row]);
        right.count() as f64 / labels.len() as f64
    }

    #[test]
    fn it_finds_the_place_that_tells_the_class_and_is_the_same_again() {
        let (train, labels) = planted(400, 1);
        let (test, test_labels) = planted(200, 2);
        let rows: Vec<usize> = (0..400).collect();
        let config = AttentiveConfig {
            epochs: 30,
            learning_rate: 1e-2,
            ..AttentiveConfig::default()
        };
        let tokens = |rows| Tokens { rows, width: WIDTH };
        let fit = || {
            let mut told = Vec::new();
            let learned = (&rows[..], &labels[..], 4);
            let probe = AttentiveProbe::fit(
                tokens(&train),
                learned,
                &config,
                (3, Device::Cpu),
                |epoch, loss| told.push((epoch, loss)),
            );
            (probe.unwrap(), told)
        };
        let (probe, told) = fit();
        assert_eq!(told.len(), 30);
        assert!(told[29].1 < 0.3 * told[0].1, "{told:?}");
        assert_eq!(probe.loss, told[29].1);
        let scores = probe.scores(tokens(&test)).unwrap();
        let found = accuracy(&scores, &test_labels);
        assert!(found > 0.9, "{found}");
        assert_eq!(fit().0.scores(tokens(&test)).unwrap().data(), scores.data());
        // A linear layer of the mean over places cannot tell them.
        let mean = |tokens: &Matrix| {
            let rows = tokens.rows();
            let tensor = Tensor::from_slice(tokens.data());
            let tensor = tensor.reshape([rows as i64, PLACES as i64, WIDTH as i64]);
            let mean = tensor.mean_dim([1i64].as_slice(), false, tch::Kind::Float);
            Matrix::new(Vec::try_from(mean.flatten(0, -1)).unwrap(), rows, WIDTH).unwrap()
        };
        let learned = (&rows[..], &labels[..], 4);
        let single = mean(&train);
        let pooled = AttentiveProbe::fit(
            tokens(&single),
            learned,
            &config,
            (3, Device::Cpu),
            |_, _| (),
        );
        let pooled = pooled.unwrap().scores(tokens(&mean(&test))).unwrap();
        let without = accuracy(&pooled, &test_labels);
        assert!(without < 0.5, "{without} {found}");
    }

    #[test]
    fn rows_that_are_no_whole_tokens_are_refused() {
        let (train, labels) = planted(8, 1);
        let fit = |rows: &[usize], width| {
            let learned = (rows, &labels[..], 4);
            let tokens = Tokens {
                rows: &train,
                width,
            };
            let config = AttentiveConfig::default();
            AttentiveProbe::fit(tokens, learned, &config, (0, Device::Cpu), |_, _| ()).unwrap_err()
        };
        for error in [fit(&[], WIDTH), fit(&[0, 1], 7)] {
            assert!(
                error.to_string().contains("rows of whole tokens"),
                "{error}"
            );
        }
    }
}
