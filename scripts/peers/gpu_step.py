"""Training steps on a GPU as a PyTorch user writes them: ResNet-50 in channels-last memory, autocast to
bfloat16, fused SGD, and a DataLoader with workers. Nothing but torch is needed: the images lie in memory,
decoded, and the workers only crop, resize and flip them, which is less than the authors' code does.

argv of gpu_vicreg.py and gpu_swav.py: device, batch, steps, workers, small|full, [profile].
"""
import json, math, sys, time
import torch, torch.nn as nn, torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset


class Bottleneck(nn.Module):
    def __init__(self, i, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.down = None
        if stride > 1 or i != 4 * width:
            self.down = nn.Sequential(nn.Conv2d(i, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.bn3(self.conv3(y)) + (x if self.down is None else self.down(x)), inplace=True)


def resnet50(width=64):
    layers, i = [nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(True), nn.MaxPool2d(3, 2, 1)], width
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            layers.append(Bottleneck(i, width << stage, 2 if stage and not block else 1))
            i = 4 * (width << stage)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), i


def mlp(sizes, last_bias=True):
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        last = i == len(sizes) - 2
        layers.append(nn.Linear(a, b, bias=last_bias or not last))
        layers += [] if last else [nn.BatchNorm1d(b), nn.ReLU(True)]
    return nn.Sequential(*layers)


def covariance(z):
    z = z - z.mean(0)
    c = z.T @ z / (len(z) - 1)
    d = len(c)
    return c.flatten()[:-1].view(d - 1, d + 1)[:, 1:].pow(2).sum() / d


def entropy(u, epsilon):
    """The m-spacing estimate, a column at a time."""
    n = len(u)
    m = round(math.sqrt(n))
    s = u.sort(0).values
    return torch.log((s[m:] - s[:-m]) * (n + 1) / m + epsilon).sum(0).div(n - m).mean()


class Memory(Dataset):
    """Random images of 256 x 256 and views of them."""

    def __init__(self, images, sizes, side):
        self.images = torch.randint(0, 256, (64, 3, side, side), dtype=torch.uint8)
        self.length, self.sizes = images, sizes

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        image = self.images[i % len(self.images)]
        return [self.view(image, size) for size in self.sizes]

    def view(self, image, size):
        full = image.shape[-1]
        side = int(torch.randint(full // 3, full + 1, ()))
        top, left = (int(torch.randint(0, full - side + 1, ())) for _ in range(2))
        crop = image[None, :, top:top + side, left:left + side].float()
        crop = F.interpolate(crop, (size, size), mode='bilinear', align_corners=False)[0]
        return (crop.flip(-1) if torch.rand(()) < .5 else crop) / 127.5 - 1


def main(case, method):
    device, batch, steps, workers, shapes = sys.argv[1:6]
    batch, steps, workers, small = int(batch), int(steps), int(workers), shapes == 'small'
    torch.manual_seed(0)
    backbone, features = resnet50(8 if small else 64)
    method = method(features, small)
    cuda = device != 'cpu'
    backbone, method = backbone.to(device, memory_format=torch.channels_last), method.to(device)
    parameters = [*backbone.parameters(), *method.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=1e-3, momentum=.9, weight_decay=1e-6, fused=cuda or None)
    warmup = 1 if small else 5
    images = Memory(batch * (steps + warmup), method.sizes, 48 if small else 256)
    loader = DataLoader(images, batch, num_workers=workers, pin_memory=cuda, drop_last=True, persistent_workers=False)

    def wait():
        if cuda: torch.cuda.synchronize()
        return time.perf_counter()

    def step(views):
        with torch.autocast('cuda' if cuda else 'cpu', dtype=torch.bfloat16):
            z = method.embed(backbone, views)
        with torch.autocast('cuda' if cuda else 'cpu', enabled=False):
            z = [x.float() for x in z]
            loss = method.loss(z) + method.criterion(z)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return z

    waiting, taken, start = 0., 0, None
    batches = iter(loader)
    for index in range(steps + warmup):
        if index == warmup:
            start, waiting = wait(), 0.
            if cuda: torch.cuda.reset_peak_memory_stats()
        before = time.perf_counter()
        views = next(batches)
        waiting += time.perf_counter() - before
        views = [v.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last) for v in views]
        z = step(views)
    seconds = wait() - start
    peak = torch.cuda.max_memory_allocated() / 2 ** 30 if cuda else None

    # The same batch again and again: the step without its images, and the criterion alone.
    def timed(work, times):
        work()
        begun = wait()
        for _ in range(times): work()
        return (wait() - begun) / times

    alone = timed(lambda: step(views), max(steps // 2, 1))
    leaves = [x.detach().requires_grad_() for x in z]
    criterion = timed(lambda: method.criterion(leaves).backward(), max(steps // 2, 1))
    print(json.dumps(dict(
        peer='pytorch', case=case, batch=batch, device=device, images_per_s=round(batch * steps / seconds, 2),
        step_ms=round(1000 * alone, 2), criterion_ms=round(1000 * criterion, 3), criterion_share=round(criterion / alone, 4),
        waiting_share=round(waiting / seconds, 4), peak_gib=peak and round(peak, 2))), flush=True)
    if 'profile' in sys.argv[6:]:
        from torch.profiler import ProfilerActivity, profile
        with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]) as found:
            for _ in range(3): step(views)
            wait()
        order = 'self_cuda_time_total' if cuda else 'self_cpu_time_total'
        print(found.key_averages().table(sort_by=order, row_limit=25), file=sys.stderr)
