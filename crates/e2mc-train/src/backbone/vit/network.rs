//! The vision transformer with its weights: patches to tokens, blocks, and what becomes the
//! features.

use tch::nn::{Init, Path};
use tch::{Device, Kind, Tensor};

use super::block::{Block, DEVIATION};
use super::config::{Pool, Positions, VitConfig};
use super::positions::{Angles, LearnedPositions, START};
use super::tokens::Gathering;
use crate::Error;
use crate::backbone::family::{Chain, Features, Local, Network};
use crate::backbone::tap::{PATCHES, Tap};
use crate::layer::{Convolution, ConvolutionShape, LayerNorm, Mode};

/// The network.
#[derive(Debug)]
pub(super) struct VisionTransformer {
    config: VitConfig,
    embed: Convolution,
    class: Option<Tensor>,
    registers: Option<Tensor>,
    positions: Option<LearnedPositions>,
    pre_norm: Option<LayerNorm>,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

impl VisionTransformer {
    /// Makes the network under timm's names.
    pub(super) fn new(path: &Path, config: &VitConfig) -> Result<Self, Error> {
        let (width, epsilon) = (config.width, config.epsilon);
        let norm = |name: &str| LayerNorm::new(&(path / name), width, epsilon);
        let token = |name: &str, count: usize, init: Init| -> Result<_, Error> {
            let shape = [1, count as i64, width as i64];
            match count {
                0 => Ok(None),
                _ => Ok(Some(path.f_var(name, &shape, init)?)),
            }
        };
        // As timm starts it.
        let nearly_zero = Init::Randn {
            mean: 0.0,
            stdev: 1e-6,
        };
        let blocks = path / "blocks";
        let patches = ConvolutionShape {
            inputs: config.channels,
            outputs: width,
            kernel: config.patch,
            stride: config.patch,
            groups: 1,
            bias: config.patch_bias,
        };
        Ok(Self {
            embed: Convolution::new(&(path / "patch_embed" / "proj"), patches, DEVIATION)?,
            class: token("cls_token", usize::from(config.class_token), nearly_zero)?,
            registers: token("reg_token", config.registers, START)?,
            positions: match config.positions {
                Positions::Learned => Some(LearnedPositions::new(path, config)?),
                Positions::Rope | Positions::None => None,
            },
            pre_norm: match config.pre_norm {
                true => Some(norm("norm_pre")?),
                false => None,
            },
            blocks: (0..config.depth)
                .map(|i| Block::new(&(&blocks / i), format!("blocks.{i}"), config))
                .collect::<Result<_, _>>()?,
            norm: norm(match config.norm_after_pool {
                true => "fc_norm",
                false => "norm",
            })?,
            config: config.clone(),
        })
    }

    /// The tokens before the first block, `(n, t, width)` in float32, and the grid of the patches.
    fn tokens(
        &self,
        images: &Tensor,
        mode: Mode<'_>,
        tap: &mut Tap<'_>,
    ) -> Result<(Tensor, [i64; 2]), Error> {
        let (n, _, height, width) = images.size4()?;
        let patch = self.config.patch as i64;
        if height % patch != 0 || width % patch != 0 {
            return Err(Error::config(
                "backbone.patch",
                format!("images whose sides are multiples of the patch, {patch}"),
                format!("{height} x {width}"),
            ));
        }
        let grid = [height / patch, width / patch];
        let most = VitConfig::GRID as i64;
        if grid.into_iter().any(|patches| patches > most) {
            return Err(Error::config(
                "backbone.patch",
                format!("images of at most {most} patches of {patch} pixels along a side"),
                format!("{height} x {width}"),
            ));
        }
        let map = self.embed.forward(images, mode.precision)?;
        let mut patches = map
            .f_flatten(2, 3)?
            .f_transpose(1, 2)?
            .f_to_kind(Kind::Float)?;
        tap.see("patch_embed", &patches)?;
        let before: Vec<&Tensor> = self.class.iter().chain(&self.registers).collect();
        let mut before = match before.as_slice() {
            [] => None,
            tokens => Some(Tensor::f_cat(tokens, 1)?),
        };
        if let Some(positions) = &self.positions {
            patches = patches.f_add(&positions.patches(grid)?)?;
            let placed = self.config.placed as i64;
            before = match before {
                Some(tokens) if placed > 0 => {
                    let own = tokens.f_narrow(1, 0, placed)?;
                    let own = own.f_add(&positions.before()?)?;
                    let rest = tokens.f_narrow(1, placed, tokens.size()[1] - placed)?;
                    Some(Tensor::f_cat(&[own, rest], 1)?)
                }
                before => before,
            };
        }
        let tokens = match before {
            Some(before) => {
                let before = before.f_expand([n, -1, -1], false)?;
                Tensor::f_cat(&[before, patches], 1)?
            }
            None => patches,
        };
        let tokens = match &self.pre_norm {
            Some(norm) => norm.forward(&tokens)?,
            None => tokens,
        };
        tap.see("norm_pre", &tokens)?;
        Ok((tokens, grid))
    }

    /// The patches' tokens, `(n, patches, width)`.
    fn patches(&self, tokens: &Tensor) -> Result<Tensor, Error> {
        let before = self.config.prefix() as i64;
        Ok(tokens.f_narrow(1, before, tokens.size()[1] - before)?)
    }

