//! Files as they are met: who keeps the network where, under which names, and what is refused. The
//! table in `docs/checkpoints.md` is what comes out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use e2mc_train::checkpoint::{Checkpoint, ReadOptions};
use e2mc_train::{Device, Error, Model};
use tch::Tensor;

use super::files::{fixture, golden, images, network, read, relative_error, weights, write};

/// A file: what it is, its tensors, and what lies beside it.
struct Case {
    what: &'static str,
    tensors: Tensors,
    /// Files of JSON beside the weights, which are then in a folder.
    beside: Vec<(&'static str, serde_json::Value)>,
    /// Whether the weights are in two files and an index.
    sharded: bool,
}

impl Case {
    fn new(what: &'static str, tensors: Tensors) -> Self {
        Self {
            what,
            tensors,
            beside: Vec::new(),
            sharded: false,
        }
    }

    /// The library's network that these tensors are, where its features are known.
    fn golden(&self) -> Option<&'static str> {
        let networks = [
            ("timm, a ViT with its classifier", "timm-vit"),
            ("timm, DINOv3", "timm-dinov3"),
            ("torchvision, a ViT", "torchvision-vit"),
            ("DINO, ", "timm-vit"),
            ("DINOv2, a backbone without", ""),
            ("DINOv2, ", "timm-vit-registers"),
            ("DINOv3, ", "timm-dinov3"),
            ("MoCo v3", "timm-vit"),
            ("MAE", "timm-vit"),
            ("iBOT", "timm-vit"),
            ("lightly", "timm-vit"),
            ("solo-learn", "timm-vit"),
            ("Lightning", "timm-vit"),
            ("Hugging Face, a ViT", "hf-vit"),
            ("Hugging Face, a folder", "hf-vit"),
            ("Hugging Face, two shards", "hf-vit"),
            ("Hugging Face, DINOv2 with SwiGLU", "hf-dinov2-swiglu"),
            ("Hugging Face, DINOv2 with registers", "hf-dinov2-registers"),
            ("Hugging Face, DINOv2", "hf-dinov2"),
            ("Hugging Face, DINOv3", "hf-dinov3"),
            ("timm, a ConvNeXt", "timm-convnext"),
            ("torchvision, a ConvNeXt", "torchvision-convnext"),
            ("its authors, a ConvNeXt v2", "timm-convnextv2"),
            ("Hugging Face, a ConvNeXt v2", "hf-convnextv2"),
        ];
        let found = networks
            .iter()
            .find(|(what, _)| self.what.starts_with(what));
        found.map(|(_, name)| *name).filter(|name| !name.is_empty())
    }

    /// Writes it to a folder; says which path is to be read.
    fn write(&self, folder: &Path) -> PathBuf {
        let tensors = copies(&self.tensors);
        let path = match (self.sharded, self.beside.is_empty()) {
            (true, _) => {
                shard(folder, tensors);
                folder.to_owned()
            }
            (false, true) => {
                let path = folder.join("file.safetensors");
                write(&path, &tensors);
                path
            }
            (false, false) => {
                write(&folder.join("model.safetensors"), &tensors);
                folder.to_owned()
            }
        };
        for (name, value) in &self.beside {
            fs::write(folder.join(name), value.to_string()).unwrap();
        }
        path
    }

    /// What is advised where it cannot be read.
    fn hint(&self) -> String {
        let folder = tempfile::tempdir().unwrap();
        match Checkpoint::read(&self.write(folder.path())) {
            Err(Error::Checkpoint { advice, .. }) => format!("{advice:?}"),
            other => panic!("{}: {other:?}", self.what),
        }
    }

    /// Writes it, and reads it with a model around it. Says what was found, or what was wrong.
    fn outcome(&self) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = self.write(folder.path());
        load(&path).map_err(|error| {
            let place = path.display().to_string();
            error.to_string().replace(&format!("{place}: "), "")
        })
    }
}

/// The tensors of a file by name.
type Tensors = BTreeMap<String, Tensor>;

