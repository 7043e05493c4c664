"""Losses for PyTorch: the criterion, and those that the paper compares it with.

Each is an :class:`torch.nn.Module` without parameters. It takes the embeddings ``(n, d)`` of one view, or of
several views of the same images, and gives a scalar to add to a loss::

    criterion = E2MCLoss()
    loss = invariance(z_a, z_b) + criterion(z_a, z_b)
    loss.backward()

On the CPU, float32 embeddings go to the Rust core, which gives value and gradient in one pass. On other devices, and
in float64, the same formula runs in torch operations. A value that is not finite raises a ``ValueError`` on the CPU; on
other devices nothing waits for the device, and such a value gives a loss that is not finite. Embeddings of lower
precision are judged in float32, with autocast off.

`torch.compile` leaves these modules out of its graphs. On the CPU there is no second derivative; asking for it raises a
``RuntimeError``.

Needs PyTorch 2.2 or newer.
"""

from e2mc.torch._loss import E2MCLoss, MMCRLoss, SIGRegLoss, UniformityLoss, VCRegLoss

__all__ = ["E2MCLoss", "MMCRLoss", "SIGRegLoss", "UniformityLoss", "VCRegLoss"]
