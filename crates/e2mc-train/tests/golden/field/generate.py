"""Checkpoints as people save them: one sound network, and beside it what a reader may stumble over.

A ResNet-18 of width 1 in half precision, seed 0, torch 2.11. Width 1 keeps each file near 20 kB.
`python generate.py [FOLDER]` writes all files but the eight whose makers are listed at the end;
expected.json has the sum of each tensor, by torch.
"""
import argparse, collections, json, os, sys, types
import torch

FOLDER = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))


def state():
    torch.manual_seed(0)
    s, width = collections.OrderedDict(), 1

    def norm(p, n):
        s[p + ".weight"], s[p + ".bias"] = torch.ones(n), torch.zeros(n)
        s[p + ".running_mean"], s[p + ".running_var"] = torch.zeros(n), torch.ones(n)

    s["conv1.weight"] = torch.randn(width, 3, 3, 3) * 0.1
    norm("bn1", width)
    inputs = width
    for k in range(4):
        outputs = width << k
        for j in range(2):
            p = f"layer{k + 1}.{j}"
            s[p + ".conv1.weight"] = torch.randn(outputs, inputs, 3, 3) * 0.1
            norm(p + ".bn1", outputs)
            s[p + ".conv2.weight"] = torch.randn(outputs, outputs, 3, 3) * 0.1
            norm(p + ".bn2", outputs)
            if j == 0 and k:
                s[p + ".downsample.0.weight"] = torch.randn(outputs, inputs, 1, 1) * 0.1
                norm(p + ".downsample.1", outputs)
            inputs = outputs
    return {name: tensor.half() for name, tensor in s.items()}


def save(value, name, zipped=False):
    torch.save(value, os.path.join(FOLDER, name), _use_new_zipfile_serialization=zipped)


def under(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def numbered(tensors, numbers):
    return {
        numbers[name.split(".")[0]] + "." + name.split(".", 1)[1]: tensor
        for name, tensor in tensors.items()
    }


def plus_one(tensors):
    return {name: tensor + 1 for name, tensor in tensors.items()}


def head(last_bias, widths=(8, 6, 5)):
    tensors, inputs = {}, widths[0]
    for layer, outputs in enumerate(widths[1:]):
        last = layer == len(widths) - 2
        tensors[f"{3 * layer}.weight"] = torch.zeros(outputs, inputs)
        if not last or last_bias:
            tensors[f"{3 * layer}.bias"] = torch.zeros(outputs)
        if not last:
            for part, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
                tensors[f"{3 * layer + 1}.{part}"] = torch.full((outputs,), float(value))
        inputs = outputs
    return tensors


mine = types.ModuleType("mine")
sys.modules["mine"] = mine


class Net(torch.nn.Module):
    pass


class Log(list):
    pass


for cls in (Net, Log):
    cls.__module__ = "mine"
    setattr(mine, cls.__name__, cls)


def module_of(tensors):
    root = Net()
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        at = root
        for part in path:
            if part not in at._modules:
                at.add_module(part, Net())
            at = at._modules[part]
        if last.startswith("running"):
            at.register_buffer(last, tensor)
        else:
            at.register_parameter(last, torch.nn.Parameter(tensor))
    return root


sd = state()
with open(os.path.join(FOLDER, "expected.json"), "w") as file:
    sums = {name: [tensor.double().sum().item(), tensor.numel()] for name, tensor in sd.items()}
    json.dump(sums, file, indent=0)

keys = {True: 1, 0.5: "x", None: (1,), (1, "a"): 3, 7: {}}
log = Log([1, 2])
log.note = "x"
values = {"last": collections.deque([0.1], maxlen=5), "log": log, "seen": {1}, "big": 1 << 200}
save({"state_dict": sd, **values, **keys}, "odd_values.pth")
weight = torch.nn.Parameter(torch.zeros(3))
optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
weight.grad = torch.ones(3)
optimizer.step()
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
save({"model": sd, "optimizer": optimizer, "scheduler": scheduler}, "optimizer_object.pth")
save(module_of(sd), "whole_module.pth")
save(argparse.Namespace(lr=0.1, weights=sd), "namespace_root.pth")
others = {
    "complex": torch.zeros(2, dtype=torch.complex64),
    "uint16": torch.zeros(2, dtype=torch.uint16),
    "uint64": torch.zeros(2, dtype=torch.uint64),
    "sparse": torch.eye(2).to_sparse(),
    "quantized": torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.quint8),
}
save({"state_dict": sd, "others": others}, "other_tensors.pth", zipped=True)
save(under("module._orig_mod.net.module.", sd), "wrappers_in_any_order.pth")
solo = {**under("backbone.", sd), **under("projector.", head(True))}
solo.update({"classifier.weight": torch.zeros(4, 8), "classifier.bias": torch.zeros(4)})
save({"state_dict": solo, "epoch": 3}, "solo_learn.pth")
full = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
small = {"conv1": "0", "bn1": "1", "layer1": "3", "layer2": "4", "layer3": "5", "layer4": "6"}
lightly = {**under("backbone.", numbered(sd, full)), "projection_head.layers.0.weight": torch.zeros(6, 8)}
lightly.update(under("backbone_momentum.", numbered(plus_one(sd), full)))
lightly["prototypes.heads.0.weight"] = torch.zeros(4, 6)
save({"state_dict": lightly}, "lightly.pth")
save({**under("f.", numbered(sd, small)), "g.0.weight": torch.zeros(6, 8)}, "simclr_small.pth")
save({"model": plus_one(sd), "model_ema": sd}, "ema_beside.pth")

# From public bug reports, made the same way: compiled_submodules, defaultdict, dict_subclass,
# dino_student_teacher, float8_beside, list_root, semantic_is_taken_for_ema, sequential_names.
