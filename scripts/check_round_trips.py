"""Gives the encoders of the test fixtures to timm and transformers, and compares their features.

    python scripts/check_round_trips.py [E2MC]

Each model's file is converted by the program into the folder of a library and loaded by the library
itself: `timm.create_model` from the folder, and with `pretrained_cfg_overlay` from the file;
`transformers.AutoModel.from_pretrained`; torchvision's `load_state_dict`. Needs what
make_encoder_fixtures.py needs; ends with 1 where features differ by more than 1e-4.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import timm
import torch
import torchvision
import transformers
from make_encoder_fixtures import FOLDER, images, of_timm, torchvision_vit, weights
from safetensors.torch import load_file, save_file

TRIPS = {
    'timm-vit': ['timm', 'hf', 'torchvision'],
    'timm-vit-gap': ['timm'],
    'timm-vit-registers': ['timm', 'hf'],
    'timm-vit-swiglu': ['timm', 'hf'],
    'timm-vit-clip': ['timm'],
    'timm-dinov3': ['timm', 'hf'],
    'timm-dinov3-swiglu': ['timm', 'hf'],
    'torchvision-vit': ['timm', 'hf', 'torchvision'],
    'hf-vit': ['timm', 'hf'],
    'hf-dinov2': ['timm', 'hf'],
    'hf-dinov2-swiglu': ['timm', 'hf'],
    'hf-dinov2-registers': ['timm', 'hf'],
    'hf-dinov3': ['timm', 'hf'],
    'hf-dinov3-gated': ['timm', 'hf'],
    'timm-convnext': ['timm', 'hf'],
    'timm-convnextv2': ['timm', 'hf'],
    'torchvision-convnext': ['timm', 'hf'],
    'hf-convnext': ['timm', 'hf'],
    'hf-convnextv2': ['timm', 'hf'],
}


def with_timm(folder, batch):
    config = json.loads((folder / 'config.json').read_text())
    model = timm.create_model(f'local-dir:{folder}', pretrained=True).eval()
    again = timm.create_model(
        config['architecture'], pretrained=True, num_classes=0,
        pretrained_cfg_overlay={'file': str(folder / 'model.safetensors')}, **config['model_args'],
    ).eval()
    features = of_timm(model, batch)
    assert torch.equal(features, of_timm(again, batch)), 'pretrained_cfg_overlay'
    return features


def with_hugging_face(folder, batch):
    model, said = transformers.AutoModel.from_pretrained(folder, output_loading_info=True)
    beyond = ('pooler', 'mask_token')
    missing = [key for key in said['missing_keys'] if not any(part in key for part in beyond)]
    assert not missing and not said['unexpected_keys'], said
    found = model.eval()(pixel_values=batch)
    transformers.AutoImageProcessor.from_pretrained(folder)
    return found.pooler_output if found.last_hidden_state.dim() == 4 else found.last_hidden_state[:, 0]


def with_torchvision(file, batch):
    model = torchvision_vit()
    model.heads = torch.nn.Identity()
    model.load_state_dict(torch.load(file, weights_only=True))
    return model.eval()(batch)


@torch.no_grad()
def main():
    program = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else 'target/release/e2mc').resolve()
    models = json.loads((FOLDER / 'manifest.json').read_text())['models']
    print({module.__name__: module.__version__ for module in [torch, torchvision, timm, transformers]})
    worst = 0
    for name, libraries in TRIPS.items():
        model = models[name]
        expected = load_file(FOLDER / f'{name}.safetensors')['features']
        batch = images(model['side']).float()
        with tempfile.TemporaryDirectory() as place:
            place = pathlib.Path(place)
            save_file(weights(model['tensors']), place / 'in.safetensors')
            heads = [f'--heads={count}' for count in model['hints'].values()]
            for library in libraries:
                out = place / (library if library != 'torchvision' else 'out.pth')
                line = [program, 'convert', place / 'in.safetensors', out, '--names', library, *heads]
                subprocess.run(line, check=True, capture_output=True)
                load = {'timm': with_timm, 'hf': with_hugging_face, 'torchvision': with_torchvision}[library]
                try:
                    error = ((load(out, batch) - expected).abs().max() / expected.abs().max()).item()
                except Exception as problem:
                    error = float('inf')
                    print(f'{type(problem).__name__}: {problem}')
                worst = max(worst, error)
                print(f'{name:22} {library:12} {error:.1e}')
    return int(worst > 1e-4)


if __name__ == '__main__':
    sys.exit(main())
