//! Results compared fit by fit: a line for each protocol and fraction of the labels.

use std::path::PathBuf;

use anyhow::{Context, Result};
use e2mc_cli::options::CompareOptions;
use e2mc_cli::output;
use e2mc_eval::protocol::{ComparedLine, Judged, MatchedLine, compare_lines, match_fits};
use e2mc_record::{EvaluationResult, FoundResult};
use e2mc_report::pages::comparison::{COVERS, Line};
use e2mc_report::pages::images::{Images, of_results};
use e2mc_report::signed;
use serde_json::{Value, json};

use super::files::small;
use super::{confidence, one_or_all, short_names};

/// What stands where nothing tells two models apart.
const NEITHER: &str = "–";

/// Results against the first.
pub(super) struct Results {
    first: PathBuf,
    /// The lines of each other result.
    others: Vec<(PathBuf, Vec<ComparedLine>)>,
    /// What was left out, in words.
    pub(super) left_out: Vec<String>,
    /// Where images were prepared otherwise for the two, in words.
    pub(super) preprocessing: Vec<String>,
    /// Lines that intervals and p-values are corrected for.
    count: usize,
    level: f64,
    found: Vec<FoundResult>,
}

/// Matches the fits of every result with the first's, and compares all lines together.
pub(super) fn compare_results(options: &CompareOptions, paths: &[PathBuf]) -> Result<Results> {
    let read = |path: &PathBuf| -> Result<FoundResult> {
        Ok(FoundResult {
            result: EvaluationResult::read(path)?,
            path: path.clone(),
        })
    };
    let found = paths.iter().map(read).collect::<Result<Vec<_>>>()?;
    let (mut lines, mut sizes, mut left_out) = (Vec::<MatchedLine>::new(), Vec::new(), Vec::new());
    let mut preprocessing = Vec::new();
    for (other, name) in found[1..].iter().zip(&options.others) {
        let both = || format!("{} and {}", options.first.display(), name.display());
        let matches = match_fits(Judged::from(&found[0]), Judged::from(other))?;
        let matched = match options.common {
            true => {
                let unmatched = matches.unmatched.iter().map(ToString::to_string);
                let own: Vec<String> = unmatched.collect();
                let matched = matches.common().with_context(both)?;
                if !own.is_empty() {
                    output::warning(&format!("{}: left out are\n  {}", both(), own.join("\n  ")));
                }
                left_out.extend(own);
                matched
            }
            false => matches.all().with_context(both)?,
        };
        let prepared = (&found[0].result.preprocessing, &other.result.preprocessing);
        if let (Some(first), Some(own)) = prepared {
            preprocessing.extend(prepared_otherwise(&both(), &first.differences(own)));
        }
        sizes.push(matched.len());
        lines.extend(matched);
    }
    for text in &preprocessing {
        output::warning(text);
    }
    let (shown, count) = (lines.len(), options.count(lines.len()));
    // The intervals are corrected for comparisons that are not shown, too.
    let level = options.level * shown as f64 / count as f64;
    let mut compared = compare_lines(&lines, level, &options.config())?;
    let p_values: Vec<f64> = compared.iter().map(|line| line.difference.p).collect();
    for (line, p) in compared.iter_mut().zip(options.corrected(&p_values)) {
        line.p_corrected = p;
    }
    let mut compared = compared.into_iter();
    let others = options.others.iter().zip(sizes);
    Ok(Results {
        first: options.first.clone(),
        others: others
            .map(|(name, size)| (name.clone(), compared.by_ref().take(size).collect()))
            .collect(),
        left_out,
        preprocessing,
        count,
        level: options.level,
        found,
    })
}

/// A sentence on images that were prepared otherwise for `both`, if they were.
fn prepared_otherwise(both: &str, differences: &[String]) -> Option<String> {
    (!differences.is_empty()).then(|| {
        format!(
            "{both}: the images were prepared otherwise for each ({}), which may explain a part of \
             the difference",
            differences.join("; ")
        )
    })
}

impl Results {
    /// As one JSON object; differences and intervals are fractions.
    pub(super) fn json(&self) -> Value {
        let pair = |(path, lines): &(PathBuf, Vec<ComparedLine>)| {
            let lines = lines.iter().map(|line| self.json_line(line));
            json!({ "a": self.first, "b": path, "lines": lines.collect::<Vec<_>>() })
        };
        let mut value = match one_or_all(self.others.iter().map(pair).collect()) {
            Value::Array(pairs) => json!({ "pairs": pairs }),
            one => one,
        };
        value["comparisons"] = json!(self.count);
        value["level"] = json!(self.level);
        value["left_out"] = json!(self.left_out);
        value["preprocessing"] = json!(self.preprocessing);
        value["covers"] = json!(COVERS);
        value
    }

