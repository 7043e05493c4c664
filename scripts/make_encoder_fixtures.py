"""Makes crates/e2mc-train/tests/golden/encoders: what public libraries give for small encoders.

Needs torch, torchvision, timm, transformers and safetensors; the versions are written into the manifest.
Weights and images follow from a formula (see the README there), so that none is stored. Everything is
computed in float64.
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
import safetensors
import timm
import torch
import torchvision
import transformers
from safetensors.torch import load_file, save_file
from timm.layers import SwiGLUPacked
from timm.models.convnext import ConvNeXt
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer

FOLDER = pathlib.Path(__file__).parent.parent / 'crates/e2mc-train/tests/golden/encoders'
SIDE = 32
LARGEST_GRADIENT = 4200
# Of these networks every gradient of the first block is kept.
WHOLE = {'timm-vit', 'timm-dinov3', 'hf-dinov2'}


def series(count, k):
    """`count` numbers in [-1, 1], well mixed, of number `k`."""
    u = np.sin(12.9898 * np.arange(count, dtype=np.float64) + 78.233 * k) * 43758.5453
    return torch.tensor(2 * (u - np.floor(u)) - 1)


def weights(shapes):
    """The values of every tensor, by the place of its name among all names."""
    found = {}
    for k, name in enumerate(sorted(shapes)):
        shape = shapes[name]
        count = int(np.prod(shape))
        r = series(count, k)
        if len(shape) == 1 and name.endswith('weight'):
            r = 1 + 0.25 * r
        elif len(shape) == 1:
            r = 0.1 * r
        else:
            r = r * (6 / (count / shape[0])) ** 0.5
        found[name] = r.reshape(shape).float()
    return found


def images(side):
    return series(2 * 3 * side * side, 1000).reshape(2, 3, side, side)


def weighted(features):
    return (features * torch.arange(features.numel()).double().mul(0.37).sin().view_as(features)).sum()


class Fixtures:
    def __init__(self):
        self.models = {}

    def add(self, name, model, features, outputs=None, hints=None, side=SIDE):
        """`features` maps (model, images) to (n, d); `outputs` has more such maps by name."""
        state = model.state_dict()
        shapes = {key: list(state[key].shape) for key in state if state[key].is_floating_point()}
        values = weights(shapes)
        model.load_state_dict(values, strict=False)
        names = {key: key for key, _ in model.named_parameters()}
        self.keep(name, model, names, shapes, features, outputs, hints, side)

    def add_hugging_face(self, name, model, features, outputs=None, hints=None, side=SIDE):
        """The same by the names in files, which differ from those in memory since version 5."""
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            file = pathlib.Path(folder) / 'model.safetensors'
            shapes = {key: list(tensor.shape) for key, tensor in load_file(file).items()}
            values = weights(shapes)
            save_file(values, file, metadata={'format': 'pt'})
            model = type(model).from_pretrained(folder)
        names = {}
        for own, parameter in model.named_parameters():
            # Halves of a tensor in the file are tensors of their own in memory; the first has its name.
            numbers = parameter.detach().flatten()
            for key, tensor in values.items():
                if torch.equal(tensor.flatten()[: numbers.numel()], numbers):
                    names[own] = key
        self.keep(name, model, names, shapes, features, outputs, hints, side)

    def keep(self, name, model, names, shapes, features, outputs, hints, side):
        model = model.double().eval()
        found = features(model, images(side))
        weighted(found).backward()
        kept = {'features': found.detach()}
        for key, parameter in model.named_parameters():
            gradient = parameter.grad
            if gradient is None or '.1.' in key or key not in names:
                continue
            if gradient.numel() > LARGEST_GRADIENT and name not in WHOLE:
                continue
            kept[f'gradient.{names[key]}'] = gradient
        with torch.no_grad():
            for key, output in (outputs or {}).items():
                kept[key] = output(model)
        save_file({key: value.float().contiguous() for key, value in kept.items()}, FOLDER / f'{name}.safetensors')
        self.models[name] = {'side': side, 'hints': hints or {}, 'tensors': shapes}


def of_timm(model, batch):
    return model.forward_head(model.forward_features(batch), pre_logits=True)


def of_hugging_face(model, batch):
    return model(pixel_values=batch).last_hidden_state[:, 0]


def pooled(model, batch):
    return model(pixel_values=batch).pooler_output


def small_vit(**more):
    return VisionTransformer(**{
        'img_size': SIDE, 'patch_size': 8, 'embed_dim': 64, 'depth': 2, 'num_heads': 1, 'num_classes': 0,
        'dynamic_img_size': True, **more,
    })


def tokens(model, blocks, mean):
    """DINO's and DINOv2's features: class tokens of the last blocks, and the mean of the patches."""
    layers = model.get_intermediate_layers(images(SIDE), n=blocks, return_prefix_tokens=True, norm=True)
    parts = [prefix[:, 0] for _, prefix in layers]
    if mean:
        parts.append(layers[-1][0].mean(1))
    return torch.cat(parts, -1)


def torchvision_vit():
    model = torchvision.models.VisionTransformer(
        image_size=SIDE, patch_size=8, num_layers=2, num_heads=1, hidden_dim=64, mlp_dim=256, num_classes=5,
    )
    return model


def of_torchvision_vit(model, batch):
    heads, model.heads = model.heads, torch.nn.Identity()
    features = model(batch)
    model.heads = heads
    return features


def of_torchvision_convnext(model, batch):
    return torch.flatten(model.classifier[0](model.avgpool(model.features(batch))), 1)


def make():
    other = {'features_at_48': lambda model: of_timm(model, images(48))}
    all = Fixtures()
    all.add('timm-vit', small_vit(), of_timm, {
        **other,
        'class2': lambda model: tokens(model, 2, False),
        'class1mean': lambda model: tokens(model, 1, True),
    })
    all.add('timm-vit-gap', small_vit(global_pool='avg', class_token=False), of_timm, other)
    all.add('timm-vit-registers', small_vit(reg_tokens=4, no_embed_class=True, init_values=0.1), of_timm, {
        **other, 'class2mean': lambda model: tokens(model, 2, True),
    })
    all.add('timm-vit-swiglu', small_vit(mlp_layer=SwiGLUPacked, act_layer=torch.nn.SiLU), of_timm)
    all.add('timm-vit-clip', small_vit(pre_norm=True, num_heads=4, qk_norm=True), of_timm, other)
    eva = {
        'img_size': SIDE, 'patch_size': 8, 'embed_dim': 64, 'depth': 2, 'num_heads': 1, 'num_classes': 0,
        'init_values': 0.1, 'rope_type': 'dinov3', 'rope_temperature': 100, 'use_rot_pos_emb': True,
        'use_abs_pos_emb': False, 'rope_rotate_half': True, 'num_reg_tokens': 4, 'use_fc_norm': False,
        'dynamic_img_size': True, 'global_pool': 'token',
        'norm_layer': lambda width, **more: torch.nn.LayerNorm(width, eps=1e-5),
    }
    all.add('timm-dinov3', Eva(**eva), of_timm, other)
    all.add('timm-dinov3-swiglu', Eva(**eva, swiglu_mlp=True), of_timm)
    all.add('timm-dinov3-plus', Eva(**{**eva, 'qkv_bias': False}, swiglu_mlp=True, swiglu_align_to=8), of_timm)
    all.add('torchvision-vit', torchvision_vit(), of_torchvision_vit)

    sizes = {
        'hidden_size': 64, 'num_hidden_layers': 2, 'num_attention_heads': 2, 'intermediate_size': 128,
        'image_size': SIDE, 'patch_size': 8,
    }
    hints = {'heads': 2}
    hf = transformers
    other_sizes = {
        f'features_at_{side}': lambda model, side=side: model(
            pixel_values=images(side), **({'interpolate_pos_encoding': True} if isinstance(model, hf.ViTModel) else {}),
        ).last_hidden_state[:, 0]
        for side in [24, 48]
    }
    all.add_hugging_face('hf-vit', hf.ViTModel(hf.ViTConfig(**sizes)), of_hugging_face, other_sizes, hints=hints)
    dinov2 = hf.Dinov2Model(hf.Dinov2Config(**sizes, mlp_ratio=2))
    all.add_hugging_face('hf-dinov2', dinov2, of_hugging_face, other_sizes, hints=hints)
    gated = hf.Dinov2Config(**sizes, mlp_ratio=4, use_swiglu_ffn=True)
    all.add_hugging_face('hf-dinov2-swiglu', hf.Dinov2Model(gated), of_hugging_face, hints=hints)
    registers = hf.Dinov2WithRegistersConfig(**sizes, mlp_ratio=2, num_register_tokens=4)
    registers = hf.Dinov2WithRegistersModel(registers)
    all.add_hugging_face('hf-dinov2-registers', registers, of_hugging_face, other_sizes, hints=hints)
    for name, more in [('hf-dinov3', {}), ('hf-dinov3-gated', {'use_gated_mlp': True, 'hidden_act': 'silu'})]:
        config = hf.DINOv3ViTConfig(**{**sizes, 'num_register_tokens': 4, **more})
        all.add_hugging_face(name, hf.DINOv3ViTModel(config), of_hugging_face, {
            'features_at_48': lambda model: of_hugging_face(model, images(48)),
        }, hints=hints)

    shape = {'depths': [1, 1, 2, 1], 'dims': [8, 16, 24, 32]}
    other = {'features_at_56': lambda model: of_timm(model, images(56))}
    all.add('timm-convnext', ConvNeXt(**shape, num_classes=0, ls_init_value=1.0), of_timm, other)
    all.add('timm-convnextv2', ConvNeXt(**shape, num_classes=0, ls_init_value=None, use_grn=True), of_timm, other)
    all.add('timm-convnext-conv', ConvNeXt(**shape, num_classes=0, ls_init_value=1.0, conv_mlp=True), of_timm)
    Setting = torchvision.models.convnext.CNBlockConfig
    settings = [Setting(8, 16, 1), Setting(16, 24, 1), Setting(24, 32, 2), Setting(32, None, 1)]
    all.add('torchvision-convnext', torchvision.models.ConvNeXt(settings, num_classes=5), of_torchvision_convnext)
    sizes = {'depths': shape['depths'], 'hidden_sizes': shape['dims']}
    all.add_hugging_face('hf-convnext', hf.ConvNextModel(hf.ConvNextConfig(**sizes)), pooled)
    all.add_hugging_face('hf-convnextv2', hf.ConvNextV2Model(hf.ConvNextV2Config(**sizes)), pooled)
    dinov3 = hf.DINOv3ConvNextModel(hf.DINOv3ConvNextConfig(**sizes))
    all.add_hugging_face('hf-dinov3-convnext', dinov3, pooled)

    versions = {module.__name__: module.__version__ for module in [torch, torchvision, timm, transformers, safetensors]}
    text = json.dumps({'versions': versions, 'models': all.models}, indent=1)
    (FOLDER / 'manifest.json').write_text(text + '\n')


if __name__ == '__main__':
    sys.exit(make())
