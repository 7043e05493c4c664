"""One training step (forward, backward, AdamW) of a ViT-B/16 in plain PyTorch. argv: batch, threads, steps, again.

The blocks are timm's arithmetic on scaled_dot_product_attention; `again` computes them a second time for the gradient
(torch.utils.checkpoint). Prints one JSON line with the median step_ms and the most memory that the process held.
"""
import json, re, sys, time, torch
import torch.nn as nn, torch.nn.functional as F
from torch.utils.checkpoint import checkpoint
batch, threads, steps = (int(word) for word in (sys.argv[1:4] + ['8', '2', '4'][len(sys.argv[1:4]):]))
again = sys.argv[4:5] == ['again']
torch.set_num_threads(threads)
WIDTH, HEADS, DEPTH = 768, 12, 12

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6), nn.LayerNorm(WIDTH, eps=1e-6)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
    def forward(self, x):
        n, t, w = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, t, 3, HEADS, w // HEADS).permute(2, 0, 3, 1, 4)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, w))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))

class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, WIDTH, 16, 16)
        self.token, self.places = nn.Parameter(torch.zeros(1, 1, WIDTH)), nn.Parameter(torch.randn(1, 197, WIDTH) * .02)
        self.blocks, self.norm, self.head = nn.ModuleList(Block() for _ in range(DEPTH)), nn.LayerNorm(WIDTH, eps=1e-6), nn.Linear(WIDTH, 1000)
    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if again else block(x)
        return self.head(self.norm(x)[:, 0])

model = ViT()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
x, times = torch.randn(batch, 3, 224, 224), []
for step in range(steps + 1):
    start = time.perf_counter()
    loss = model(x).square().mean()
    optimizer.zero_grad(set_to_none=True); loss.backward(); optimizer.step()
    if step: times.append(time.perf_counter() - start)
peak = int(re.search(r'VmHWM:\s+(\d+)', open('/proc/self/status').read()).group(1)) // 1024
print(json.dumps(dict(peer='pytorch', case='vit-b/16', batch=batch, threads=threads, again=again, step_ms=round(1e3 * sorted(times)[len(times) // 2], 1), peak_mib=peak)))
