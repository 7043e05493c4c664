//! What stands out, in plain sentences: one embedding against what it should be, or after against
//! before.

use e2mc::Transform;

use super::Subject;
use super::change::changes;
use crate::number::{fixed, significant};
use crate::verdict::{Finding, Verdict};

/// Directions of a mean cosine above this are a cone, near 1 a single point.
const CONE: f64 = 0.5;
/// Mean nats from uniform under which the marginals need no remark.
const NEAR_UNIFORM: f64 = 0.1;
/// Shared area of the neighbour histograms above which single images do not stand apart.
const OVERLAP: f64 = 0.5;

/// The findings of one subject, or of several against the first; what worries first.
///
/// # Panics
/// Without a subject.
#[must_use]
pub fn findings(subjects: &[Subject]) -> Vec<Finding> {
    let (first, others) = subjects.split_first().expect("at least one subject");
    let mut findings = Vec::new();
    for other in others {
        findings.extend(changes(first, other));
    }
    if !others.is_empty() {
        findings.push(Finding::note(
            "None of these differences has an interval, so none is called better or worse. Measure \
             the quality for a task with `e2mc probe`.",
        ));
    }
    let last = others.last().unwrap_or(first);
    let mut own = alone(last);
    if !others.is_empty() {
        let name = match last.name.split_once(": ") {
            Some(("after", _)) => "After",
            _ => last.name.as_str(),
        };
        for finding in &mut own {
            finding.text = format!("{name}: {}", finding.text);
        }
        // What is fine afterwards is in the comparison, and so is what none of this says.
        own.retain(|finding| finding.verdict == Verdict::Concern);
    }
    own.sort_by_key(|finding| match finding.verdict {
        Verdict::Concern => 0,
        Verdict::Good => 1,
        _ => 2,
    });
    findings.extend(own);
    findings
}

fn finding(concern: bool, text: String) -> Finding {
    let verdict = if concern {
        Verdict::Concern
    } else {
        Verdict::Good
    };
    Finding { verdict, text }
}

fn alone(subject: &Subject) -> Vec<Finding> {
    let d = &subject.diagnostics;
    let mut findings = vec![dead(subject)];
    // What needs two dimensions that vary.
    let compared = d.dims - d.dimensions.dead.len() >= 2;
    if compared {
        findings.push(copies(subject));
    }
    if let Some(uniformity) = &d.uniformity {
        findings.push(finding(
            uniformity.mean_cosine > CONE,
            if uniformity.mean_cosine > 0.99 {
                format!(
                    "All rows point in nearly the same direction (mean cosine {:.4}): the \
                     embedding has collapsed to about one direction.",
                    uniformity.mean_cosine
                )
            } else {
                format!(
                    "Two rows have a mean cosine of {}; 0 means evenly spread around the origin, 1 \
                     a single direction. Uniformity is {} (0 is one point, lower is more even).",
                    fixed(uniformity.mean_cosine, 3),
                    fixed(uniformity.uniformity, 3)
                )
            },
        ));
    }
    findings.push(rank(subject));
    findings.push(marginals(subject));
    if compared {
        findings.push(correlation(subject));
    }
    findings.extend(pairs(subject));
    findings.push(neighbours(subject));
    if d.zero_rows > 0 {
        findings.push(finding(
            true,
            format!(
                "{} of {} rows are all zeros and have no direction; the uniformity excludes them.",
                d.zero_rows, d.rows
            ),
        ));
    }
    if let Some(lidar) = subject.lidar {
        findings.push(Finding::note(format!(
            "LiDAR over {} views of each image is {lidar:.1} of {} dimensions: directions in which \
             images differ by more than the views of one image. Alignment is {}.",
            subject.views,
            d.dims,
            subject.alignment.map_or("unknown".into(), |a| format!(
                "{a:.3} (0 means equal views, 2 unrelated ones)"
            ))
        )));
    }
    findings.push(sampled(subject));
    findings.push(Finding::note(
        "This describes the shape of the embedding, not its worth for a task, which `e2mc knn` or \
         `e2mc probe` measures with labels.",
    ));
    findings
}

