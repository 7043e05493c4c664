//! A backbone of tokens: square patches, embedded and passed through linear blocks.

use std::fmt;
use std::sync::Arc;

use e2mc_train::backbone::{Family, Features, Found, Local, Naming, Network, NetworkConfig, Tap};
use e2mc_train::checkpoint::Problem;
use e2mc_train::layer::{Linear, Mode};
use e2mc_train::{Advice, Error, Settings, read_settings, settings_of};
use serde::{Deserialize, Serialize};
use tch::nn::Path;
use tch::{Kind, Tensor};

/// Everything that decides the parameters' shapes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PatchesConfig {
    /// Height and width of a patch in pixels.
    pub(crate) side: usize,
    /// Numbers per token.
    pub(crate) width: usize,
    /// Blocks behind the embedding, at least 1.
    pub(crate) depth: usize,
    /// Channels of the images: 1 or 3.
    pub(crate) channels: usize,
}

impl Default for PatchesConfig {
    fn default() -> Self {
        Self {
            side: 7,
            width: 24,
            depth: 2,
            channels: 1,
        }
    }
}

impl fmt::Display for PatchesConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "patches{} of width {}", self.side, self.width)
    }
}

impl NetworkConfig for PatchesConfig {
    fn family(&self) -> &'static dyn Family {
        &Patches
    }

    fn settings(&self) -> Settings {
        settings_of(self)
    }

    fn check(&self) -> Result<(), Error> {
        for (field, value) in [
            ("backbone.side", self.side),
            ("backbone.width", self.width),
            ("backbone.depth", self.depth),
        ] {
            if !(1..=4096).contains(&value) {
                return Err(Error::config(field, "1 to 4096", value));
            }
        }
        match self.channels {
            1 | 3 => Ok(()),
            other => Err(Error::config("backbone.channels", "1 or 3", other)),
        }
    }

    fn build(&self, path: &Path) -> Result<Box<dyn Network>, Error> {
        let inputs = self.channels * self.side * self.side;
        let block = |i: usize| Linear::new(&(path / "blocks" / i), self.width, self.width, true);
        Ok(Box::new(PatchNetwork {
            side: self.side as i64,
            embed: Linear::new(&(path / "embed"), inputs, self.width, true)?,
            blocks: (0..self.depth).map(block).collect::<Result<_, _>>()?,
        }))
    }

    fn features(&self) -> usize {
        self.width
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn has_batch_norm(&self) -> bool {
        false
    }

    fn layers(&self) -> usize {
        1 + self.depth
    }

    fn layer_of(&self, name: &str) -> usize {
        let block = name.strip_prefix("blocks.");
        let block = block.and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
        block.map_or(0, |block| block + 1)
    }

    fn image_side(&self) -> Option<usize> {
        Some(28)
    }
}

/// The layers.
#[derive(Debug)]
struct PatchNetwork {
    side: i64,
    embed: Linear,
    blocks: Vec<Linear>,
}

impl Network for PatchNetwork {
    fn forward(
        &self,
        images: &Tensor,
        mode: Mode<'_>,
        tap: &mut Tap<'_>,
    ) -> Result<Features, Error> {
        let (n, c, _, _) = images.size4()?;
        let rows = images.f_unfold(2, self.side, self.side)?;
        let patches = rows.f_unfold(3, self.side, self.side)?;
        let (across, down) = (patches.size()[2], patches.size()[3]);
        let patches = patches.f_permute([0, 2, 3, 1, 4, 5])?.f_reshape([
            n,
            across * down,
            c * self.side * self.side,
        ])?;
        let mut tokens = self.embed.forward(&patches, mode.precision)?;
        tap.see("embed", &tokens)?;
        for (i, block) in self.blocks.iter().enumerate() {
            let inner = block.forward(&tokens, mode.precision)?.f_gelu("none")?;
            tokens = tokens.f_add(&inner)?;
            tap.see(&format!("blocks.{i}"), &tokens)?;
        }
        Ok(Features {
            pooled: tokens.f_mean_dim([1i64].as_slice(), false, Kind::Float)?,
            local: Local::Tokens(tokens),
        })
    }
}

/// How a public hub names the tensors: `trunk.patch.weight`, `trunk.0.mlp.weight`.
static NAMINGS: [Naming; 2] = [
    Naming {
        names: &["own"],
        landmark: "blocks.0.weight",
        classifier: "fc",
        ours: |name| {
            let known = ["embed.", "blocks."]
                .iter()
                .any(|part| name.starts_with(part));
            known.then(|| name.to_owned())
        },
        theirs: str::to_owned,
        ..Naming::PLAIN
    },
    Naming {
        names: &["hub"],
        landmark: "trunk.0.mlp.weight",
        classifier: "classify",
        ours: |name| {
            let rest = name.strip_prefix("trunk.")?;
            match rest.strip_prefix("patch.") {
                Some(rest) => Some(format!("embed.{rest}")),
                None => {
                    let (block, rest) = rest.split_once(".mlp.")?;
                    Some(format!("blocks.{block}.{rest}"))
                }
            }
        },
        theirs: |name| match name.strip_prefix("blocks.") {
            None => name.replacen("embed.", "trunk.patch.", 1),
            Some(rest) => format!("trunk.{}", rest.replacen('.', ".mlp.", 1)),
        },
        ..Naming::PLAIN
    },
];

/// The family.
#[derive(Debug)]
pub(crate) struct Patches;

impl Family for Patches {
    fn name(&self) -> &'static str {
        "patches"
    }

    fn read(&self, settings: Settings) -> Result<Arc<dyn NetworkConfig>, serde_json::Error> {
        Ok(Arc::new(read_settings::<PatchesConfig>(settings)?))
    }

    fn looks_like(&self) -> String {
        "patches (`embed.weight`, `blocks.0.weight`, …)".into()
    }

    fn advice(&self) -> &'static str {
        "a checkpoint of patches"
    }

    fn namings(&self) -> &'static [Naming] {
        &NAMINGS
    }

    fn infer(&self, found: &Found<'_>) -> Result<Arc<dyn NetworkConfig>, Problem> {
        let Some(&[width, inputs]) = found.size("embed.weight") else {
            return Err(Problem {
                expected: "an embedding of patches [width, inputs]".into(),
                found: format!("no `{}`", found.in_file("embed.weight")),
                advice: Advice::words("take the whole checkpoint"),
            });
        };
        let root = |area: i64| (area as f64).sqrt().round() as i64;
        // The inputs are channels * side * side: grey where they are a square.
        let grey = root(inputs).pow(2) == inputs;
        let config = PatchesConfig {
            side: root(if grey { inputs } else { inputs / 3 }) as usize,
            width: width as usize,
            depth: (0..)
                .take_while(|block| found.has(&format!("blocks.{block}.weight")))
                .count(),
            channels: if grey { 1 } else { 3 },
        };
        config.check().map_err(|error| Problem {
            expected: "patches of a size in use".into(),
            found: error.to_string(),
            advice: Advice::words("take another checkpoint"),
        })?;
        Ok(Arc::new(config))
    }

    fn order(&self, name: &str) -> Vec<usize> {
        let order = ["embed", "blocks", "weight", "bias"];
        name.split('.')
            .map(|part| {
                let place = order.iter().position(|&known| known == part);
                place.or_else(|| part.parse().ok()).unwrap_or(usize::MAX)
            })
            .collect()
    }
}
