//! The networks: parity with torchvision's, names and shapes, precision, and what they refuse.

use std::collections::BTreeMap;

use crate::common::place;
use e2mc_train::Error;
use e2mc_train::backbone::{Architecture, Backbone, BackboneConfig, ResnetConfig, Stem};
use e2mc_train::layer::{BatchNorm, Conv, Linear, Mode, Precision, Statistics};
use tch::{Device, Kind, Tensor, nn};

fn float() -> (Kind, Device) {
    (Kind::Float, place::device())
}

fn double() -> (Kind, Device) {
    (Kind::Double, place::device())
}

fn golden(name: &str) -> BTreeMap<String, Tensor> {
    let file = place::golden("backbone").join(format!("{name}.safetensors"));
    let tensors = Tensor::read_safetensors(file).unwrap();
    let placed = |(name, tensor): (String, Tensor)| (name, tensor.to_device(place::device()));
    tensors.into_iter().map(placed).collect()
}

/// Fills the network's tensors by one of the formulas of the golden files' README: the series of
/// a tensor's index `k` and length, and what it becomes for a batch norm's weight and for a matrix
/// of so many inputs.
fn fill(
    variables: &nn::VarStore,
    series: fn(k: f64, count: i64) -> Tensor,
    norm_weight: fn(Tensor) -> Tensor,
    matrix: fn(Tensor, inputs: f64) -> Tensor,
) {
    let named = variables.variables();
    let mut names: Vec<String> = named.keys().cloned().collect();
    let counters = named
        .keys()
        .filter_map(|name| name.strip_suffix("running_mean"));
    names.extend(counters.map(|norm| format!("{norm}num_batches_tracked")));
    names.sort();
    for (k, name) in names.iter().enumerate() {
        let Some(tensor) = named.get(name) else {
            continue;
        };
        let count = tensor.numel() as i64;
        let s = series(k as f64, count);
        let values = if name.ends_with("running_var") {
            s * 0.3 + 1.0
        } else if tensor.dim() == 1 && name.ends_with("weight") {
            norm_weight(s)
        } else if tensor.dim() == 1 {
            s * 0.1
        } else {
            matrix(s, (count / tensor.size()[0]) as f64)
        };
        tch::no_grad(|| tensor.shallow_clone().copy_(&values.view_as(tensor)));
    }
}

fn fill_like_the_authors_files(variables: &nn::VarStore) {
    fill(
        variables,
        |k, count| (Tensor::arange(count, double()) * 0.37 + k).sin(),
        |s| s * 0.25 + 0.5,
        |s, inputs| s * (2.0 / inputs).sqrt(),
    );
}

fn fill_like_the_training_file(variables: &nn::VarStore) {
    fill(
        variables,
        |k, count| {
            let u = (Tensor::arange(count, double()) * 12.9898 + 78.233 * k).sin() * 43758.5453;
            (&u - u.floor()) * 2.0 - 1.0
        },
        |r| r * 0.25 + 1.0,
        |r, inputs| r * (6.0 / inputs).sqrt(),
    );
}

fn network(config: &ResnetConfig) -> (nn::VarStore, Backbone) {
    let variables = nn::VarStore::new(place::device());
    let backbone = Backbone::new(&variables.root(), &config.clone().into()).unwrap();
    (variables, backbone)
}

/// Small enough for tests that need no golden file.
fn tiny(architecture: Architecture, stem: Stem) -> ResnetConfig {
    ResnetConfig {
        architecture,
        width: 8,
        stem,
        channels: 1,
    }
}

fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let found = found.detach().to_kind(Kind::Double);
    let expected = expected.detach().to_kind(Kind::Double);
    ((found - &expected).abs().max() / expected.abs().max()).double_value(&[])
}

fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
    let error = relative_error(found, expected);
    assert!(error <= tolerance, "{what}: relative error {error}");
}

fn cosine(a: &Tensor, b: &Tensor) -> f64 {
    (a.flatten(0, -1).dot(&b.flatten(0, -1)) / (a.norm() * b.norm())).double_value(&[])
}

fn config_error<T>(result: Result<T, Error>) -> (String, String, String) {
    match result {
        Err(Error::Config {
            field,
            expected,
            found,
        }) => (field, expected, found),
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("no error"),
    }
}

