"""Makes crates/e2mc-train/tests/golden/dino: three whole training steps of DINO in PyTorch's arithmetic, and a full
checkpoint of where they start.

Needs torch, timm and safetensors. The method is written from Caron et al. 2021 (Algorithm 1, sections 3.1 and 3.2,
appendix A) on PyTorch's own layers, losses and optimiser, in float64. Weights and views follow from the formula of
golden/encoders, so that none is stored; see the README beside the files.
"""

import argparse
import math
import pathlib

import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn import functional as F

from make_encoder_fixtures import series, weights

FOLDER = pathlib.Path(__file__).parent.parent / 'crates/e2mc-train/tests/golden/dino'
STEPS, BATCH, LARGE, SMALL = 3, 6, 14, 7
RATE, EPSILON, DECAY, LIMIT = 0.01, 1e-4, (0.04, 0.4), 0.05
MOMENTUM, CENTER_MOMENTUM = 0.9, 0.9
STUDENT_TEMPERATURE, TEACHER_TEMPERATURES = 0.1, [0.04, 0.07, 0.07]
BETA, GAMMA, E2MC_EPSILON = 0.1, 1.0, 1e-7


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = VisionTransformer(
            img_size=LARGE, patch_size=7, in_chans=1, embed_dim=16, depth=1, num_heads=2, mlp_ratio=2,
            num_classes=0, dynamic_img_size=True,
        )
        self.projector = nn.Sequential(nn.Linear(16, 12), nn.GELU(), nn.Linear(12, 12), nn.GELU(), nn.Linear(12, 6))
        self.prototypes = nn.utils.weight_norm(nn.Linear(6, 10, bias=False))
        self.prototypes.weight_g.requires_grad = False

    def forward(self, views):
        features = []
        for side in (LARGE, SMALL):
            of_side = [view for view in views if view.shape[-1] == side]
            if of_side:
                features.append(self.backbone(torch.cat(of_side)))
        bottleneck = self.projector(torch.cat(features))
        return bottleneck, self.prototypes(F.normalize(bottleneck, dim=-1))


def cosine(start, end, step):
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * step / STEPS))


def e2mc(embeddings):
    loss = 0
    for z in embeddings:
        n, d = z.shape
        m = round(math.sqrt(n))
        u = (1 + torch.erf(z / math.sqrt(2))) / 2
        spacings = u.sort(0).values
        spacings = spacings[m:] - spacings[: n - m]
        entropy = (spacings * (n + 1) / m + E2MC_EPSILON).log().mean()
        covariance = torch.cov(u.T)
        off = covariance - torch.diag(torch.diag(covariance))
        loss = loss - BETA * entropy / len(embeddings) + GAMMA * off.square().sum() / d
    return loss


def theirs(name):
    """The name that the public code's full checkpoints have for a parameter of a network."""
    return name.replace('projector.', 'head.mlp.').replace('prototypes.', 'head.last_layer.')


def save_full(student, teacher, center):
    """A full checkpoint as the public code saves it: networks that DistributedDataParallel wraps or does not, the
    loss's buffer, an optimiser's state and whatever else."""
    optimizer = torch.optim.AdamW(student.parameters())
    torch.save(
        {
            'student': {f'module.{theirs(name)}': value for name, value in student.state_dict().items()},
            'teacher': {theirs(name): value for name, value in teacher.state_dict().items()},
            'optimizer': optimizer.state_dict(),
            'epoch': 7,
            'args': argparse.Namespace(arch='vit', patch_size=7),
            'dino_loss': {'center': center},
            'fp16_scaler': {'scale': 65536.0, 'growth_factor': 2.0},
        },
        FOLDER / 'full.pth',
    )


def main():
    student, teacher = Network(), Network()
    named = dict(student.named_parameters())
    named.update({f'teacher.{name}': parameter for name, parameter in teacher.named_parameters()})
    values = weights({name: list(parameter.shape) for name, parameter in named.items()} | {'center': [1, 10]})
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(torch.ones_like(parameter) if name.endswith('weight_g') else values[name])
    FOLDER.mkdir(exist_ok=True)
    save_full(student, teacher, values['center'])
    student.double(), teacher.double()
    center = values['center'].double()
    named = dict(student.named_parameters())
    for parameter in teacher.parameters():
        parameter.requires_grad = False
    trained = {name: parameter for name, parameter in named.items() if parameter.requires_grad}
    plain = [name for name in trained if name.endswith('.bias') or trained[name].dim() == 1]
    optimizer = torch.optim.AdamW([
        {'params': [trained[name] for name in trained if name not in plain]},
        {'params': [trained[name] for name in plain], 'weight_decay': 0},
    ], lr=RATE, eps=EPSILON)
    kept = {}
    for step in range(STEPS):
        optimizer.param_groups[0]['weight_decay'] = cosine(*DECAY, step)
        views = [
            series(BATCH * side * side, 1000 + 10 * step + view).float().double().reshape(BATCH, 1, side, side)
            for view, side in enumerate([LARGE, LARGE, SMALL, SMALL])
        ]
        bottleneck, scores = student(views)
        with torch.no_grad():
            _, targets = teacher(views[:2])
            p = F.softmax((targets - center) / TEACHER_TEMPERATURES[step], dim=-1).chunk(2)
        if step == 0:
            outputs = {'bottleneck': bottleneck[:BATCH], 'scores': scores[:BATCH], 'targets': targets[:BATCH]}
            outputs = {name: tensor.detach().float().contiguous() for name, tensor in outputs.items()}
            save_file(outputs, FOLDER / 'heads.safetensors', metadata={'torch': torch.__version__})
        log_q = F.log_softmax(scores / STUDENT_TEMPERATURE, dim=-1).chunk(4)
        pairs = [(t, s) for t in range(2) for s in range(4) if t != s]
        cross_entropy = sum(-(p[t] * log_q[s]).sum(-1).mean() for t, s in pairs) / len(pairs)
        loss = cross_entropy + e2mc(bottleneck.chunk(4)[:2])
        optimizer.zero_grad()
        loss.backward()
        for name, parameter in trained.items():
            scale = LIMIT / (parameter.grad.norm() + 1e-6)
            if scale < 1:
                parameter.grad.mul_(scale)
            if step < 1 and name.startswith('prototypes.'):
                parameter.grad = None
        optimizer.step()
        with torch.no_grad():
            momentum = cosine(MOMENTUM, 1, step)
            for own, other in zip(teacher.parameters(), student.parameters()):
                own.mul_(momentum).add_((1 - momentum) * other)
            center = center * CENTER_MOMENTUM + targets.mean(0, keepdim=True) * (1 - CENTER_MOMENTUM)
        kept[f'{step}.cross_entropy'] = cross_entropy.detach()
        kept[f'{step}.loss'] = loss.detach()
    for name, parameter in student.named_parameters():
        kept[name] = parameter.detach()
    for name, parameter in teacher.named_parameters():
        kept[f'teacher.{name}'] = parameter.detach()
    kept['center'] = center
    tensors = {name: tensor.float().contiguous() for name, tensor in kept.items()}
    save_file(tensors, FOLDER / 'steps.safetensors', metadata={'torch': torch.__version__})


if __name__ == '__main__':
    main()
