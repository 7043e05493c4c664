"""One epoch of VICReg + E2MC on Fashion-MNIST as a PyTorch user writes it: torchvision transforms on Pillow images, DataLoader workers,
a small ResNet-18 (width 16, stride-2 stem, 1 channel), expander 512-512-512, batch 256.
argv: the data set's folder, images (5000), workers (2), threads (2)."""
import gzip, json, math, sys, time, random
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
import torchvision.transforms as T
from PIL import Image, ImageFilter, ImageOps
from torch.utils.data import DataLoader, Dataset
folder, *numbers = sys.argv[1:]
images, workers, threads = (int(a) for a in (numbers + ['5000', '2', '2'][len(numbers):]))
torch.set_num_threads(threads)

class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.down = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)) if stride > 1 or i != o else nn.Identity()
    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.down(x))

def view(p_blur, p_solarize):
    return T.Compose([T.RandomResizedCrop(28, scale=(.2, 1), interpolation=T.InterpolationMode.BICUBIC), T.RandomHorizontalFlip(),
        T.RandomApply([T.ColorJitter(.4, .4)], p=.8), T.RandomApply([T.Lambda(lambda im: im.filter(ImageFilter.GaussianBlur(random.uniform(.1, 1.))))], p=p_blur),
        T.RandomApply([T.Lambda(ImageOps.solarize)], p=p_solarize), T.ToTensor(), T.Normalize([.286], [.353])])

class Fashion(Dataset):
    def __init__(self, n):
        raw = gzip.open(folder + '/train-images-idx3-ubyte.gz').read(16 + n * 784)
        self.x, self.views = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28), (view(.5, 0.), view(.1, .2))
    def __len__(self): return len(self.x)
    def __getitem__(self, i):
        im = Image.fromarray(self.x[i]); return self.views[0](im), self.views[1](im)

layers, i = [nn.Conv2d(1, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
for k in range(4):
    for j in range(2): layers.append(Block(i, 16 << k, 2 if j == 0 and k else 1)); i = 16 << k
head = [nn.Linear(i, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 512, bias=False)]
model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head)
opt = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=.9)

def off(c): d = len(c); return c.flatten()[:-1].view(d - 1, d + 1)[:, 1:].pow(2).sum() / d
def cov(z): z = z - z.mean(0); return off(z.T @ z / (len(z) - 1))
def entropy(u):
    n = len(u); m = round(math.sqrt(n)); s = u.sort(0).values
    return torch.log((s[m:] - s[:-m]) * (n + 1) / m + 1e-7).sum(0).div(n - m).mean()

loader = DataLoader(Fashion(images), 256, shuffle=True, num_workers=workers, drop_last=True)
t, n = time.perf_counter(), 0
for xa, xb in loader:
    a, b = model(xa), model(xb)
    loss = 25 * F.mse_loss(a, b) + sum(25 * F.relu(1 - torch.sqrt(z.var(0) + 1e-4)).mean() / 2 + cov(z) for z in (a, b))
    for z in (a, b):
        u = torch.sigmoid(z); loss = loss - 1000 * entropy(u) / 2 + 100 * cov(u)
    opt.zero_grad(); loss.backward(); opt.step(); n += len(xa)
t = time.perf_counter() - t
print(json.dumps(dict(peer='pytorch+torchvision', case='vicreg+e2mc epoch', images=n, workers=workers, threads=threads, seconds=round(t, 2), images_per_s=round(n / t, 1))))