fn dead(subject: &Subject) -> Finding {
    let (count, dims) = (
        subject.diagnostics.dimensions.dead.len(),
        subject.diagnostics.dims,
    );
    if count == 0 {
        finding(
            false,
            format!("None of the {dims} dimensions is nearly constant."),
        )
    } else {
        finding(
            true,
            format!(
                "{count} of {dims} dimensions {} nearly constant.",
                are(count)
            ),
        )
    }
}

/// A number of things, with commas where it is long.
fn count(things: usize) -> String {
    fixed(things as f64, 0)
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn copies(subject: &Subject) -> Finding {
    let dimensions = &subject.diagnostics.dimensions;
    match dimensions.redundant() {
        0 => finding(
            false,
            "No dimension copies another (correlation above 0.999).".into(),
        ),
        count => {
            let largest = dimensions.duplicates.iter().max_by_key(|group| group.len());
            let largest = largest.map_or(&[][..], Vec::as_slice);
            let named: Vec<String> = largest.iter().take(4).map(usize::to_string).collect();
            let more = match largest.len() - named.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let groups = match dimensions.duplicates.len() {
                1 => "in one group".into(),
                groups => format!("in {groups} groups, the largest of them"),
            };
            finding(
                true,
                format!(
                    "{count} dimension{} another up to scale and sign (correlation above 0.999), \
                     {groups}: {}{more}.",
                    if count == 1 { " copies" } else { "s copy" },
                    named.join(", ")
                ),
            )
        }
    }
}

fn rank(subject: &Subject) -> Finding {
    let (d, spectrum) = (&subject.diagnostics, &subject.diagnostics.spectrum);
    let most = d.dims.min(d.rows);
    let share = spectrum.rankme / most as f64;
    // RankMe takes the mean for a direction like any other, the variance is around it.
    let variance = match spectrum.directions_99 {
        0 => "around their mean the rows do not vary".into(),
        1 => "around the mean one direction holds 99 % of the variance".into(),
        count => format!(
            "around the mean {count} hold 99 % of the variance, the strongest alone {:.1} %",
            100.0 * spectrum.top_share
        ),
    };
    Finding {
        verdict: match share {
            share if share < 0.1 => Verdict::Concern,
            share if share < 0.5 => Verdict::Note,
            _ => Verdict::Good,
        },
        text: format!(
            "The embedding uses about {:.0} of {most} directions (RankMe {:.1}); {variance}.",
            spectrum.rankme, spectrum.rankme
        ),
    }
}

fn transform(subject: &Subject) -> &'static str {
    match subject.transform {
        Transform::Sigmoid => "sigmoid",
        Transform::Gaussian => "Gaussian map",
    }
}

fn marginals(subject: &Subject) -> Finding {
    let marginals = &subject.diagnostics.marginals;
    let order = marginals.by_entropy();
    let (worst, best) = (order[0], order[order.len() - 1]);
    let away = |j: usize| (-marginals.entropy[j]).max(0.0);
    let mean = (-marginals.mean_entropy).max(0.0);
    finding(
        mean > NEAR_UNIFORM,
        format!(
            "The dimensions are {mean:.3} nats from uniform on average after the {}: dimension \
             {worst} the farthest ({:.2}), dimension {best} the nearest ({:.2}).",
            transform(subject),
            away(worst),
            away(best)
        ),
    )
}

fn correlation(subject: &Subject) -> Finding {
    let (d, dimensions) = (&subject.diagnostics, &subject.diagnostics.dimensions);
    // The mean absolute correlation of independent dimensions.
    let chance = (2.0 / (std::f64::consts::PI * d.rows as f64)).sqrt();
    let most = dimensions.most_correlated.map_or(String::new(), |pair| {
        format!(
            "; the strongest is {}, of dimensions {} and {}",
            fixed(pair.correlation, 3),
            pair.first,
            pair.second
        )
    });
    finding(
        dimensions.mean_absolute_correlation > (3.0 * chance).max(0.1),
        format!(
            "The mean absolute correlation of two dimensions is {:.3}; for independent ones with \
             {} rows it would be {chance:.3}{most}.",
            dimensions.mean_absolute_correlation, d.rows
        ),
    )
}