/// Evaluation mode, and the first batch norm's statistics after a pass in training mode.
fn matches_the_authors_file(name: &str) {
    let golden = golden(name);
    let (variables, backbone) = network(&name.parse().unwrap());
    fill_like_the_authors_files(&variables);
    let close = |found: &Tensor, expected: &str| {
        assert_close(
            found,
            &golden[expected],
            1e-4,
            &format!("{name} {expected}"),
        );
    };
    tch::no_grad(|| {
        let input = &golden["input"];
        close(
            &backbone
                .forward(input, Mode::solo(Statistics::Running, Precision::F32))
                .unwrap(),
            "eval_features",
        );
        let _ = backbone
            .forward(input, Mode::solo(Statistics::Batch, Precision::F32))
            .unwrap();
        close(
            &variables.variables()["bn1.running_mean"],
            "bn1_running_mean",
        );
        close(&variables.variables()["bn1.running_var"], "bn1_running_var");
    });
}

/// A loss that batch norm does not make nearly constant: every feature with a weight of its own.
fn weighted_sum(features: &Tensor) -> Tensor {
    let weights = (Tensor::arange(features.numel() as i64, double()) * 0.37).sin();
    (features * weights.to_kind(Kind::Float).view_as(features)).sum(Kind::Float)
}

/// Features, gradients of their weighted sum, and running statistics.
fn trains_like_torchvision(name: &str) {
    let (variables, backbone) = network(&name.parse().unwrap());
    fill_like_the_training_file(&variables);
    let input = &golden(name)["input"];
    let features = backbone
        .forward(input, Mode::solo(Statistics::Batch, Precision::F32))
        .unwrap();
    weighted_sum(&features).backward();
    let named = variables.variables();
    let mut compared = 0;
    for (key, expected) in golden("training") {
        let Some(key) = key.strip_prefix(&format!("{name}.")) else {
            continue;
        };
        let found = match key.strip_prefix("gradient.") {
            Some(parameter) => named[parameter].grad(),
            None if key == "features" => features.detach(),
            None => named[key].shallow_clone(),
        };
        let what = format!("{name} {key}");
        if key.starts_with("gradient.") {
            // In float32 some ReLU's input rounds to the other side of 0, which moves gradients by
            // more than rounding: PyTorch's own, channels-last, are 0.5 % (ResNet-18) and 1.7 %
            // (ResNet-50) from these float64 numbers.
            assert_close(&found, &expected, 0.03, &what);
            let expected = expected.to_kind(Kind::Float);
            assert!(cosine(&found, &expected) > 0.9995, "{what}");
        } else {
            assert_close(&found, &expected, 2e-4, &what);
        }
        compared += 1;
    }
    assert!(compared >= 7, "{compared} tensors compared");
}

#[test]
fn resnet18_matches_the_authors_file() {
    matches_the_authors_file("resnet18");
}

#[test]
fn resnet34_matches_the_authors_file() {
    matches_the_authors_file("resnet34");
}

#[test]
fn resnet50_matches_the_authors_file() {
    matches_the_authors_file("resnet50");
}

#[test]
fn resnet50x2_matches_the_authors_file() {
    matches_the_authors_file("resnet50x2");
}

#[test]
fn resnet18_trains_like_torchvision() {
    trains_like_torchvision("resnet18");
}

#[test]
fn resnet50_trains_like_torchvision() {
    trains_like_torchvision("resnet50");
}

