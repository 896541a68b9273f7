"""Training steps of ResNet-20 at batch 128, CoInference against PyTorch, interleaved in one run.

    dotnet build -c Release bench && python3 bench/peers/training.py [THREADS] [ROUNDS]

Each side runs one step of forward, loss, backward and SGD with momentum in turn; the ratio is that of the fastest steps,
then of the medians. PyTorch is measured in both of its memory layouts and the faster one counts.
"""
import os
import statistics
import subprocess
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
BATCH = 128
BLOCKS = 3


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.added = stride, (outputs - inputs) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added, self.added))
        return F.relu(y + x)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        layers, channels = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
        for stage in range(3):
            for block in range(BLOCKS):
                layers.append(Block(channels, 16 << stage, 2 if stage and not block else 1))
                channels = 16 << stage
        self.features, self.linear = nn.Sequential(*layers), nn.Linear(64, 10)

    def forward(self, x):
        return self.linear(self.features(x).mean((2, 3)))


class Peer:
    """PyTorch in one memory layout."""

    def __init__(self, layout):
        torch.manual_seed(0)
        self.network = ResNet().to(memory_format=layout).train()
        self.images = torch.randn(BATCH, 3, 32, 32).to(memory_format=layout)
        self.labels = torch.randint(0, 10, (BATCH,))
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def step(self):
        start = time.perf_counter()
        self.optimizer.zero_grad()
        F.cross_entropy(self.network(self.images), self.labels).backward()
        self.optimizer.step()
        return time.perf_counter() - start


class Own:
    """CoInference in a child process that waits for orders."""

    def __init__(self):
        root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
        command = ["dotnet", os.path.join(root, "bin/Release/net10.0/Bench.dll"), "training-steps", "resnet20", str(BATCH), str(THREADS)]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(self):
        self.child.stdin.write("1\n")
        self.child.stdin.flush()
        return float(self.child.stdout.readline())


torch.set_num_threads(THREADS)
sides = {"CoInference": Own(), "PyTorch": Peer(torch.contiguous_format), "PyTorch channels-last": Peer(torch.channels_last)}
times = {name: [] for name in sides}
for turn in range(ROUNDS + 3):
    for name, side in sides.items():
        seconds = side.step()
        if turn >= 3:
            times[name].append(seconds)
for name, seconds in times.items():
    print(f"{name:22} best {BATCH / min(seconds):6.0f} images/s, median {BATCH / statistics.median(seconds):6.0f}")
own, peers = times["CoInference"], [times[name] for name in times if name != "CoInference"]
print(f"ratio: best {min(map(min, peers)) / min(own):.2f}x, median {min(map(statistics.median, peers)) / statistics.median(own):.2f}x of PyTorch {torch.__version__}, {THREADS} threads")
