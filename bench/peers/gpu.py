"""PyTorch beside the device tables of bench/gpu.sh.

    python3 gpu.py measure cuda|cpu RESULTS   times the layers and networks that RESULTS has, into RESULTS/pytorch.json
    python3 gpu.py table RESULTS              one Markdown table of both sides

On CUDA, layers run in fp32 without tf32, with tf32, and in bf16, in both memory layouts, of which the faster counts; cuDNN picks
its algorithm by measuring. Networks are those of pytorch.py; on CUDA they run as CUDA graphs. Times are those of events around
many calls.
"""
import glob
import json
import os
import re
import statistics
import sys
import time


def layer(name):
    """Sizes of a name like conv-32x64x56x56_64k3s1p1."""
    match = re.fullmatch(r"(?:conv|block-[\d.]+|unstructured-[\d.]+)-(\d+)x(\d+)x(\d+)x(\d+)_(\d+)k(\d+)s(\d+)p(\d+)(?:g(\d+))?", name)
    return [int(part or 1) for part in match.groups()] if match else None


def median_us(torch, run, seconds=0.2):
    """Median time of a call in microseconds; each sample is long enough for the clock."""
    cuda = torch.cuda.is_available()
    for _ in range(3):
        run()
    calls, samples = 1, []
    end = time.perf_counter() + seconds
    while len(samples) < 5 or time.perf_counter() < end:
        if cuda:
            start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            for _ in range(calls):
                run()
            stop.record()
            stop.synchronize()
            elapsed = start.elapsed_time(stop) * 1e3
        else:
            began = time.perf_counter()
            for _ in range(calls):
                run()
            elapsed = (time.perf_counter() - began) * 1e6
        if elapsed < 500 and calls < 4096:
            calls *= 2
            continue
        samples.append(elapsed / calls)
    return statistics.median(samples)


def network_us(torch, name, device):
    """A network of batch 1 with fresh weights, frozen, so that batch norms are folded; on CUDA as a graph."""
    import pytorch

    side, classes = (224, 1000) if name == "mobilenetv2" else (32, 10)
    image = torch.randn(1, 3, side, side, device=device)
    torch.backends.cudnn.allow_tf32 = False
    frozen = torch.jit.freeze(torch.jit.trace(pytorch.network(name, classes).to(device).eval(), image))
    if device.type != "cuda":
        return median_us(torch, lambda: frozen(image))
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(5):
            frozen(image)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        frozen(image)
    return median_us(torch, graph.replay)


def measure(side, results):
    import torch
    import torch.nn.functional as F

    device = torch.device(side)
    torch.backends.cudnn.benchmark = True
    modes = {"fp32": (torch.float32, False)}
    if side == "cuda":
        modes.update({"tf32": (torch.float32, True), "bf16": (torch.bfloat16, True)})
    times = {}
    with torch.inference_mode():
        for path in sorted(glob.glob(os.path.join(results, "conv-*.json"))):
            name = os.path.basename(path)[: -len(".json")]
            batch, channels, height, width, outputs, kernel, stride, padding, groups = layer(name)
            for mode, (dtype, tf32) in modes.items():
                torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
                best = float("inf")
                for layout in (torch.contiguous_format, torch.channels_last):
                    x = torch.randn(batch, channels, height, width, device=device, dtype=dtype).to(memory_format=layout)
                    w = torch.randn(outputs, channels // groups, kernel, kernel, device=device, dtype=dtype).to(memory_format=layout)
                    b = torch.randn(outputs, device=device, dtype=dtype)
                    best = min(best, median_us(torch, lambda: F.relu_(F.conv2d(x, w, b, stride, padding, groups=groups))))
                times[f"{name} {mode}"] = best
            if kernel == 1 and side == "cuda":
                # The product alone, by cuBLAS.
                torch.backends.cuda.matmul.allow_tf32 = False
                a, c = torch.randn(outputs, channels, device=device), torch.randn(channels, batch * height * width, device=device)
                times[f"{name} cublas"] = median_us(torch, lambda: torch.matmul(a, c))
        for path in sorted(glob.glob(os.path.join(results, "profile-*.json"))):
            name = os.path.basename(path)[len("profile-") : -len(".json")]
            known = next((network for network in ("resnet20", "resnet56", "mobilenetv2") if name.startswith(network)), None)
            if known:
                times[f"profile-{name}"] = network_us(torch, known, device)
        floats = torch.randn(1 << 24, device=device)
        target = torch.empty_like(floats)
        times["copy GB/s"] = 2 * 4 * floats.numel() / median_us(torch, lambda: target.copy_(floats)) / 1e3
    with open(os.path.join(results, "pytorch.json"), "w") as file:
        json.dump({"torch": torch.__version__, "device": torch.cuda.get_device_name(0) if side == "cuda" else "cpu", "us": times}, file, indent=2)


def table(results):
    def read(path):
        with open(path) as file:
            return json.load(file)

    pytorch = read(os.path.join(results, "pytorch.json"))
    print(f"PyTorch {pytorch['torch']} on {pytorch['device']}; copies at {pytorch['us']['copy GB/s']:.0f} GB/s\n")
    print("| layer | best kernel | us | max rel error | PyTorch fp32 us | ratio | tf32 us | bf16 us | cuBLAS us |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for path in sorted(glob.glob(os.path.join(results, "*.json"))):
        name = os.path.basename(path)[: -len(".json")]
        sizes = layer(name)
        if not sizes:
            continue
        rows = read(path)["rows"]
        best = min(rows, key=lambda row: row["medianUs"])
        dense = "conv-" + re.sub(r"^(conv|block-[\d.]+|unstructured-[\d.]+)-", "", name)
        times = [pytorch["us"].get(f"{dense} {mode}") for mode in ("fp32", "tf32", "bf16", "cublas")]
        cells = [f"{time:.1f}" if time else "" for time in times]
        ratio = f"{times[0] / best['medianUs']:.2f}" if times[0] else ""
        worst = max(row["maxRelError"] for row in rows)
        print(f"| {name} | {best['kernel']} | {best['medianUs']:.1f} | {worst:.0e} | {cells[0]} | {ratio} | {cells[1]} | {cells[2]} | {cells[3]} |")
    print("\n| network, batch 1 | ms | p90 | PyTorch ms | ratio |")
    print("|---|---:|---:|---:|---:|")
    for path in sorted(glob.glob(os.path.join(results, "profile-*.json"))):
        report = read(path)
        times = report["endToEnd"]
        name = os.path.basename(path)[: -len(".json")]
        other = pytorch["us"].get(name)
        cells = f"{other / 1e3:.3f} | {other / 1e3 / times['medianMs']:.2f}" if other else " | "
        print(f"| {name[8:]} | {times['medianMs']:.3f} | {times['p90Ms']:.3f} | {cells} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"] and len(sys.argv) == 4:
        measure(sys.argv[2], sys.argv[3])
    elif sys.argv[1:2] == ["table"] and len(sys.argv) == 3:
        table(sys.argv[2])
    else:
        sys.exit(__doc__)
