//! Options of `adapt`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use e2mc_eval::adapt::{AutoConfig, Method, Shrinkage, Use, Whiten};

use super::heading;
use super::value::{device, level};
use super::{CheckpointOptions, DtypeName, ImageOptions, PreparationOptions, machine};

/// Options of `adapt`.
#[derive(Args, Debug)]
pub struct AdaptOptions {
    /// Embeddings (n, d) (required without --checkpoint)
    ///
    /// FILE.npy, FILE.npz:ARRAY or FILE.safetensors:TENSOR.
    #[arg(value_name = "EMBEDDINGS", required_unless_present = "checkpoint")]
    pub file: Option<String>,
    /// Checkpoint or model file that embeds --data, instead of EMBEDDINGS
    #[arg(help_heading = heading::CHECKPOINT,
        long,
        value_name = "FILE",
        requires = "data",
        conflicts_with_all = ["file", "apply", "labels", "second_view"]
    )]
    pub checkpoint: Option<PathBuf>,
    /// How the checkpoint is read.
    #[command(flatten)]
    pub reading: CheckpointOptions,
    /// Folder of images for --checkpoint
    ///
    /// The training split is used, with its labels. Without labels, random views of the images
    /// choose the map.
    #[arg(help_heading = heading::IMAGES, long, value_name = "DIR", requires = "checkpoint")]
    pub data: Option<PathBuf>,
    /// How the images are opened.
    #[command(flatten)]
    pub images: ImageOptions,
    /// How they are prepared for the network.
    #[command(flatten)]
    pub preparation: PreparationOptions,
    /// Output of the network to take; `embed` lists them
    #[arg(help_heading = heading::CHECKPOINT,
        long,
        value_name = "NAME",
        default_value = "backbone",
        requires = "checkpoint"
    )]
    pub output: String,
    /// Device of the network: cpu or cuda:N
    #[arg(
        help_heading = heading::MACHINE,
        long,
        default_value = "cpu",
        value_parser = device,
        requires = "checkpoint"
    )]
    pub device: String,
    /// Class numbers of the rows, used to choose and verify the map
    ///
    /// FILE.npy, FILE.npz:ARRAY or FILE.safetensors:TENSOR, one whole number per row.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["apply", "second_view"])]
    pub labels: Option<String>,
    /// Embeddings of another view of the same images, if there are no labels
    ///
    /// Row by row in the same order.
    #[arg(long, value_name = "EMBEDDINGS", conflicts_with = "apply")]
    pub second_view: Option<String>,
    /// Method to fit the map with
    ///
    /// auto compares all of them. It keeps the embeddings as they are unless a gain is significant
    /// at --level.
    #[arg(
        help_heading = heading::ADAPT,
        long,
        value_enum,
        default_value_t = MethodName::Auto,
        conflicts_with = "apply"
    )]
    pub method: MethodName,
    /// Strength of whitening, from 0 (centre only) to 1 (full) [default: 1]
    ///
    /// 1 gives all directions the same variance.
    #[arg(help_heading = heading::ADAPT, long, value_name = "S", conflicts_with = "apply")]
    pub strength: Option<f64>,
    /// Smallest variance in whitening, as a share of the largest
    ///
    /// Without it, whitening uses Ledoit-Wolf's shrinkage.
    #[arg(help_heading = heading::ADAPT, long, value_name = "F", conflicts_with = "apply")]
    pub floor: Option<f64>,
    /// Scale mapped rows to length 1 as the last step; auto tries both
    #[arg(help_heading = heading::ADAPT, long, conflicts_with = "apply")]
    pub unit_length: bool,
    /// Use of the embeddings; each use gets its own map
    #[arg(
        long = "for",
        value_name = "USE",
        value_enum,
        value_delimiter = ',',
        default_values_t = [UseName::Neighbours],
        conflicts_with = "apply"
    )]
    pub uses: Vec<UseName>,
    /// Significance level: the probability of a false claim of a gain
    #[arg(
        help_heading = heading::ADAPT,
        value_name = "P",
        long,
        default_value_t = 0.05,
        value_parser = level,
        conflicts_with = "apply"
    )]
    pub level: f64,
    /// Apply this map to the embeddings instead of fitting one
    #[arg(long, value_name = "MAP.safetensors")]
    pub apply: Option<PathBuf>,
    /// File to write: the map, or the mapped embeddings (required)
    ///
    /// A map is MAP.safetensors (MAP.USE.safetensors for several uses). Mapped embeddings are
    /// OUT.npy or OUT.safetensors.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Replace --out if it exists, instead of refusing
    #[arg(long)]
    pub overwrite: bool,
    /// Number format of the mapped embeddings
    #[arg(long, value_enum, default_value_t = DtypeName::Float32, requires = "apply")]
    pub dtype: DtypeName,
    /// Seed of all random choices
    #[arg(help_heading = heading::MACHINE, long, default_value_t = 0, conflicts_with = "apply")]
    pub seed: u64,
    /// Threads [default: the number of cores]
    #[arg(
        help_heading = heading::MACHINE,
        value_name = "N",
        long,
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    pub threads: Option<u16>,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = heading::RESULT)]
    pub json: bool,
}

