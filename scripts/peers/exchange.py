"""Times Gloo's all_gather and all_reduce of 256 floats between the processes that torchrun starts.

    torchrun --standalone --nproc-per-node 2 scripts/peers/exchange.py

Prints the median of 1000 exchanges in milliseconds.
"""

import statistics
import time

import torch
import torch.distributed as dist


def main():
    dist.init_process_group('gloo')
    own = torch.ones(256)
    parts = [torch.empty(256) for _ in range(dist.get_world_size())]
    exchanges = {'all_gather': lambda: dist.all_gather(parts, own), 'all_reduce': lambda: dist.all_reduce(own.clone())}
    for name, exchange in exchanges.items():
        times = []
        for _ in range(1100):
            start = time.perf_counter()
            exchange()
            times.append(1e3 * (time.perf_counter() - start))
        if dist.get_rank() == 0:
            print(f'{name} {statistics.median(times[100:]):.3f} ms')
    dist.destroy_process_group()


if __name__ == '__main__':
    main()