#[test]
fn parameters_have_torchvisions_names_shapes_and_number() {
    // The numbers of torchvision's networks, and of timm's ResNet-26, without their last layer.
    let counts = [
        ("resnet18", 11_176_512, 512),
        ("resnet26", 13_946_176, 2048),
        ("resnet34", 21_284_672, 512),
        ("resnet50", 23_508_032, 2048),
        ("resnet101", 42_500_160, 2048),
        ("resnet152", 58_143_808, 2048),
    ];
    for (name, count, features) in counts {
        let (variables, backbone) = network(&name.parse().unwrap());
        let numbers: usize = variables
            .trainable_variables()
            .iter()
            .map(Tensor::numel)
            .sum();
        assert_eq!(numbers, count, "{name}");
        assert_eq!(backbone.features(), features, "{name}");
    }
    let (variables, backbone) = network(&"resnet50x2".parse().unwrap());
    let named = variables.variables();
    for (name, shape) in [
        ("conv1.weight", &[128, 3, 7, 7][..]),
        ("bn1.running_var", &[128]),
        ("layer1.0.downsample.0.weight", &[512, 128, 1, 1]),
        ("layer1.0.downsample.1.bias", &[512]),
        ("layer2.0.conv2.weight", &[256, 256, 3, 3]),
        ("layer3.5.bn3.running_mean", &[2048]),
        ("layer4.2.conv3.weight", &[4096, 1024, 1, 1]),
    ] {
        assert_eq!(named[name].size(), shape, "{name}");
    }
    assert_eq!(backbone.features(), 4096);
    // 53 convolutions, and 53 batch norms of four tensors each.
    assert_eq!(named.len(), 53 * 5);
}

#[test]
fn short_names_say_architecture_and_width() {
    let cases = [
        ("resnet18", Architecture::Resnet18, 64),
        ("resnet50", Architecture::Resnet50, 64),
        ("resnet50x2", Architecture::Resnet50, 128),
        ("resnet50w2", Architecture::Resnet50, 128),
        ("resnet50w4", Architecture::Resnet50, 256),
        ("resnet50w5", Architecture::Resnet50, 320),
        ("resnet200x2", Architecture::Resnet200, 128),
    ];
    for (name, architecture, width) in cases {
        let config: ResnetConfig = name.parse().unwrap();
        assert_eq!(
            (config.architecture, config.width),
            (architecture, width),
            "{name}"
        );
        assert_eq!(config.to_string(), name.replace('w', "x"));
    }
    let small = tiny(Architecture::Resnet18, Stem::Small);
    assert_eq!(small.to_string(), "resnet18 of width 8");
    for name in [
        "resnet",
        "resnet51",
        "resnet50x",
        "resnet50x0",
        "resnet50x17",
        "vit",
        "resnet50x2x2",
    ] {
        let (field, expected, found) = config_error(name.parse::<ResnetConfig>());
        assert_eq!(field, "backbone.architecture");
        assert!(
            expected.contains("resnet18, resnet26, resnet34"),
            "{expected}"
        );
        assert_eq!(found, format!("`{name}`"));
    }
}

