"""Makes the resnet18_*.pth files and resnet18.json: one ResNet-18 of width 1 in several layouts.

Run with PyTorch 2.11 in this folder. The modules are named and made in torchvision's order, so the
parameters' numbers in the optimiser's state are PyTorch's own.
"""

import json

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or inputs != width:
            shortcut = nn.Conv2d(inputs, width, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet18(nn.Module):
    def __init__(self, fc):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 1, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(1)
        inputs = 1
        for stage in range(4):
            width = 1 << stage
            blocks = [Block(inputs, width, 2 if stage else 1), Block(width, width, 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            inputs = width
        self.fc = fc

    def forward(self, x):
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class Vicreg(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.projector = nn.Sequential(
            nn.Linear(8, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 5, bias=False)
        )


class Moco(nn.Module):
    def __init__(self, encoder_q, encoder_k):
        super().__init__()
        self.encoder_q, self.encoder_k = encoder_q, encoder_k
        self.register_buffer("queue", torch.randn(4, 16))
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))


torch.manual_seed(0)
network = ResNet18(nn.Identity())
for module in network.modules():
    if isinstance(module, nn.BatchNorm2d):
        for tensor in (module.weight.data, module.running_var):
            tensor.uniform_(0.5, 1.5)
        for tensor in (module.bias.data, module.running_mean):
            tensor.uniform_(-0.5, 0.5)
weights = network.state_dict()


def again(fc):
    other = ResNet18(fc)
    other.load_state_dict(weights, strict=False)
    return other


wrapped = nn.Module()
wrapped.module = Vicreg(network)
names = [name.removeprefix("module.") for name, _ in wrapped.named_parameters()]
# VICReg's LARS keeps its momentum as `mu`; here each is its parameter's number.
state = {
    index: {"mu": torch.full_like(parameter.data, float(index))}
    for index, parameter in enumerate(wrapped.parameters())
}
optimizer = {"state": state, "param_groups": [{"lr": 0.0, "params": list(range(len(names)))}]}
vicreg = {"epoch": 3, "model": wrapped.state_dict(), "optimizer": optimizer}
torch.save(vicreg, "resnet18_vicreg_mu.pth")

torch.save(again(nn.Linear(8, 3)).state_dict(), "resnet18_torchvision.pth")
moco = nn.Module()
moco.module = Moco(again(nn.Linear(8, 4)), ResNet18(nn.Linear(8, 4)))
torch.save({"epoch": 7, "arch": "resnet18", "state_dict": moco.state_dict()}, "resnet18_moco.pth.tar")
net = {f"encoder.{name}": tensor for name, tensor in weights.items()}
torch.save({"net": net}, "resnet18_net_legacy.pt", _use_new_zipfile_serialization=False)

grid = torch.arange(2 * 3 * 64 * 64, dtype=torch.float64)
images = torch.sin(0.37 * grid).float().reshape(2, 3, 64, 64)
features = network.eval()(images).detach()
with open("resnet18.json", "w") as file:
    json.dump({"parameters": names, "features": features.tolist()}, file, indent=1)
