"""Makes gradients.bin: the gradients of a small residual network in PyTorch, in double precision.

    python3 gradients.py gradients.bin

Weights, images and labels follow from integer formulas that GradientReferenceTests repeats, so only results are stored:
little-endian float32 of the loss, then the gradient of every parameter in the order of their names.
"""
import struct
import sys

import torch
import torch.nn.functional as F


def wave(count, start, scale):
    """Values in [-scale, scale] that any language computes alike: (k * 7919 mod 10007) / 10007."""
    k = torch.arange(start, start + count, dtype=torch.int64)
    return ((k * 7919 % 10007).double() / 10007 * 2 - 1) * scale


parameters = {}
start = 0


def parameter(name, shape, scale, offset=0.0):
    global start
    count = 1
    for size in shape:
        count *= size
    values = (wave(count, start, scale) + offset).float().double().reshape(shape)
    start += count
    parameters[name] = values.requires_grad_()
    return parameters[name]


def conv_norm(x, name, inputs, outputs, kernel, stride):
    w = parameter(name + ".weight", (outputs, inputs, kernel, kernel), (3.0 / (inputs * kernel * kernel)) ** 0.5)
    scale = parameter(name + ".bn.weight", (outputs,), 0.3, 1.0)
    shift = parameter(name + ".bn.bias", (outputs,), 0.2)
    return F.batch_norm(F.conv2d(x, w, stride=stride, padding=(kernel - 1) // 2), None, None, scale, shift, training=True, eps=1e-5)


x = wave(6 * 3 * 12 * 12, 1000, 1.0).float().double().reshape(6, 3, 12, 12)
labels = torch.tensor([0, 3, 6, 2, 5, 1])
x = F.relu(conv_norm(x, "stem", 3, 16, 3, 1))
channels = 16
for stage in range(3):
    width, stride = 16 << stage, 2 if stage > 0 else 1
    shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, (width - channels) // 2, (width - channels) // 2)) if stage > 0 else x
    y = F.relu(conv_norm(x, f"layer{stage + 1}.0.conv1", channels, width, 3, stride))
    x = F.relu(conv_norm(y, f"layer{stage + 1}.0.conv2", width, width, 3, 1) + shortcut)
    channels = width
w = parameter("linear.weight", (7, 64), (3.0 / 64) ** 0.5)
b = parameter("linear.bias", (7,), 0.1)
loss = F.cross_entropy(F.linear(x.mean((2, 3)), w, b), labels, label_smoothing=0.1)
loss.backward()
with open(sys.argv[1], "wb") as out:
    out.write(struct.pack("<f", loss.item()))
    for name in sorted(parameters):
        values = parameters[name].grad.float().flatten().tolist()
        out.write(struct.pack(f"<{len(values)}f", *values))
