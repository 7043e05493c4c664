"""Checkpoints as people save them: one sound network, and beside it what a reader may stumble over.

A ResNet-18 of width 1 in half precision, seed 0, torch 2.11. Width 1 keeps each file near 20 kB.
`python generate.py [FOLDER]` writes all files but the eight whose makers are listed at the end;
expected.json has the sum of each tensor, by torch.
"""
import argparse, collections, io, json, os, pathlib, sys, types, zipfile
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

# Shapes of files rather than of dictionaries.

class Config(dict):
    """As the hyper-parameters of Lightning: a dictionary whose keys are attributes."""


class Weights(collections.OrderedDict):
    """As torchvision's and fastai's own dictionaries of weights."""


class Tagged(torch.Tensor):
    """A tensor of a class of its own, which torch rebuilds from its type."""


for cls in (Config, Weights, Tagged):
    cls.__module__ = "mine"
    setattr(mine, cls.__name__, cls)

# Lightning: objects as hyper-parameters, loops, callbacks by name, optimiser and scheduler states.
hyper = Config(lr=0.1, betas=(0.9, 0.999), device=torch.device("cuda:3"), dtype=torch.bfloat16)
hyper["size"] = torch.Size([3, 8])
hyper["nested"] = Config(path=pathlib.PurePosixPath("data/train"))
save(
    {
        "epoch": 3,
        "pytorch-lightning_version": "2.5.0",
        "hparams_name": "kwargs",
        "hyper_parameters": hyper,
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 4}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_k_models": {}, "best": torch.tensor(0.5)}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [scheduler.state_dict()],
        "state_dict": under("model.encoder.", sd),
    },
    "lightning_objects.ckpt",
    zipped=True,
)
save({"model_state_dict": Weights(sd)}, "ordered_subclass.pth")
# torch_ema keeps its averages as a list without names.
averages = {"decay": 0.99, "num_updates": 7, "shadow_params": list(plus_one(sd).values()), "collected_params": None}
save({"model": sd, "ema": averages}, "ema_list.pth")
fsdp = under("_fsdp_wrapped_module.", sd)
fsdp = {name.replace("layer", "_checkpoint_wrapped_module.layer"): tensor for name, tensor in fsdp.items()}
fsdp = {name.replace(".conv", "._fsdp_wrapped_module._orig_mod.conv"): tensor for name, tensor in fsdp.items()}
save({"state_dict": under("module.", fsdp)}, "fsdp_and_compiled.pth")
# All weights are views of one storage: some with strides, and one reversed in its axes.
flat, offset, views = torch.zeros(sum(2 * t.numel() for t in sd.values()), dtype=torch.half), 3, {}
for index, (name, tensor) in enumerate(sd.items()):
    size = tensor.shape
    if tensor.dim() == 4:
        strides = [1, size[0], size[0] * size[1], size[0] * size[1] * size[2]] if index % 2 else None
        strides = strides or [size[1] * size[2] * size[3], 1, size[3] * size[1], size[1]]
    else:
        strides = [1 + index % 2]
    views[name] = flat.as_strided(size, strides, offset)
    views[name].copy_(tensor)
    offset += tensor.numel() * (1 + index % 2 if tensor.dim() == 1 else 1)
assert all(torch.equal(views[name], sd[name]) for name in sd)
save({"state_dict": views}, "one_storage.pth", zipped=True)
save({"state_dict": views}, "one_storage_legacy.pth")
# Parameters, with attributes and without, and tensors of a class of their own.
rebuilt = {}
for index, (name, tensor) in enumerate(sd.items()):
    rebuilt[name] = [tensor, torch.nn.Parameter(tensor), tensor.as_subclass(Tagged)][index % 3]
    if index % 3 == 1 and index % 2:
        rebuilt[name].tag = "frozen"
save({"state_dict": rebuilt}, "parameters_and_subclasses.pth", zipped=True)
# Both half precisions, float64 and single numbers beside them; numbers are the same in all.
double = {name: tensor.double() if "layer4" in name else tensor for name, tensor in sd.items()}
double["bn1.num_batches_tracked"] = torch.tensor(5)
save({"net": double}, "mixed_precision.pth")
# Records without checksums, aligned to pages, as large models are saved.
torch.serialization.set_crc32_options(False)
save({"state_dict": sd}, "no_checksums.pth", zipped=True)
torch.serialization.set_crc32_options(True)
torch.save({"state_dict": sd}, os.path.join(FOLDER, "pickle_5.pth"), pickle_protocol=5)
# Written on a machine of the other byte order.
buffer = io.BytesIO()
torch.save({"state_dict": sd}, buffer)
with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(os.path.join(FOLDER, "big_endian.pth"), "w") as target:
    for name in source.namelist():
        record = source.read(name)
        if "/data/" in name:
            record = bytes(byte for at in range(0, len(record), 2) for byte in (record[at + 1], record[at]))
        target.writestr(name, b"big" if name.endswith("byteorder") else record)
assert torch.equal(torch.load(os.path.join(FOLDER, "big_endian.pth"))["state_dict"]["conv1.weight"], sd["conv1.weight"])
save({"models": [sd, plus_one(sd)]}, "list_of_networks.pth")
# Shapes without numbers, and numbers that are not torch's.
save({name: tensor.to("meta") for name, tensor in sd.items()}, "meta.pth", zipped=True)
save({name: tensor.numpy() for name, tensor in sd.items()}, "numpy_arrays.pth")

# From public bug reports, made the same way: compiled_submodules, defaultdict, dict_subclass,
# dino_student_teacher, float8_beside, list_root, semantic_is_taken_for_ema, sequential_names.
