"""Makes training.safetensors with torch 2.11 and torchvision 0.26. See README.md for the weights and the contents."""
import numpy as np, torch, torchvision
from safetensors.numpy import load_file, save_file

KEPT = ['bn1.weight', 'conv1.weight', 'layer2.0.downsample.1.weight', 'layer4.1.bn2.bias']


def weights(state):
    for k, name in enumerate(sorted(state)):
        tensor = state[name]
        if name.endswith('num_batches_tracked'):
            continue
        j = np.arange(tensor.numel(), dtype=np.float64)
        u = np.sin(12.9898 * j + 78.233 * k) * 43758.5453
        r = 2 * (u - np.floor(u)) - 1
        if name.endswith('running_var'):
            r = 1 + 0.3 * r
        elif tensor.dim() == 1 and name.endswith('weight'):
            r = 1 + 0.25 * r
        elif tensor.dim() == 1:
            r = 0.1 * r
        else:
            r *= (6 / (tensor.numel() / tensor.shape[0])) ** 0.5
        tensor.copy_(torch.tensor(r).reshape(tensor.shape))


out = {}
for name in ['resnet18', 'resnet50']:
    network = getattr(torchvision.models, name)().double()
    network.fc = torch.nn.Identity()
    weights(network.state_dict())
    features = network.train()(torch.tensor(load_file(f'{name}.safetensors')['input']).double())
    (features * torch.arange(features.numel()).mul(0.37).sin().view_as(features)).sum().backward()
    kept = {'features': features.detach()}
    for key, parameter in network.named_parameters():
        if key in KEPT:
            kept[f'gradient.{key}'] = parameter.grad
    for key in ['bn1', 'layer3.1.bn2']:
        kept[f'{key}.running_mean'] = network.state_dict()[f'{key}.running_mean']
        kept[f'{key}.running_var'] = network.state_dict()[f'{key}.running_var']
    out |= {f'{name}.{key}': tensor.float().numpy() for key, tensor in kept.items()}
save_file(out, 'training.safetensors')