    /// The mean of the patches' tokens, `(n, width)`.
    fn mean(&self, tokens: &Tensor) -> Result<Tensor, Error> {
        Ok(self
            .patches(tokens)?
            .f_mean_dim([1i64].as_slice(), false, Kind::Float)?)
    }

    /// Features of several tokens, as an output's name asks for them. `last` holds the tokens
    /// behind each of the last blocks.
    fn gather(&self, gathering: Gathering, last: &[Tensor]) -> Result<Tensor, Error> {
        let mut parts = Vec::with_capacity(last.len() + 1);
        for tokens in last {
            parts.push(self.norm.forward(&tokens.f_select(1, 0)?)?);
        }
        if let (true, Some(tokens)) = (gathering.mean, last.last()) {
            parts.push(self.mean(&self.norm.forward(tokens)?)?);
        }
        Ok(Tensor::f_cat(&parts, 1)?)
    }

    fn check(&self, gathering: Gathering, wanted: &str) -> Result<(), Error> {
        let depth = self.config.depth;
        if self.config.class_token && gathering.blocks <= depth {
            return Ok(());
        }
        let expected = match self.config.class_token {
            true => format!("the class tokens of at most {depth} blocks"),
            false => "an output of a network without a class token".into(),
        };
        Err(Error::argument("output", expected, format!("`{wanted}`")))
    }
}

impl Network for VisionTransformer {
    fn forward(
        &self,
        images: &Tensor,
        mode: Mode<'_>,
        tap: &mut Tap<'_>,
    ) -> Result<Features, Error> {
        let wanted = tap.wanted().map(str::to_owned);
        let gathering = wanted.as_deref().and_then(Gathering::named);
        if let (Some(gathering), Some(wanted)) = (gathering, &wanted) {
            self.check(gathering, wanted)?;
        }
        let (mut tokens, grid) = self.tokens(images, mode, tap)?;
        let angles = self.angles(grid, tokens.device())?;
        let mut last = Vec::new();
        let first = gathering.map_or(usize::MAX, |wanted| self.blocks.len() - wanted.blocks);
        for (i, block) in self.blocks.iter().enumerate() {
            tokens = block.forward(&tokens, angles.as_ref(), mode.precision, tap)?;
            if i >= first {
                last.push(tokens.shallow_clone());
            }
        }
        if let (Some(gathering), Some(wanted)) = (gathering, &wanted) {
            tap.see(wanted, &self.gather(gathering, &last)?)?;
        }
        self.features(tokens, tap)
    }

    fn chain(&self) -> Option<&dyn Chain> {
        Some(self)
    }
}

impl Chain for VisionTransformer {
    fn blocks(&self) -> usize {
        self.blocks.len()
    }

    fn stem(&self, images: &Tensor, mode: Mode<'_>) -> Result<Tensor, Error> {
        Ok(self.tokens(images, mode, &mut Tap::none())?.0)
    }

    fn block(
        &self,
        number: usize,
        x: &Tensor,
        size: [i64; 2],
        mode: Mode<'_>,
    ) -> Result<Tensor, Error> {
        let grid = size.map(|side| side / self.config.patch as i64);
        let angles = self.angles(grid, x.device())?;
        self.blocks[number].forward(x, angles.as_ref(), mode.precision, &mut Tap::none())
    }

    fn pool(&self, x: &Tensor) -> Result<Tensor, Error> {
        Ok(self.features(x.shallow_clone(), &mut Tap::none())?.pooled)
    }
}

impl VisionTransformer {
    /// What a block turns queries and keys by, where it does.
    fn angles(&self, grid: [i64; 2], device: Device) -> Result<Option<Angles>, Error> {
        match self.config.positions {
            Positions::Rope => {
                let of_head = self.config.width / self.config.heads;
                let base = self.config.rope_base;
                Ok(Some(Angles::new(grid, of_head, base, device)?))
            }
            Positions::Learned | Positions::None => Ok(None),
        }
    }

    /// What becomes of the tokens behind the last block.
    fn features(&self, tokens: Tensor, tap: &mut Tap<'_>) -> Result<Features, Error> {
        let class = |tokens: &Tensor| tokens.f_select(1, 0);
        let pooled = |tokens: &Tensor| -> Result<Tensor, Error> {
            Ok(match self.config.pool {
                Pool::Class => class(tokens)?,
                Pool::Mean => self.mean(tokens)?,
                Pool::ClassAndMean => Tensor::f_cat(&[class(tokens)?, self.mean(tokens)?], 1)?,
            })
        };
        if self.config.norm_after_pool {
            tap.see(PATCHES, &self.patches(&tokens)?)?;
            let pooled = self.norm.forward(&pooled(&tokens)?)?;
            tap.see("fc_norm", &pooled)?;
            return Ok(Features {
                pooled,
                local: Local::Tokens(tokens),
            });
        }
        let tokens = self.norm.forward(&tokens)?;
        tap.see("norm", &tokens)?;
        tap.see(PATCHES, &self.patches(&tokens)?)?;
        Ok(Features {
            pooled: pooled(&tokens)?,
            local: Local::Tokens(tokens),
        })
    }
}