/// How a map is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MethodName {
    /// Compare all on held-out rows, verify the best on others
    Auto,
    /// Keep the embeddings as they are
    None,
    /// Subtract the mean
    Center,
    /// Give each dimension mean 0 and variance 1
    Standardise,
    /// Divide each direction by a power of its standard deviation
    Whiten,
    /// Remove the mean and the strongest directions (all but the top)
    Abtt,
    /// Train a linear map with the criterion
    E2mc,
}

/// What embeddings are used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UseName {
    /// Retrieval, and k-NN over all labels
    Neighbours,
    /// A plain linear layer by SGD, as in the paper and in fine-tuning
    SgdHead,
    /// Logistic regression with a tuned penalty
    Classifier,
}

impl From<UseName> for Use {
    fn from(name: UseName) -> Self {
        match name {
            UseName::Neighbours => Self::Neighbours,
            UseName::SgdHead => Self::SgdHead,
            UseName::Classifier => Self::Classifier,
        }
    }
}

impl AdaptOptions {
    /// The one method that was named, with its settings; none for auto.
    pub fn method(&self) -> Option<Method> {
        Some(match self.method {
            MethodName::Auto => return None,
            MethodName::None => Method::None,
            MethodName::Center => Method::Center,
            MethodName::Standardise => Method::Standardise,
            MethodName::Whiten => Method::Whiten(Whiten {
                strength: self.strength.unwrap_or(Whiten::default().strength),
                shrinkage: self.floor.map_or_else(Shrinkage::default, Shrinkage::Floor),
            }),
            MethodName::Abtt => Method::Abtt { components: None },
            MethodName::E2mc => Method::E2mc(Default::default()),
        })
    }

    /// How a map is chosen and verified; looks are counted beside the map.
    pub fn config(&self) -> AutoConfig {
        AutoConfig {
            uses: self.uses.iter().map(|&name| name.into()).collect(),
            level: self.level,
            seed: self.seed,
            looks: Some(self.looks()),
            ..AutoConfig::default()
        }
    }

    /// The file that looks at held-out rows are counted in: `MAP.looks.json`.
    pub fn looks(&self) -> PathBuf {
        self.out.with_extension("looks.json")
    }

    /// The file of the map for one of the uses.
    pub fn map_file(&self, usage: Use) -> PathBuf {
        match self.uses.len() {
            1 => self.out.clone(),
            _ => self.out.with_extension(format!("{usage}.safetensors")),
        }
    }

    /// The number of threads: what was typed, or one for each core that the process may use.
    pub fn threads(&self) -> usize {
        machine::threads(self.threads)
    }
}