fn pairs(subject: &Subject) -> Vec<Finding> {
    let Some(pairs) = &subject.diagnostics.pairs else {
        return vec![Finding::note(
            "Too few rows to test pairs of dimensions for independence: at least 20 rows and two \
             varying dimensions are needed.",
        )];
    };
    let share = 100.0 * pairs.dependent as f64 / pairs.pairs as f64;
    let mut findings = vec![finding(
        pairs.dependent > 0,
        if pairs.dependent == 0 {
            format!(
                "No pair of dimensions is found dependent: independence is rejected at 5 % for \
                 none of {} pairs, after correction for their number.",
                count(pairs.pairs)
            )
        } else {
            format!(
                "Of {} pairs of dimensions {} ({share:.1} %) depend on each other beyond chance. On \
                 average a pair shares {:.4} nats of information (0 means independent).",
                count(pairs.pairs),
                count(pairs.dependent),
                pairs.mean_mutual_information
            )
        },
    )];
    if let Some(hidden) = pairs
        .most_hidden
        .first()
        .filter(|pair| pair.p_corrected < 0.05)
    {
        findings.push(finding(
            hidden.mutual_information > 0.05,
            format!(
                "Dimensions {} and {} are nearly uncorrelated ({}) but dependent: they share {:.2} \
                 nats. Covariance cannot detect this.",
                hidden.first,
                hidden.second,
                fixed(hidden.correlation, 3),
                hidden.mutual_information
            ),
        ));
    }
    findings
}

fn neighbours(subject: &Subject) -> Finding {
    let neighbours = &subject.diagnostics.neighbours;
    let copies = match neighbours.copies {
        0 => String::new(),
        count => format!(
            " {count} of {} query rows have an exact copy.",
            neighbours.queries
        ),
    };
    match (neighbours.hundredth_mean, neighbours.overlap) {
        (Some(far), Some(overlap)) => finding(
            overlap > OVERLAP || neighbours.copies > 0,
            format!(
                "The nearest neighbour is {} away on average, the 100th {}; the two histograms \
                 overlap in {:.1} % of their area (0 % is full separation).{copies}",
                significant(neighbours.first_mean),
                significant(far),
                100.0 * overlap
            ),
        ),
        _ => finding(
            neighbours.copies > 0,
            format!(
                "The nearest neighbour is {} away on average; there is no 100th neighbour of {} \
                 rows.{copies}",
                significant(neighbours.first_mean),
                neighbours.rows
            ),
        ),
    }
}

fn sampled(subject: &Subject) -> Finding {
    let d = &subject.diagnostics;
    let mut parts = Vec::new();
    if d.marginal_rows < d.rows {
        parts.push(format!("marginal entropies of {} rows", d.marginal_rows));
    }
    if d.neighbours.queries < d.rows {
        parts.push(format!(
            "neighbours of {} query rows among all rows",
            d.neighbours.queries
        ));
    }
    if let Some(uniformity) = &d.uniformity
        && uniformity.rows + d.zero_rows < d.rows
    {
        parts.push(format!(
            "uniformity of the pairs of {} rows",
            uniformity.rows
        ));
    }
    if let Some(pairs) = &d.pairs {
        if pairs.rows < d.rows {
            parts.push(format!("pairs of dimensions with {} rows", pairs.rows));
        }
        if pairs.dimensions < d.dims {
            parts.push(format!("pairs of {} of the dimensions", pairs.dimensions));
        }
    }
    if parts.is_empty() {
        Finding::note(format!("All figures use all {} rows.", d.rows))
    } else {
        Finding::note(format!(
            "Covariance, correlation and spectrum use all {} rows; evenly sampled: {}.",
            d.rows,
            parts.join("; ")
        ))
    }
}
