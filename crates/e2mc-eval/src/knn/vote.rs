//! Counting the neighbours' votes.

use super::search::Neighbour;
use super::{KnnConfig, Vote};

/// The voters' classes and the rule of the vote.
pub(super) struct Ballot<'a> {
    /// The distinct labels, ascending: a class's place here is its number in the count.
    labels: Vec<usize>,
    /// The class number of each training row.
    classes: Vec<u32>,
    /// The places of `config.ks` by ascending k.
    order: Vec<usize>,
    config: &'a KnnConfig,
}

impl<'a> Ballot<'a> {
    pub(super) fn new(train_labels: &[usize], config: &'a KnnConfig) -> Self {
        let mut labels = train_labels.to_vec();
        labels.sort_unstable();
        labels.dedup();
        let classes = train_labels
            .iter()
            .map(|l| labels.partition_point(|x| x < l) as u32)
            .collect();
        let mut order: Vec<usize> = (0..config.ks.len()).collect();
        order.sort_by_key(|&i| config.ks[i]);
        Self {
            labels,
            classes,
            order,
            config,
        }
    }

    /// Room for one count.
    pub(super) fn box_of_votes(&self) -> Vec<f64> {
        vec![0.0; self.labels.len()]
    }

    /// The winning label for each k, in the order of the configuration; `neighbours` are best first.
    pub(super) fn count(&self, neighbours: &[Neighbour], votes: &mut [f64]) -> Vec<usize> {
        votes.fill(0.0);
        let mut winners = vec![0; self.config.ks.len()];
        let mut counted = 0;
        for &place in &self.order {
            let k = self.config.ks[place];
            for neighbour in &neighbours[counted..k] {
                let class = self.classes[neighbour.index as usize] as usize;
                votes[class] += match self.config.vote {
                    Vote::Majority => 1.0,
                    // Relative to the nearest, so that no temperature overflows; the winner is the same.
                    Vote::Weighted => {
                        let behind = neighbour.similarity - neighbours[0].similarity;
                        (f64::from(behind) / self.config.temperature).exp()
                    }
                };
            }
            counted = k;
            let winner = (1..votes.len()).fold(0, |w, c| if votes[c] > votes[w] { c } else { w });
            winners[place] = self.labels[winner];
        }
        winners
    }
}