/// The same tensors, once more.
fn copies(tensors: &Tensors) -> Tensors {
    let named = tensors.iter();
    named
        .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
        .collect()
}

/// Deals tensors out to two files.
fn shard(folder: &Path, tensors: BTreeMap<String, Tensor>) {
    let mut map = serde_json::Map::new();
    let mut parts = [BTreeMap::new(), BTreeMap::new()];
    for (place, (name, tensor)) in tensors.into_iter().enumerate() {
        let file = format!("model-0000{}-of-00002.safetensors", place % 2 + 1);
        map.insert(name.clone(), file.into());
        parts[place % 2].insert(name, tensor);
    }
    for (place, part) in parts.iter().enumerate() {
        write(
            &folder.join(format!("model-0000{}-of-00002.safetensors", place + 1)),
            part,
        );
    }
    let index = serde_json::json!({ "weight_map": map });
    fs::write(
        folder.join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
}

fn load(path: &Path) -> Result<String, Error> {
    let checkpoint = Checkpoint::read(path)?;
    let model = Model::new(&checkpoint.recipe, Device::Cpu, 0)?;
    checkpoint.apply_to(&model)?;
    let foreign = checkpoint.foreign.as_ref().unwrap();
    let heads = match checkpoint.is_headless() {
        true => "without heads".to_owned(),
        false => format!("with the heads of {}", checkpoint.recipe.method.name()),
    };
    let used = checkpoint.model.keys();
    let used = used.filter(|name| name.starts_with("backbone.")).count();
    assert_eq!(
        used, foreign.of_backbone,
        "everything is used, or nothing is loaded"
    );
    let red = checkpoint.recipe.evaluation.std[0];
    assert_eq!(
        red, 0.229,
        "0.228 belongs to files of VICReg's, SwAV's and SimSiam's authors"
    );
    let mut found = format!(
        "{}, layout `{}`, {heads}, {used} tensors",
        checkpoint.recipe.backbone, foreign.layout
    );
    let settings = serde_json::to_value(&checkpoint.recipe.backbone).unwrap();
    match settings["resize"].as_str() {
        Some("plain") => found.push_str("; positions are resized as Hugging Face does"),
        Some("offset") => found.push_str("; positions are resized as DINO's authors do"),
        _ => {}
    }
    if let Some(chosen) = &foreign.chosen {
        found.push_str(&format!("; {chosen}"));
    }
    if !foreign.ignored.is_empty() {
        found.push_str(&format!("; not used: {}", foreign.ignored.join(", ")));
    }
    Ok(found)
}

fn of(model: &str) -> Tensors {
    weights(&fixture(model))
}

/// The same tensors under other names; none if `rename` has none.
fn renamed(tensors: &Tensors, rename: impl Fn(&str) -> Option<String>) -> Tensors {
    let named = tensors.iter();
    named
        .filter_map(|(name, tensor)| Some((rename(name)?, tensor.shallow_clone())))
        .collect()
}

fn below(prefix: &str, tensors: &Tensors) -> Tensors {
    renamed(tensors, |name| Some(format!("{prefix}{name}")))
}

fn and(parts: &[Tensors]) -> Tensors {
    parts.iter().flat_map(copies).collect()
}

/// Tensors of ones.
fn more(tensors: &[(&str, &[i64])]) -> Tensors {
    let named = tensors.iter();
    let ones = |shape: &[i64]| Tensor::ones(shape, tch::kind::FLOAT_CPU);
    named
        .map(|(name, shape)| ((*name).to_owned(), ones(shape)))
        .collect()
}

/// DINOv2's authors: the class token has a position, registers have none.
fn dinov2() -> Tensors {
    let mut tensors = renamed(&of("timm-vit-registers"), |name| {
        Some(name.replace("reg_token", "register_tokens"))
    });
    // A class token without a place, as in timm's, is one at 0.
    let patches = &tensors["pos_embed"];
    let places = Tensor::cat(&[patches.narrow(1, 0, 1) * 0.0, patches.shallow_clone()], 1);
    tensors.insert("pos_embed".into(), places);
    and(&[tensors, more(&[("mask_token", &[1, 64])])])
}

/// DINOv3's authors: one bias for queries, keys and values, with a mask for that of keys.
fn dinov3() -> Tensors {
    let mut tensors = renamed(&of("timm-dinov3"), |name| {
        let name = name.replace("gamma_1", "ls1.gamma");
        let name = name.replace("gamma_2", "ls2.gamma");
        Some(name.replace("reg_token", "storage_tokens"))
    });
    for block in 0..2 {
        let mut take = |part: &str| tensors.remove(&format!("blocks.{block}.attn.{part}"));
        let (query, value) = (take("q_bias").unwrap(), take("v_bias").unwrap());
        let bias = Tensor::cat(&[&query, &(&query * 0.0), &value], 0);
        tensors.insert(format!("blocks.{block}.attn.qkv.bias"), bias);
    }
    let more = more(&[
        ("mask_token", &[1, 64]),
        ("rope_embed.periods", &[16]),
        ("blocks.0.attn.qkv.bias_mask", &[192]),
        ("blocks.1.attn.qkv.bias_mask", &[192]),
    ]);
    and(&[tensors, more])
}

/// The authors' names of a ConvNeXt v2.
fn convnext_authors() -> Tensors {
    let rename = |name: &str| {
        let name = name
            .replace("stem.", "downsample_layers.0.")
            .replace(".blocks.", ".")
            .replace("conv_dw", "dwconv")
            .replace("mlp.fc1", "pwconv1")
            .replace("mlp.fc2", "pwconv2")
            .replace("mlp.grn.weight", "grn.gamma")
            .replace("mlp.grn.bias", "grn.beta")
            .replace("head.norm", "norm");
        match name.split_once(".downsample.") {
            Some((stage, rest)) => {
                let stage = stage.trim_start_matches("stages.").to_owned();
                Some(format!("downsample_layers.{stage}.{rest}"))
            }
            None => Some(name),
        }
    };
    let mut tensors = renamed(&of("timm-convnextv2"), rename);
    for (name, tensor) in &mut tensors {
        if name.contains("grn.") {
            *tensor = tensor.view([1, 1, 1, -1]);
        }
    }
    tensors
}

fn cases() -> Vec<Case> {
    let vit = of("timm-vit");
    let head = more(&[("head.weight", &[5, 64]), ("head.bias", &[5])]);
    let dino_head = |prefix: &str| {
        below(
            prefix,
            &more(&[("mlp.0.weight", &[8, 64]), ("last_layer.weight_g", &[9, 1])]),
        )
    };
    let hugging_face = below("vit.", &of("hf-vit"));
    let classifier = more(&[("classifier.weight", &[5, 64]), ("classifier.bias", &[5])]);
    let config = serde_json::json!({
        "model_type": "vit", "num_attention_heads": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu",
    });
    let decoder = more(&[
        ("mask_token", &[1, 1, 32]),
        ("decoder_pos_embed", &[1, 17, 32]),
        ("decoder_blocks.0.norm1.weight", &[32]),
        ("decoder_embed.weight", &[32, 64]),
    ]);
    let folder = |what, tensors: Tensors, beside| Case {
        beside,
        ..Case::new(what, tensors)
    };
    let named = |name: &str| serde_json::json!({"architecture": name, "num_features": 64});
    let without = |name: &str| {
        let mut tensors = copies(&vit);
        assert!(tensors.remove(name).is_some());
        tensors
    };
    vec![
        Case::new(
            "timm, a ViT with its classifier",
            and(&[copies(&vit), copies(&head)]),
        ),
        folder(
            "timm, a folder with `config.json`",
            copies(&vit),
            vec![(
                "config.json",
                serde_json::json!({"architecture": "vit", "global_pool": "avg", "model_args": {"num_heads": 4}}),
            )],
        ),
        Case::new("timm, DINOv3's names", of("timm-dinov3")),
        Case::new("torchvision, a ViT", of("torchvision-vit")),
        Case::new(
            "DINO, a full checkpoint",
            and(&[
                below("student.module.backbone.", &vit),
                dino_head("student.module.head."),
                below("teacher.backbone.", &vit),
                dino_head("teacher.head."),
                more(&[("dino_loss.center", &[1, 9])]),
            ]),
        ),
        Case::new("DINO, a backbone", copies(&vit)),
        Case::new("DINOv2, a backbone with registers", dinov2()),
        Case::new(
            "DINOv2, a teacher from training, in chunks of blocks",
            and(&[
                renamed(&below("teacher.backbone.", &dinov2()), |name| {
                    Some(name.replace(".blocks.", ".blocks.0."))
                }),
                dino_head("teacher.dino_head."),
            ]),
        ),
        Case::new(
            "DINOv2, a student that FSDP consolidated",
            renamed(&below("model.student.backbone.", &dinov2()), |name| {
                Some(name.replace(".attn.", "._fsdp_wrapped_module.attn."))
            }),
        ),
        Case::new(
            "DINOv2, a backbone without registers",
            renamed(&dinov2(), |name| {
                (name != "register_tokens").then(|| name.to_owned())
            }),
        ),
        Case::new("DINOv3, a backbone", dinov3()),
        Case::new(
            "MoCo v3, a full checkpoint",
            below(
                "state_dict.module.",
                &and(&[
                    below("base_encoder.", &vit),
                    below("momentum_encoder.", &vit),
                    more(&[
                        ("base_encoder.head.0.weight", &[8, 64]),
                        ("momentum_encoder.head.0.weight", &[8, 64]),
                        ("predictor.0.weight", &[8, 8]),
                    ]),
                ]),
            ),
        ),
        Case::new(
            "MAE, with its decoder",
            below("model.", &and(&[copies(&vit), decoder])),
        ),
        Case::new(
            "iBOT, a full checkpoint",
            and(&[
                below("student.module.backbone.", &vit),
                more(&[("student.module.backbone.masked_embed", &[1, 64])]),
                below("teacher.module.backbone.", &vit),
                dino_head("teacher.module.head."),
            ]),
        ),
        Case::new(
            "lightly, a masked ViT of timm",
            and(&[
                below("backbone.vit.", &vit),
                more(&[("projection_head.layers.0.weight", &[8, 64])]),
            ]),
        ),
        Case::new(
            "solo-learn",
            below(
                "state_dict.",
                &and(&[
                    below("backbone.", &vit),
                    below("momentum_backbone.", &vit),
                    copies(&classifier),
                ]),
            ),
        ),
        Case::new(
            "Lightning, a module of one's own",
            below("state_dict.net.encoder.", &vit),
        ),
        Case::new(
            "Hugging Face, a ViT with classifier and pooler",
            and(&[
                copies(&hugging_face),
                classifier,
                more(&[("vit.pooler.dense.weight", &[64, 64])]),
            ]),
        ),
        folder(
            "Hugging Face, a folder with `config.json`",
            of("hf-vit"),
            vec![("config.json", config.clone())],
        ),
        Case {
            sharded: true,
            ..folder(
                "Hugging Face, two shards and their index",
                of("hf-vit"),
                vec![("config.json", config)],
            )
        },
        Case::new("Hugging Face, DINOv2", of("hf-dinov2")),
        Case::new("Hugging Face, DINOv2 with SwiGLU", of("hf-dinov2-swiglu")),
        Case::new(
            "Hugging Face, DINOv2 with registers",
            of("hf-dinov2-registers"),
        ),
        Case::new("Hugging Face, DINOv3", of("hf-dinov3")),
        Case::new("timm, a ConvNeXt", of("timm-convnext")),
        Case::new("torchvision, a ConvNeXt", of("torchvision-convnext")),
        Case::new("its authors, a ConvNeXt v2", convnext_authors()),
        Case::new("Hugging Face, a ConvNeXt v2", of("hf-convnextv2")),
        Case::new("a ViT without one tensor", without("blocks.1.norm2.bias")),
        Case::new(
            "DeiT, distilled: a token that is not known",
            and(&[copies(&vit), more(&[("dist_token", &[1, 1, 64])])]),
        ),
        Case::new(
            "Hugging Face, BEiT: relative positions",
            and(&[
                renamed(&of("hf-vit"), |name| {
                    (name != "embeddings.position_embeddings").then(|| name.to_owned())
                }),
                more(&[
                    ("encoder.layer.0.lambda_1", &[64]),
                    ("encoder.layer.1.lambda_1", &[64]),
                ]),
            ]),
        ),
        Case::new(
            "a ViT whose heads nobody says",
            copies(&vit)
                .into_iter()
                .map(|(name, tensor)| {
                    let narrow = tensor.size().into_iter().map(|size| match size {
                        64 => 40,
                        192 => 120,
                        256 => 160,
                        other => other,
                    });
                    let narrow: Vec<i64> = narrow.collect();
                    (name, Tensor::ones(&narrow[..], tch::kind::FLOAT_CPU))
                })
                .collect(),
        ),
        Case::new(
            "a ViT with positions for more patches than it may have",
            and(&[
                copies(&vit),
                more(&[("pos_embed", &[1, 257 * 257 + 1, 64])]),
            ]),
        ),
        Case::new(
            "timm, EVA-02: learned and rotary positions",
            and(&[of("timm-dinov3"), more(&[("pos_embed", &[1, 17, 64])])]),
        ),
        folder(
            "timm, rotary positions without registers",
            renamed(&of("timm-dinov3"), |name| {
                (name != "reg_token").then(|| name.to_owned())
            }),
            vec![("config.json", named("vit_base_patch16_rope_224"))],
        ),
        folder(
            "timm, layer norms behind what they normalise",
            copies(&vit),
            vec![("config.json", named("vit_base_patch16_rpn_224"))],
        ),
        Case::new(
            "Hugging Face, BEiT as it is saved: keys without a bias",
            renamed(&of("hf-vit"), |name| {
                (!name.ends_with("key.bias")).then(|| name.to_owned())
            }),
        ),
        Case::new(
            "Swin",
            more(&[
                ("patch_embed.proj.weight", &[8, 3, 4, 4]),
                ("layers.0.blocks.0.norm1.weight", &[8]),
                ("layers.0.blocks.0.attn.qkv.weight", &[24, 8]),
            ]),
        ),
        Case::new(
            "CLIP's text model: no encoder that is known",
            more(&[(
                "text_model.encoder.layers.0.self_attn.q_proj.weight",
                &[8, 8],
            )]),
        ),
    ]
}

/// The table of what comes out, as the document has it.
fn table() -> String {
    let mut table = "| file | what comes of it |\n|---|---|\n".to_owned();
    for case in cases() {
        let outcome = match case.outcome() {
            Ok(found) => found,
            Err(problem) => {
                // The lines of a table of tensors, as one.
                let lines: Vec<&str> = problem.lines().map(str::trim).collect();
                format!("refused: {}", lines.join("; "))
            }
        };
        let outcome = outcome.split_whitespace().collect::<Vec<_>>().join(" ");
        table.push_str(&format!("| {} | {outcome} |\n", case.what));
    }
    table
}

#[test]
fn the_documents_table_is_what_comes_out() {
    let document = include_str!("../../../../../docs/checkpoints.md");
    let table = table();
    assert!(
        document.contains(&table),
        "docs/checkpoints.md has another table than\n{table}"
    );
}

#[test]
fn most_layouts_load_and_the_rest_say_why() {
    let outcome = |what: &str| {
        let cases = cases();
        let case = cases.iter().find(|case| case.what.starts_with(what));
        case.unwrap().outcome()
    };
    let all = cases().len();
    let refused = cases()
        .iter()
        .filter(|case| case.outcome().is_err())
        .count();
    assert!(all >= 30 && refused == 11, "{refused} of {all}");
    let found = outcome("DINO, a full").unwrap();
    assert!(found.contains("`teacher.backbone.` is taken"), "{found}");
    let said = [
        ("a ViT without", "missing     backbone.blocks.1.norm2.bias"),
        ("DeiT", "unexpected  backbone.dist_token"),
        ("Hugging Face, BEiT: relative", "found neither"),
        (
            "Hugging Face, BEiT as",
            "`encoder.layer.0.attention.attention.key.bias`",
        ),
        ("a ViT whose heads", "a width that is a multiple of 64"),
        ("a ViT with positions", "256 patches along a side"),
        (
            "timm, EVA-02",
            "both, as in EVA-02, which also rotates queries",
        ),
        (
            "timm, rotary",
            "LayerScale, class token and registers of DINOv3",
        ),
        (
            "timm, layer norms behind",
            "found `vit_base_patch16_rpn_224`",
        ),
        ("Swin", "blocks from `blocks.0.norm1.weight` on"),
        ("CLIP's text model", "found one tensor"),
    ];
    assert_eq!(said.len(), refused);
    for (what, words) in said {
        let error = outcome(what).unwrap_err();
        assert!(error.contains(words), "{what}: {error}");
    }
    // The hint for what is no vision transformer of a known kind.
    for what in [
        "Hugging Face, BEiT",
        "timm, EVA-02",
        "timm, rotary",
        "timm, layer norms",
        "Swin",
        "CLIP",
    ] {
        let cases = cases();
        for case in cases.iter().filter(|case| case.what.starts_with(what)) {
            let hint = case.hint();
            assert!(
                hint.contains("embeddings") && hint.contains(".npy"),
                "{what}: {hint}"
            );
        }
    }
}

#[test]
fn the_same_network_gives_the_same_features_under_every_name() {
    let mut compared = 0;
    for case in cases() {
        let Some(name) = case.golden() else { continue };
        let folder = tempfile::tempdir().unwrap();
        let fixture = fixture(name);
        let checkpoint = read(&case.write(folder.path()), &fixture).unwrap();
        let found = network(&checkpoint)
            .features(&images(fixture.side))
            .unwrap();
        let error = relative_error(&found, &golden(name)["features"]);
        assert!(error < 1e-4, "{}: {error}", case.what);
        compared += 1;
    }
    assert!(compared >= 25, "{compared}");
}

#[test]
fn registers_are_taken_even_where_others_may_be_left_out() {
    let case = Case::new("registers", of("timm-vit-registers"));
    let folder = tempfile::tempdir().unwrap();
    let options = ReadOptions {
        allow_unexpected: vec!["reg_token".into()],
        ..ReadOptions::default()
    };
    let checkpoint = Checkpoint::read_with(&case.write(folder.path()), options).unwrap();
    assert_eq!(
        checkpoint.foreign.as_ref().unwrap().of_backbone,
        case.tensors.len()
    );
    let found = network(&checkpoint).features(&images(32)).unwrap();
    let error = relative_error(&found, &golden("timm-vit-registers")["features"]);
    assert!(error < 1e-4, "{error}");
}

#[test]
fn what_timm_says_of_clip_only_by_its_name_is_known() {
    let case = |name: &str| Case {
        beside: vec![("config.json", serde_json::json!({"architecture": name}))],
        ..Case::new("CLIP", of("timm-vit"))
    };
    let settings = |name: &str| {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::read(&case(name).write(folder.path())).unwrap();
        let settings = serde_json::to_value(&checkpoint.recipe.backbone).unwrap();
        (settings["activation"].clone(), settings["epsilon"].as_f64())
    };
    for (name, activation, epsilon) in [
        ("vit_base_patch16_224", "gelu", 1e-6),
        ("vit_base_patch16_clip_224", "gelu", 1e-5),
        ("vit_base_patch16_clip_quickgelu_224", "quick-gelu", 1e-5),
    ] {
        assert_eq!(settings(name), (activation.into(), Some(epsilon)), "{name}");
    }
}
