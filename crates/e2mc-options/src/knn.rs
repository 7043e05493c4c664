//! Options of `knn`.

use clap::{Args, ValueEnum};
use e2mc_eval::protocol::NeighbourPlan;
use e2mc_eval::{KnnConfig, Vote};

use super::value::bytes;
use super::{EmbeddingsOptions, MachineOptions, ProcessOptions, RecordOptions};

/// Options of `knn`.
#[derive(Args, Debug)]
pub struct KnnOptions {
    /// The features to evaluate.
    #[command(flatten)]
    pub embeddings: EmbeddingsOptions,
    /// Numbers of neighbours; one search serves them all
    #[arg(value_name = "K,…", long, value_delimiter = ',', default_values_t = [20])]
    pub k: Vec<usize>,
    /// Weight of each neighbour's vote
    #[arg(long, value_enum, default_value_t = VoteName::Both)]
    pub vote: VoteName,
    /// Temperature T of the weights exp(similarity / T)
    #[arg(value_name = "T", long, default_value_t = 0.07)]
    pub temperature: f64,
    /// Memory for the search, such as 512M or 4G [default: no limit]
    ///
    /// With a limit, training files are read in pieces.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub memory: Option<usize>,
    /// Device, threads and seed.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Number of processes.
    #[command(flatten)]
    pub processes: ProcessOptions,
    /// Where the result goes.
    #[command(flatten)]
    pub record: RecordOptions,
}

/// How much each neighbour's vote counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VoteName {
    /// One vote each
    Majority,
    /// exp(similarity / T)
    Weighted,
    /// Both, with one result for each
    Both,
}

impl KnnOptions {
    /// How neighbours vote.
    pub fn plan(&self) -> NeighbourPlan {
        NeighbourPlan {
            config: KnnConfig {
                ks: self.k.clone(),
                votes: match self.vote {
                    VoteName::Majority => vec![Vote::Majority],
                    VoteName::Weighted => vec![Vote::Weighted],
                    VoteName::Both => vec![Vote::Weighted, Vote::Majority],
                },
                temperature: self.temperature,
            },
            memory: self.memory,
        }
    }
}
