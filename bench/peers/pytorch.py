"""Times of PyTorch and OpenBLAS for the tables of layers.mjs and networks.mjs; prints one JSON object.

    python3 pytorch.py THREADS SECONDS conv KERNEL INPUTS OUTPUTS SIZE     {"pytorch": us, "openblas": us}
    python3 pytorch.py THREADS SECONDS network NAME SIDE CLASSES          {"pytorch": us}

PyTorch runs a traced, frozen model, in both memory layouts; the faster median counts. OpenBLAS runs the matrix product of the
convolution alone, without the patches (im2col) that a real one would have to copy first, bias or ReLU: a bound for libraries
built on it. Networks have fresh weights, which do not change the time.
"""
import ctypes
import ctypes.util
import json
import statistics
import sys
import time

import numpy
import torch
import torch.nn as nn
import torch.nn.functional as F


def median_us(run, seconds):
    for _ in range(5):
        run()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)


def pytorch(module, shape, seconds):
    best = float("inf")
    for layout in (torch.contiguous_format, torch.channels_last):
        network, image = module.eval().to(memory_format=layout), torch.randn(shape).to(memory_format=layout)
        with torch.inference_mode():
            frozen = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, image)))
            best = min(best, median_us(lambda: frozen(image), seconds / 2))
    return best


def openblas(rows, inner, columns, threads, seconds):
    name = ctypes.util.find_library("openblas")
    if name is None:
        return None
    library = ctypes.CDLL(name)
    library.openblas_set_num_threads(threads)
    a, b, c = numpy.random.rand(rows, inner).astype("f"), numpy.random.rand(inner, columns).astype("f"), numpy.zeros((rows, columns), "f")
    row_major, plain, pointer, one, zero = 101, 111, ctypes.c_void_p, ctypes.c_float(1), ctypes.c_float(0)
    arguments = (row_major, plain, plain, rows, columns, inner, one, pointer(a.ctypes.data), inner, pointer(b.ctypes.data), columns, zero, pointer(c.ctypes.data), columns)
    return median_us(lambda: library.cblas_sgemm(*arguments), seconds)


def conv(inputs, outputs, kernel=3, stride=1, groups=1, activation=None):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([activation] if activation else []))


class Residual(nn.Module):
    """Two 3x3 convolutions; the shortcut is the identity, every second pixel with zero channels, or a 1x1 convolution."""

    def __init__(self, inputs, outputs, stride, projects):
        super().__init__()
        self.body = nn.Sequential(conv(inputs, outputs, 3, stride, activation=nn.ReLU(True)), conv(outputs, outputs))
        self.shortcut = conv(inputs, outputs, 1, stride) if projects and (stride > 1 or inputs != outputs) else None
        self.added = 0 if projects else (outputs - inputs) // 2

    def forward(self, x):
        y = self.body(x)
        if self.shortcut is not None:
            x = self.shortcut(x)
        elif self.added:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added, self.added))
        return F.relu(x + y)


class Inverted(nn.Module):
    """The inverted bottleneck of MobileNetV2."""

    def __init__(self, inputs, outputs, stride, expansion):
        super().__init__()
        hidden, relu6 = inputs * expansion, nn.ReLU6(True)
        expand = [conv(inputs, hidden, 1, activation=relu6)] if expansion > 1 else []
        self.body = nn.Sequential(*expand, conv(hidden, hidden, 3, stride, hidden, relu6), conv(hidden, outputs, 1))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.body(x) if self.adds else self.body(x)


class Classifier(nn.Module):
    def __init__(self, features, channels, classes):
        super().__init__()
        self.features, self.linear = nn.Sequential(*features), nn.Linear(channels, classes)

    def forward(self, x):
        return self.linear(self.features(x).mean((2, 3)))


def resnet(blocks, widths, projects, stem, classes):
    features, channels = list(stem), widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            features.append(Residual(channels, width, 2 if stage and not block else 1, projects))
            channels = width
    return Classifier(features, channels, classes)


def mobilenet_v2(classes):
    features, channels = [conv(3, 32, 3, 2, activation=nn.ReLU6(True))], 32
    for expansion, width, repeats, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for repeat in range(repeats):
            features.append(Inverted(channels, width, stride if repeat == 0 else 1, expansion))
            channels = width
    return Classifier([*features, conv(channels, 1280, 1, activation=nn.ReLU6(True))], 1280, classes)


def network(name, classes):
    relu = nn.ReLU(True)
    if name == "resnet18":
        return resnet(2, (64, 128, 256, 512), True, [conv(3, 64, 7, 2, activation=relu), nn.MaxPool2d(3, 2, 1)], classes)
    if name == "resnet18-cifar":
        return resnet(2, (64, 128, 256, 512), True, [conv(3, 64, activation=relu)], classes)
    if name == "mobilenetv2":
        return mobilenet_v2(classes)
    return resnet({"resnet8": 1, "resnet20": 3, "resnet56": 9}[name], (16, 32, 64), name == "resnet8", [conv(3, 16, activation=relu)], classes)


def main():
    threads, seconds, kind = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(threads)
    if kind == "network":
        name, side, classes = sys.argv[4], int(sys.argv[5]), int(sys.argv[6])
        print(json.dumps({"pytorch": pytorch(network(name, classes), (1, 3, side, side), seconds)}))
        return
    kernel, inputs, outputs, size = map(int, sys.argv[4:8])
    layer = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2), nn.ReLU(True))
    result = {"pytorch": pytorch(layer, (1, inputs, size, size), seconds)}
    result["openblas"] = openblas(outputs, inputs * kernel * kernel, size * size, threads, seconds)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