#[test]
fn a_recipe_names_the_network_and_unknown_keys_are_refused() {
    let read = |text: &str| serde_json::from_str::<BackboneConfig>(text);
    let text =
        r#"{"architecture": "resnet18", "width": 8, "stem": "small-stride2", "channels": 1}"#;
    let config: BackboneConfig = tiny(Architecture::Resnet18, Stem::SmallStride2).into();
    assert_eq!(read(text).unwrap(), config);
    assert_eq!(
        read(&serde_json::to_string(&config).unwrap()).unwrap(),
        config
    );
    assert_eq!(read("{}").unwrap(), BackboneConfig::default());
    assert_eq!(
        read(r#"{"family": "resnet"}"#).unwrap(),
        BackboneConfig::default()
    );
    let error = read(r#"{"family": "unheard-of"}"#).unwrap_err().to_string();
    assert!(
        error.contains("unknown variant `unheard-of`, expected one of `resnet`"),
        "{error}"
    );
    assert!(
        read(r#"{"depth": 50}"#)
            .unwrap_err()
            .to_string()
            .contains("unknown field `depth`")
    );
    assert!(
        read(r#"{"stem": "tiny"}"#)
            .unwrap_err()
            .to_string()
            .contains("`small-stride2`")
    );
}

#[test]
fn settings_out_of_range_are_refused() {
    for (config, field) in [
        (
            ResnetConfig {
                width: 0,
                ..Default::default()
            },
            "backbone.width",
        ),
        (
            ResnetConfig {
                width: 2000,
                ..Default::default()
            },
            "backbone.width",
        ),
        (
            ResnetConfig {
                channels: 2,
                ..Default::default()
            },
            "backbone.channels",
        ),
    ] {
        let variables = nn::VarStore::new(place::device());
        assert_eq!(
            config_error(Backbone::new(&variables.root(), &config.into())).0,
            field
        );
        assert!(variables.is_empty());
    }
}

#[test]
fn images_of_another_shape_are_refused() {
    let (_variables, backbone) = network(&tiny(Architecture::Resnet18, Stem::Small));
    for shape in [&[2, 3, 8, 8][..], &[2, 8, 8], &[0, 1, 8, 8], &[2, 1, 0, 8]] {
        let images = Tensor::zeros(shape, float());
        let (field, expected, found) = config_error(
            backbone.forward(&images, Mode::solo(Statistics::Running, Precision::F32)),
        );
        assert_eq!(field, "backbone.channels");
        assert_eq!(expected, "images (n, 1, h, w)");
        assert_eq!(found, format!("{shape:?}"));
    }
}

#[test]
fn evaluation_sees_each_image_alone_and_changes_nothing() {
    for stem in [Stem::Imagenet, Stem::Small, Stem::SmallStride2] {
        let (variables, backbone) = network(&tiny(Architecture::Resnet50, stem));
        fill_like_the_training_file(&variables);
        let images = place::noise(&[3, 1, 32, 32], float());
        let before: Vec<_> = sorted_copies(&variables);
        let all = backbone
            .forward(&images, Mode::solo(Statistics::Running, Precision::F32))
            .unwrap();
        assert_eq!(all.size(), [3, 256]);
        for i in 0..3 {
            let one = backbone
                .forward(
                    &images.narrow(0, i, 1),
                    Mode::solo(Statistics::Running, Precision::F32),
                )
                .unwrap();
            assert_close(&one, &all.narrow(0, i, 1), 1e-5, "alone");
        }
        assert_eq!(before, sorted_copies(&variables));
    }
}

fn sorted_copies(variables: &nn::VarStore) -> Vec<(String, Tensor)> {
    let named: BTreeMap<_, _> = variables.variables().into_iter().collect();
    named
        .into_iter()
        .map(|(name, tensor)| (name, tensor.copy()))
        .collect()
}

#[test]
fn the_layout_of_images_in_memory_does_not_matter() {
    let config = ResnetConfig {
        channels: 3,
        ..tiny(Architecture::Resnet18, Stem::Small)
    };
    let (_variables, backbone) = network(&config);
    let images = place::noise(&[2, 3, 16, 16], float());
    let pixels = images
        .permute([0, 2, 3, 1])
        .contiguous()
        .permute([0, 3, 1, 2]);
    let slice = Tensor::cat(&[&images, &images], 3).narrow(3, 0, 16);
    assert!(!pixels.is_contiguous() && !slice.is_contiguous());
    let expected = backbone
        .forward(&images, Mode::solo(Statistics::Running, Precision::F32))
        .unwrap();
    for same in [pixels, slice] {
        assert_eq!(
            backbone
                .forward(&same, Mode::solo(Statistics::Running, Precision::F32))
                .unwrap(),
            expected
        );
    }
}

#[test]
fn bfloat16_stays_near_float32_and_trains_the_float32_parameters() {
    let (variables, backbone) = network(&tiny(Architecture::Resnet18, Stem::SmallStride2));
    fill_like_the_training_file(&variables);
    let noise = (Tensor::arange(16 * 32 * 32, double()) * 12.9898).sin() * 43758.5453;
    let images = (noise.frac() * 2.0)
        .to_kind(Kind::Float)
        .view([16, 1, 32, 32]);
    let run = |precision| {
        for mut parameter in variables.trainable_variables() {
            parameter.zero_grad();
        }
        let features = backbone
            .forward(&images, Mode::solo(Statistics::Batch, precision))
            .unwrap();
        weighted_sum(&features).backward();
        let named = variables.variables();
        let gradient = |name: &str| named[name].grad().copy();
        (
            features,
            gradient("conv1.weight"),
            gradient("layer4.1.bn2.weight"),
        )
    };
    let (full, half) = (run(Precision::F32), run(Precision::Bf16));
    assert_eq!(half.0.kind(), Kind::Float);
    assert_close(&half.0, &full.0, 0.1, "features");
    // Rounding really took place.
    assert!(relative_error(&half.0, &full.0) > 1e-4);
    for (half, full) in [(&half.1, &full.1), (&half.2, &full.2)] {
        assert_eq!(half.kind(), Kind::Float);
        // Eighteen layers of bfloat16 and the ReLUs that they flip: 0.95 is usual.
        assert!(cosine(half, full) > 0.85, "{}", cosine(half, full));
    }
    for (name, tensor) in variables.variables() {
        assert_eq!(tensor.kind(), Kind::Float, "{name}");
    }
    let evaluated = backbone
        .forward(&images, Mode::solo(Statistics::Running, Precision::Bf16))
        .unwrap();
    let expected = backbone
        .forward(&images, Mode::solo(Statistics::Running, Precision::F32))
        .unwrap();
    assert_close(&evaluated, &expected, 0.05, "evaluation");
}

#[test]
fn batch_norm_normalises_and_records_unbiased_variance() {
    for affine in [true, false] {
        let variables = nn::VarStore::new(place::device());
        let norm = BatchNorm::new(&variables.root(), 5, affine).unwrap();
        assert_eq!(
            variables.trainable_variables().len(),
            if affine { 2 } else { 0 }
        );
        let x = place::noise(&[64, 5], float()) * 3.0 + 2.0;
        let mean = x.mean_dim([0i64].as_slice(), true, Kind::Float);
        let biased = x.var_dim([0i64].as_slice(), false, true);
        let y = norm
            .forward(&x, Mode::solo(Statistics::Batch, Precision::F32))
            .unwrap();
        assert_close(
            &y,
            &((&x - &mean) / (biased + 1e-5).sqrt()),
            1e-5,
            "training",
        );
        let named = variables.variables();
        let unbiased = x.var_dim([0i64].as_slice(), true, false);
        assert_close(
            &named["running_mean"],
            &(mean.squeeze() * 0.1),
            1e-5,
            "mean",
        );
        assert_close(
            &named["running_var"],
            &(unbiased * 0.1 + 0.9),
            1e-5,
            "variance",
        );
        let expected = (&x - &named["running_mean"]) / (&named["running_var"] + 1e-5).sqrt();
        assert_close(
            &norm
                .forward(&x, Mode::solo(Statistics::Running, Precision::F32))
                .unwrap(),
            &expected,
            1e-5,
            "evaluation",
        );
    }
}

#[test]
fn batch_norm_computes_in_float32_on_bfloat16() {
    for affine in [true, false] {
        let variables = nn::VarStore::new(place::device());
        let norm = BatchNorm::new(&variables.root(), 5, affine).unwrap();
        // So far from 0 that a bfloat16 sum would lose the variance.
        let x = (place::noise(&[512, 5], float()) + 64.0).to_kind(Kind::BFloat16);
        let y = norm
            .forward(&x, Mode::solo(Statistics::Batch, Precision::F32))
            .unwrap();
        assert_eq!(y.kind(), Kind::BFloat16);
        let x = x.to_kind(Kind::Float);
        let named = variables.variables();
        assert_eq!(named["running_var"].kind(), Kind::Float);
        let expected = x.mean_dim([0i64].as_slice(), false, Kind::Float) * 0.1;
        assert_close(&named["running_mean"], &expected, 1e-5, "mean");
        let expected = x.var_dim([0i64].as_slice(), true, false) * 0.1 + 0.9;
        assert_close(&named["running_var"], &expected, 1e-4, "variance");
    }
}

#[test]
fn batch_norm_refuses_a_single_value_a_channel_in_training() {
    let variables = nn::VarStore::new(place::device());
    let norm = BatchNorm::new(&variables.root(), 5, true).unwrap();
    let (field, _, found) = config_error(norm.forward(
        &Tensor::zeros([1, 5], float()),
        Mode::solo(Statistics::Batch, Precision::F32),
    ));
    assert_eq!(
        (field.as_str(), found.as_str()),
        ("training.batch", "[1, 5]")
    );
    let _ = norm
        .forward(
            &Tensor::zeros([1, 5], float()),
            Mode::solo(Statistics::Running, Precision::F32),
        )
        .unwrap();
    let _ = norm
        .forward(
            &Tensor::zeros([1, 5, 1, 2], float()),
            Mode::solo(Statistics::Batch, Precision::F32),
        )
        .unwrap();
    assert!(
        norm.forward(
            &Tensor::zeros([4, 6], float()),
            Mode::solo(Statistics::Batch, Precision::F32)
        )
        .is_err()
    );
}

#[test]
fn linear_layers_start_as_pytorchs_and_give_float32() {
    let variables = nn::VarStore::new(place::device());
    let linear = Linear::new(&variables.root(), 400, 300, true).unwrap();
    let named = variables.variables();
    for name in ["weight", "bias"] {
        let bound = named[name].abs().max().double_value(&[]);
        // The bound itself may be drawn, and float32 rounds 0.05 upwards.
        assert!(
            (0.04..=f64::from(0.05_f32)).contains(&bound),
            "{name}: {bound}"
        );
    }
    let x = place::noise(&[8, 400], float());
    let expected = x.matmul(&named["weight"].transpose(0, 1)) + &named["bias"];
    let full = linear.forward(&x, Precision::F32).unwrap();
    assert_close(&full, &expected, 1e-5, "float32");
    let half = linear.forward(&x, Precision::Bf16).unwrap();
    assert_eq!(half.kind(), Kind::Float);
    assert_close(&half, &expected, 0.02, "bfloat16");
    assert!(matches!(
        linear.forward(&Tensor::zeros([8, 399], float()), Precision::F32),
        Err(Error::Torch(_))
    ));
    let bare = nn::VarStore::new(place::device());
    Linear::new(&bare.root(), 4, 3, false).unwrap();
    assert_eq!(bare.len(), 1);
}

/// Fixed numbers within -1 and 1.
fn wave(size: &[i64], step: f64) -> Tensor {
    let count = size.iter().product::<i64>();
    (Tensor::arange(count, float()) * step).sin().view(size)
}

#[test]
fn gradients_of_few_channels_are_right_at_every_kernel_and_stride() {
    for (inputs, kernel, stride) in [
        (1, 3, 2),
        (3, 7, 2),
        (2, 1, 2),
        (4, 1, 2),
        (4, 3, 2),
        (5, 1, 1),
        (9, 1, 2),
        (12, 1, 2),
        (16, 1, 2),
    ] {
        let what = format!("{inputs} channels, kernel {kernel}, stride {stride}");
        let variables = nn::VarStore::new(place::device());
        let conv = Conv::new(&variables.root(), inputs, 8, kernel, stride).unwrap();
        let weight = &variables.variables()["weight"];
        // Channels next to each other in memory, as in the network.
        let x = wave(&[16, 15, 15, inputs as i64], 0.7).permute([0, 3, 1, 2]);
        let x = x.set_requires_grad(true);
        tch::no_grad(|| weight.shallow_clone().copy_(&wave(&weight.size(), 1.3)));
        let y = conv.forward(&x, Precision::F32).unwrap();
        let slope = wave(&y.size(), 2.1);
        (&y * &slope).sum(Kind::Float).backward();

        // In float64 libtorch takes other code.
        let twin = |tensor: &Tensor| {
            tensor
                .detach()
                .to_kind(Kind::Double)
                .set_requires_grad(true)
        };
        let (x64, weight64) = (twin(&x), twin(weight));
        let (steps, padding) = ([stride as i64; 2], [kernel as i64 / 2; 2]);
        let y64 = x64.conv2d::<Tensor>(&weight64, None, steps, padding, [1, 1], 1);
        (&y64 * &slope).sum(Kind::Double).backward();
        assert_close(&y, &y64, 1e-5, &what);
        assert_close(&x.grad(), &x64.grad(), 1e-5, &what);
        assert_close(&weight.grad(), &weight64.grad(), 1e-4, &what);
    }
}

#[test]
fn convolutions_start_he_normal_over_the_fan_out() {
    let variables = nn::VarStore::new(place::device());
    Conv::new(&variables.root(), 16, 64, 3, 2).unwrap();
    let weight = &variables.variables()["weight"];
    assert_eq!(weight.size(), [64, 16, 3, 3]);
    // Standard deviation sqrt(2 / (64 * 9)), known to 1% from 9216 draws.
    let ratio = weight.std(true).double_value(&[]) / (2.0f64 / 576.0).sqrt();
    assert!((ratio - 1.0).abs() < 0.04, "{ratio}");
    assert!(weight.abs().max().double_value(&[]) > 3.0 * (2.0f64 / 576.0).sqrt());
}
