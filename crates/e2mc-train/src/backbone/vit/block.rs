//! A block: attention, then two linear layers, each a residual branch behind a layer norm.

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::config::{Activation, Mlp, VitConfig};
use super::positions::Angles;
use crate::Error;
use crate::backbone::tap::Tap;
use crate::layer::{LayerNorm, LayerScale, Linear, Precision};

/// The standard deviation that linear layers are drawn with, as in timm.
pub(super) const DEVIATION: f64 = 0.02;

/// Attention of several heads, by libtorch's scaled-dot-product attention.
#[derive(Debug)]
struct Attention {
    qkv: Linear,
    /// Norms of queries and of keys.
    norms: Option<[LayerNorm; 2]>,
    proj: Linear,
    heads: i64,
    /// Whether keys have the bias that the layer holds for them.
    key_bias: bool,
}

impl Attention {
    fn new(path: &Path, config: &VitConfig) -> Result<Self, Error> {
        let VitConfig { width, heads, .. } = *config;
        let norm = |name: &str| LayerNorm::new(&(path / name), width / heads, config.epsilon);
        let norms = match config.qk_norm {
            true => Some([norm("q_norm")?, norm("k_norm")?]),
            false => None,
        };
        let qkv = path / "qkv";
        Ok(Self {
            qkv: Linear::normal(&qkv, width, 3 * width, config.qkv_bias, DEVIATION)?,
            norms,
            proj: Linear::normal(&(path / "proj"), width, width, true, DEVIATION)?,
            heads: heads as i64,
            key_bias: config.key_bias,
        })
    }

    /// Tokens `(n, t, width)` to what they gather from each other.
    fn forward(
        &self,
        x: &Tensor,
        angles: Option<&Angles>,
        precision: Precision,
    ) -> Result<Tensor, Error> {
        let (n, tokens, width) = x.size3()?;
        let qkv = match self.key_bias {
            true => self.qkv.product(x, precision)?,
            false => self
                .qkv
                .product_without_bias_of(x, precision, width..2 * width)?,
        };
        let qkv = qkv
            .f_reshape([n, tokens, 3, self.heads, width / self.heads])?
            .f_permute([2, 0, 3, 1, 4])?;
        let kind = qkv.kind();
        let [mut q, mut k] = [qkv.f_get(0)?, qkv.f_get(1)?];
        if let Some([of_q, of_k]) = &self.norms {
            q = of_q.forward(&q)?.f_to_kind(kind)?;
            k = of_k.forward(&k)?.f_to_kind(kind)?;
        }
        if let Some(angles) = angles {
            q = angles.turn(&q)?;
            k = angles.turn(&k)?;
        }
        let none = None::<&Tensor>;
        let scale = None::<f64>;
        let gathered = Tensor::f_scaled_dot_product_attention(
            &q,
            &k,
            &qkv.f_get(2)?,
            none,
            0.0,
            false,
            scale,
            false,
        )?;
        let gathered = gathered.f_transpose(1, 2)?.f_reshape([n, tokens, width])?;
        self.proj.forward(&gathered, precision)
    }
}

/// Two linear layers.
#[derive(Debug)]
struct Layers {
    first: Linear,
    second: Linear,
    mlp: Mlp,
    activation: Activation,
}

impl Layers {
    fn new(path: &Path, config: &VitConfig) -> Result<Self, Error> {
        let (width, hidden) = (config.width, config.hidden);
        let linear = |name: &str, inputs, outputs| {
            Linear::normal(&(path / name), inputs, outputs, true, DEVIATION)
        };
        Ok(Self {
            first: linear("fc1", width, config.first_hidden())?,
            second: linear("fc2", hidden, width)?,
            mlp: config.mlp,
            activation: config.activation,
        })
    }

    fn forward(&self, x: &Tensor, precision: Precision) -> Result<Tensor, Error> {
        let x = self.first.product(x, precision)?;
        let x = match self.mlp {
            Mlp::Plain => activate(&x, self.activation)?,
            Mlp::Swiglu => {
                let halves = x.f_chunk(2, -1)?;
                halves[0].f_silu()?.f_mul(&halves[1])?
            }
        };
        self.second.forward(&x, precision)
    }
}

fn activate(x: &Tensor, activation: Activation) -> Result<Tensor, Error> {
    Ok(match activation {
        Activation::Gelu => x.f_gelu("none")?,
        Activation::GeluTanh => x.f_gelu("tanh")?,
        Activation::QuickGelu => x.f_mul(&x.f_mul_scalar(1.702)?.f_sigmoid()?)?,
        Activation::Silu => x.f_silu()?,
        Activation::Relu => x.f_relu()?,
    })
}

/// A block.
#[derive(Debug)]
pub(super) struct Block {
    name: String,
    norms: [LayerNorm; 2],
    attention: Attention,
    layers: Layers,
    scales: Option<[LayerScale; 2]>,
}

impl Block {
    pub(super) fn new(path: &Path, name: String, config: &VitConfig) -> Result<Self, Error> {
        let norm = |name: &str| LayerNorm::new(&(path / name), config.width, config.epsilon);
        let start = VitConfig::LAYER_SCALE;
        let scale = |name: &str| LayerScale::new(&(path / name), config.width, start);
        Ok(Self {
            name,
            norms: [norm("norm1")?, norm("norm2")?],
            attention: Attention::new(&(path / "attn"), config)?,
            layers: Layers::new(&(path / "mlp"), config)?,
            scales: match config.layer_scale {
                true => Some([scale("ls1")?, scale("ls2")?]),
                false => None,
            },
        })
    }

    /// Tokens `(n, t, width)` in float32 to such tokens.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        angles: Option<&Angles>,
        precision: Precision,
        tap: &mut Tap<'_>,
    ) -> Result<Tensor, Error> {
        let scaled = |branch: Tensor, place: usize| match &self.scales {
            Some(scales) => scales[place].forward(&branch),
            None => Ok(branch),
        };
        let inner = self.norms[0].forward(x)?;
        let inner = self.attention.forward(&inner, angles, precision)?;
        tap.see(&format!("{}.attn", self.name), &inner)?;
        let x = x.f_add(&scaled(inner, 0)?)?;
        let inner = self
            .layers
            .forward(&self.norms[1].forward(&x)?, precision)?;
        tap.see(&format!("{}.mlp", self.name), &inner)?;
        let x = x.f_add(&scaled(inner, 1)?)?;
        debug_assert_eq!(x.kind(), Kind::Float);
        tap.see(&self.name, &x)?;
        Ok(x)
    }
}