    fn json_line(&self, line: &ComparedLine) -> Value {
        let found = &line.difference;
        json!({
            "name": line.key.row_name(), "protocol": line.key.protocol,
            "classifier": line.key.classifier, "percent": line.key.percent(), "seeds": line.seeds,
            "samples": found.samples, "label_subsets": found.subsets,
            "accuracy_a": 100.0 * found.accuracy_a, "accuracy_b": 100.0 * found.accuracy_b,
            "mean_difference": found.mean_difference,
            "interval": [found.interval.0, found.interval.1], "confidence": line.confidence,
            "p": found.p, "p_corrected": line.p_corrected,
            "conclusion": conclusion(line, self.level),
        })
    }

    /// A table for each result that is compared, and what it means.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (path, lines) in &self.others {
            text.push_str(&format!(
                "A   {}\nB   {}\n",
                self.first.display(),
                path.display()
            ));
            text.push_str(&self.table(lines));
            text.push('\n');
        }
        let all = || self.others.iter().flat_map(|(_, lines)| lines);
        let Some(first) = all().next() else {
            return text;
        };
        let subsets = all().any(|line| line.difference.subsets > 1);
        let over = match subsets {
            true => "test samples and label subsets",
            false => "test samples",
        };
        let lines = if self.count == 1 { "line" } else { "lines" };
        let method = match self.count > all().count() {
            true => "Bonferroni's",
            false => "Holm's",
        };
        text.push_str(&format!(
            "Difference in points; {} % intervals by a bootstrap over {over};\n\
             p by {method} method; for {} {lines}, so that all hold at the level {}.\n\
             Each side is one model: the intervals do not cover other training seeds.",
            confidence(first.confidence),
            self.count,
            self.level,
        ));
        if all().any(|line| conclusion(line, self.level) == NEITHER) {
            text.push_str(&format!(
                "\n{NEITHER} under `B is`: the difference is within noise."
            ));
        }
        // The interval counts more than the p-value's test does, and can hold zero beside a small p.
        if all().any(|line| line.p_corrected < self.level && !line.differs(self.level)) {
            text.push_str(
                "\n`better` and `worse` need both, an interval without zero and a p below the level; \
                 the\ninterval is the more cautious of the two.",
            );
        }
        text
    }

    fn table(&self, lines: &[ComparedLine]) -> String {
        let header = ["", "A, %", "B, %", "B − A", "interval", "p", "B is"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for line in lines {
            let found = &line.difference;
            let (low, high) = found.interval;
            rows.push(vec![
                line.key.row_name(),
                format!("{:.2}", 100.0 * found.accuracy_a),
                format!("{:.2}", 100.0 * found.accuracy_b),
                signed(100.0 * found.mean_difference, 2),
                format!("{} to {}", signed(100.0 * low, 2), signed(100.0 * high, 2)),
                small(line.p_corrected),
                conclusion(line, self.level).to_owned(),
            ]);
        }
        output::table(&rows)
    }

    /// What the models do with single images, where a page is `wanted`.
    pub(super) fn images(&self, wanted: bool) -> Images {
        let paths = std::iter::once(&self.first).chain(self.others.iter().map(|(path, _)| path));
        let named = short_names(paths).into_iter().zip(&self.found);
        match wanted {
            true => of_results(&named.collect::<Vec<_>>()),
            false => Images::default(),
        }
    }

    /// What the page shows.
    pub(super) fn others(&self) -> Vec<(PathBuf, Vec<Line>)> {
        let line = |line: &ComparedLine| Line {
            name: line.key.row_name(),
            difference: line.difference.clone(),
            confidence: line.confidence,
            p: line.p_corrected,
        };
        let others = self.others.iter();
        others
            .map(|(path, lines)| (path.clone(), lines.iter().map(line).collect()))
            .collect()
    }
}

/// `better`, `worse`, or [`NEITHER`].
fn conclusion(line: &ComparedLine, level: f64) -> &'static str {
    match line.differs(level) {
        true if line.difference.mean_difference > 0.0 => "better",
        true => "worse",
        false => NEITHER,
    }
}
