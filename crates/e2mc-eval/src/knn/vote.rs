//! Counting the neighbours' votes.

use super::search::Neighbour;
use super::{KnnConfig, RANKED, Vote};

/// The voters' classes and the rules of the vote.
pub(super) struct Ballot<'a> {
    /// The distinct labels, ascending: a class's place here is its number in the count.
    labels: Vec<usize>,
    /// The class number of each training row.
    classes: Vec<u32>,
    /// The places of `config.ks` by ascending k.
    order: Vec<usize>,
    config: &'a KnnConfig,
}

/// The votes of each class.
pub(super) struct Votes {
    of_class: Vec<f64>,
    /// The classes that have any.
    voted: Vec<u32>,
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

    /// The combinations of k and vote, in the order of their results.
    pub(super) fn elections(&self) -> impl Iterator<Item = (usize, Vote)> + '_ {
        let votes = &self.config.votes;
        let of_k = |&k| votes.iter().map(move |&vote| (k, vote));
        self.config.ks.iter().flat_map(of_k)
    }

    /// Room for one count.
    pub(super) fn box_of_votes(&self) -> Votes {
        Votes {
            of_class: vec![0.0; self.labels.len()],
            voted: Vec::new(),
        }
    }

    /// The leading labels of each election, in their order; `neighbours` are best first.
    pub(super) fn count(
        &self,
        neighbours: &[Neighbour],
        votes: &mut Votes,
    ) -> Vec<[Option<usize>; RANKED]> {
        let KnnConfig {
            ks, votes: rules, ..
        } = self.config;
        let mut leading = vec![[None; RANKED]; ks.len() * rules.len()];
        for (rule, &vote) in rules.iter().enumerate() {
            let mut counted = 0;
            for &place in &self.order {
                for neighbour in &neighbours[counted..ks[place]] {
                    let class = self.classes[neighbour.index as usize];
                    let count = &mut votes.of_class[class as usize];
                    if !votes.voted.contains(&class) {
                        votes.voted.push(class);
                    }
                    *count += match vote {
                        Vote::Majority => 1.0,
                        // Relative to the nearest, so that no temperature overflows; the winner is
                        // the same.
                        Vote::Weighted => {
                            let behind = neighbour.similarity - neighbours[0].similarity;
                            (f64::from(behind) / self.config.temperature).exp()
                        }
                    };
                }
                counted = ks[place];
                leading[place * rules.len() + rule] = self.leading(votes);
            }
            for class in votes.voted.drain(..) {
                votes.of_class[class as usize] = 0.0;
            }
        }
        leading
    }

    /// The labels of most votes; of equal ones the lower first.
    fn leading(&self, votes: &mut Votes) -> [Option<usize>; RANKED] {
        let Votes { of_class, voted } = votes;
        voted.sort_unstable_by(|&a, &b| {
            let (for_a, for_b) = (of_class[a as usize], of_class[b as usize]);
            for_b.total_cmp(&for_a).then(a.cmp(&b))
        });
        let mut leading = [None; RANKED];
        for (place, &class) in leading.iter_mut().zip(&*voted) {
            *place = Some(self.labels[class as usize]);
        }
        leading
    }
}
