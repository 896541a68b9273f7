"""PyTorch beside the device tables of bench/gpu.sh.

    python3 gpu.py measure cuda|cpu RESULTS SECONDS   times the layers and networks that RESULTS has, into RESULTS/pytorch.json
    python3 gpu.py table RESULTS                      one Markdown page of both sides; exits with 1 when a kernel is wrong

On CUDA, layers run in fp32 without tf32, with tf32, in bf16 and in fp16, in both memory layouts, as cuDNN's fused convolution and
as convolution and ReLU, of which the fastest counts; cuDNN picks its algorithm by measuring. Networks are those of pytorch.py; on
CUDA they run as CUDA graphs. Times are those of events around many calls.
"""
import glob
import json
import os
import re
import statistics
import sys
import time

MODES = ("fp32", "tf32", "bf16", "fp16")
# How kernels of ours are called that round their factors.
PRECISIONS = {"tf32": "conv.tf32.", "bf16": "conv.bfloat16.", "fp16": "conv.float16."}
FP32_BAR, TENSOR_BAR, CODEC_BAR, NETWORK_BAR = 0.6, 0.5, 0.7, 1.0
# Multiply-adds from which on a layer is large.
LARGE = 1e9


def layer(name):
    """Sizes of a name like conv-32x64x56x56_64k3s1p1: batch, channels, height, width, outputs, kernel, stride, padding, groups."""
    match = re.fullmatch(r"(?:conv|block|unstructured)-(\d+)x(\d+)x(\d+)x(\d+)_(\d+)k(\d+)s(\d+)p(\d+)(?:g(\d+))?", name)
    return [int(part or 1) for part in match.groups()] if match else None


def stack(name):
    """Count, rows, columns, depth and the flags of a name like gemm-12x64x64x32_tb."""
    match = re.fullmatch(r"gemm-(\d+)x(\d+)x(\d+)x(\d+)((?:_(?:ta|tb|[ab]\d+))*)", name)
    return ([int(part) for part in match.groups()[:4]], match[5].split("_")[1:]) if match else None


def work(sizes):
    """Multiply-adds of a layer, and the bytes in fp32 that it must read and write at least."""
    batch, channels, height, width, outputs, kernel, stride, padding, groups = sizes
    rows, columns = ((size + 2 * padding - kernel) // stride + 1 for size in (height, width))
    taps = channels // groups * kernel * kernel
    return batch * outputs * rows * columns * taps, 4 * (batch * channels * height * width + outputs * taps + batch * outputs * rows * columns)


def stem(path):
    return os.path.splitext(os.path.basename(path))[0]


def median_us(torch, run, seconds=0.1):
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
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
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


def layer_us(torch, device, sizes, dtype):
    """The fastest way to run convolution, bias and ReLU."""
    functional = torch.nn.functional
    batch, channels, height, width, outputs, kernel, stride, padding, groups = sizes
    best = float("inf")
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(batch, channels, height, width, device=device, dtype=dtype).to(memory_format=layout)
        w = torch.randn(outputs, channels // groups, kernel, kernel, device=device, dtype=dtype).to(memory_format=layout)
        b = torch.randn(outputs, device=device, dtype=dtype)
        ways = [lambda: functional.relu_(functional.conv2d(x, w, b, stride, padding, groups=groups))]
        if device.type == "cuda":
            ways.append(lambda: torch.cudnn_convolution_relu(x, w, b, [stride] * 2, [padding] * 2, [1, 1], groups))
        for way in ways:
            try:
                best = min(best, median_us(torch, way))
            except RuntimeError as failure:
                # cuDNN has no fused convolution for every layer, layout and type.
                if way is ways[0]:
                    raise
                print(f"no fused convolution for {sizes} in {dtype}: {str(failure).splitlines()[0]}", file=sys.stderr)
    return best


def measure(side, results, seconds):
    import torch

    end = time.perf_counter() + seconds
    device = torch.device(side)
    torch.backends.cudnn.benchmark = True
    times, left_out = {}, []
    modes = {"fp32": (torch.float32, False)}
    if side == "cuda":
        modes.update({"tf32": (torch.float32, True), "bf16": (torch.bfloat16, True), "fp16": (torch.float16, True)})

    def take(name, run):
        if time.perf_counter() > end:
            left_out.append(f"PyTorch: {name}")
            return
        times[name] = run()

    def product(a, b, tf32):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        return median_us(torch, lambda: torch.matmul(a, b))

    with torch.inference_mode():
        floats = torch.randn(1 << (26 if side == "cuda" else 22), device=device)
        target = torch.empty_like(floats)
        take("copy GB/s", lambda: 2 * 4 * floats.numel() / median_us(torch, lambda: target.copy_(floats)) / 1e3)
        del floats, target
        size = 8192 if side == "cuda" else 256
        for mode, (dtype, tf32) in modes.items():
            a = torch.randn(size, size, device=device, dtype=dtype)
            take(f"peak {mode} GFLOP/s", lambda: 2e-3 * size**3 / product(a, a, tf32))
        for path in sorted(glob.glob(os.path.join(results, "profile-*.json"))):
            known = next((network for network in ("resnet20", "resnet56", "mobilenetv2") if stem(path)[len("profile-") :].startswith(network)), None)
            if known:
                take(stem(path), lambda: network_us(torch, known, device))
        for path in sorted(glob.glob(os.path.join(results, "gemm-*.json"))):
            (count, rows, columns, depth), flags = stack(stem(path))
            # A matrix that is stored transposed is a transposed view, as in PyTorch's own layers.
            a = torch.randn(count, depth, rows, device=device).transpose(1, 2) if "ta" in flags else torch.randn(count, rows, depth, device=device)
            b = torch.randn(count, columns, depth, device=device).transpose(1, 2) if "tb" in flags else torch.randn(count, depth, columns, device=device)
            take(stem(path), lambda: product(a, b, False))
        # Large batches last: they are the first that the time leaves out.
        for path in sorted(glob.glob(os.path.join(results, "conv-*.json")), key=lambda path: layer(stem(path))):
            sizes = layer(stem(path))
            batch, channels, height, width, outputs, kernel, _, _, groups = sizes
            for mode, (dtype, tf32) in modes.items():
                torch.backends.cudnn.allow_tf32 = tf32
                take(f"{stem(path)} {mode}", lambda: layer_us(torch, device, sizes, dtype))
                if kernel == 1 and groups == 1:
                    # The product alone, by cuBLAS.
                    a = torch.randn(outputs, channels, device=device, dtype=dtype)
                    b = torch.randn(channels, batch * height * width, device=device, dtype=dtype)
                    take(f"{stem(path)} product {mode}", lambda: product(a, b, tf32))
    with open(os.path.join(results, "pytorch.json"), "w") as file:
        json.dump({"torch": torch.__version__, "device": torch.cuda.get_device_name(0) if side == "cuda" else "cpu", "times": times}, file, indent=2)
    with open(os.path.join(results, "left-out.txt"), "a") as file:
        file.writelines(line + "\n" for line in left_out)


class Page:
    """The Markdown page, and what is wrong."""

    def __init__(self, results):
        self.results = results
        self.wrong = []
        torch = self.read("pytorch.json")
        self.torch = torch["times"] if torch else {}
        devices = self.read("devices.json")
        self.device = None
        print("# GPU measurements\n")
        print(f"PyTorch {torch['torch']} on {torch['device']}." if torch else "PyTorch was not measured.")
        self.peaks = devices["devicePeaks"] if devices else {}
        for known in devices["devices"] if devices else []:
            if known["id"] in self.peaks:
                print(f"{known['id']}: {known['name']}, {known['detail']}.")

    def read(self, name):
        path = os.path.join(self.results, name)
        if not os.path.exists(path):
            return None
        with open(path) as file:
            return json.load(file)

    def find(self, prefix):
        return sorted((path for path in glob.glob(os.path.join(self.results, prefix + "-*.json"))), key=lambda path: (layer(stem(path)) or [], path))

    def ratio(self, ours, theirs, bar=None):
        """How many times faster we are; with what the bar says, where there is one."""
        if not ours or not theirs:
            return ""
        value = theirs / ours
        return f"{value:.2f}" + ("" if bar is None else " ok" if value >= bar else f" **below {bar}**")

    def check(self, rows):
        for row in rows:
            if not row["correct"]:
                self.wrong.append(f"{row['kernel']}: error {row['maxRelError']:.1e}, rounding explains {row['errorBound']:.1e}")

    def peak(self):
        launches = self.read("launches.json")
        return self.peaks.get(launches["device"] if launches else "", next(iter(self.peaks.values()), None))

    def all(self):
        self.peak_table()
        self.errors()
        self.layers()
        self.rounded()
        self.sparse()
        self.products()
        self.stacks()
        self.integers()
        self.codec()
        self.launches()
        self.networks()
        for title, name in (("Left out for lack of time", "left-out.txt"), ("Failed", "failures.txt")):
            path = os.path.join(self.results, name)
            if os.path.exists(path) and os.path.getsize(path):
                with open(path) as file:
                    print(f"\n## {title}\n\n" + "".join(f"- {line}" for line in file))
        if self.wrong:
            print("\n## WRONG\n\n" + "\n".join(f"- {line}" for line in self.wrong))
        return 1 if self.wrong else 0

    def peak_table(self):
        print("\n## Peaks\n\n| | measured |\n|---|---:|")
        peak = self.peak()
        if peak:
            print(f"| fp32 multiply-adds out of registers | {peak['gflops'] / 1e3:.2f} TFLOP/s |")
            print(f"| copy within the device's memory, our kernel | {peak['copyGbps']:.0f} GB/s |")
        if "copy GB/s" in self.torch:
            print(f"| the same by PyTorch | {self.torch['copy GB/s']:.0f} GB/s |")
        for mode in MODES:
            if f"peak {mode} GFLOP/s" in self.torch:
                print(f"| large matrix product by PyTorch, {mode} | {self.torch[f'peak {mode} GFLOP/s'] / 1e3:.1f} TFLOP/s |")

    def errors(self):
        """What was checked, and the largest error of every kernel over all layers and products that it ran."""
        checked, left_out, not_run = {}, None, None
        for path in self.find("check"):
            report = self.read(os.path.basename(path))
            checked.update((row["kernel"], row) for row in report["rows"])
            not_run = set(report["programsNotRun"]) if not_run is None else not_run & set(report["programsNotRun"])
            left_out = set(report["leftOut"]) if left_out is None else left_out & set(report["leftOut"])
        with open(os.path.join(self.results, "checks.txt")) as file:
            wanted = file.read().split()
        self.wrong += [f"{row['kernel']}: {row['wrong']} of {row['cases']} cases, the first of them {row['firstWrong']}" for row in checked.values() if not row["correct"]]
        self.wrong += [f"{name}: not checked" for name in wanted if name not in checked]
        # Only when every kernel was to be checked: then every program has to have run.
        if not left_out:
            self.wrong += [f"program {name}: no case ran it" for name in sorted(not_run or ())]
        print("\n## Correctness\n")
        good = sum(row["correct"] for row in checked.values())
        print(f"{good} of {len(checked)} kernels agree with the scalar references over odd shapes, in {sum(row['cases'] for row in checked.values())} cases.", end=" ")
        print(f"Left out here: {', '.join(sorted(left_out))}." if left_out else "None was left out.", end=" ")
        print(f"No case ran {', '.join(sorted(not_run))}." if not_run else "Every program of the build ran." if checked else "")
        print("Differences are relative to the largest output, and a share of what rounding explains.\n")
        print("| kernel | cases | max rel error | of the bound | |\n|---|---:|---:|---:|---|")
        for kernel, row in sorted(checked.items(), key=lambda item: wanted.index(item[0])):
            verdict = "**WRONG**" if not row["correct"] else "ok" if row["cases"] else "not for this device"
            print(f"| {kernel} | {row['cases']} | {row['maxRelError']:.1e} | {row['ofBound']:.2f} | {verdict} |")
        worst = {}
        for path in self.find("conv") + self.find("block") + self.find("unstructured") + self.find("gemm"):
            rows = self.read(os.path.basename(path))["rows"]
            self.check(rows)
            for row in rows:
                share = row["maxRelError"] / row["errorBound"] if row["errorBound"] else float(row["maxRelError"] > 0)
                known = worst.get(row["kernel"], (0, 0, 0, 0))
                worst[row["kernel"]] = (known[0] + 1, max(known[1], row["maxRelError"]), max(known[2], share), known[3] + (not row["correct"]))
        print("\nThe same over the layers and products that were timed:\n")
        print("| kernel | layers | max rel error | of the bound | wrong |\n|---|---:|---:|---:|---:|")
        for kernel, (layers, error, share, wrong) in sorted(worst.items()):
            print(f"| {kernel} | {layers} | {error:.1e} | {share:.2f} | {wrong or ''} |")

    def best(self, rows, prefix=None):
        """The fastest row that does not round, or of a precision."""
        kept = [row for row in rows if (row["kernel"].startswith(prefix) if prefix else not any(row["kernel"].startswith(other) for other in PRECISIONS.values()))]
        return min(kept, key=lambda row: row["medianUs"], default=None)

    def layers(self):
        print("\n## fp32\n\nFloor: the larger of arithmetic at the measured peak and bytes at the measured copy rate; gap: our time over it. A Winograd kernel may be below its layer's floor.\n")
        print("| layer | our kernel | us | TFLOP/s | floor us | gap | cuDNN us | ratio |\n|---|---|---:|---:|---:|---:|---:|---:|")
        peak = self.peak()
        for path in self.find("conv"):
            name, row = stem(path), self.best(self.read(os.path.basename(path))["rows"])
            multiply_adds, size = work(layer(name))
            floor = max(2e-3 * multiply_adds / peak["gflops"], 1e-3 * size / peak["copyGbps"]) if peak else None
            theirs = self.torch.get(f"{name} fp32")
            bar = FP32_BAR if multiply_adds >= LARGE else None
            cells = (f"{floor:.2f} | {row['medianUs'] / floor:.1f}" if floor else " | ") + f" | {f'{theirs:.1f}' if theirs else ''} | {self.ratio(row['medianUs'], theirs, bar)}"
            print(f"| {name[5:]} | {row['kernel']} | {row['medianUs']:.1f} | {2e-6 * multiply_adds / row['medianUs']:.2f} | {cells} |")

    def rounded(self):
        print("\n## Tensor cores\n\nInput and output are fp32 on our side, of the named type on PyTorch's.\n")
        print("| layer | precision | our kernel | us | TFLOP/s | share of PyTorch's large product | cuDNN us | ratio |\n|---|---|---|---:|---:|---:|---:|---:|")
        for path in self.find("conv"):
            name, rows = stem(path), self.read(os.path.basename(path))["rows"]
            multiply_adds, _ = work(layer(name))
            for precision, prefix in PRECISIONS.items():
                row = self.best(rows, prefix)
                if not row:
                    continue
                rate, peak, theirs = 2e-3 * multiply_adds / row["medianUs"], self.torch.get(f"peak {precision} GFLOP/s"), self.torch.get(f"{name} {precision}")
                bar = TENSOR_BAR if multiply_adds >= LARGE else None
                print(f"| {name[5:]} | {precision} | {row['kernel']} | {row['medianUs']:.1f} | {rate / 1e3:.2f} | {f'{rate / peak:.2f}' if peak else ''} | {f'{theirs:.1f}' if theirs else ''} | {self.ratio(row['medianUs'], theirs, bar)} |")

    def sparse(self):
        print("\n## Sparse against dense\n\n| layer | form | sparsity | kernel | us | our dense us | ratio | dense cuDNN us | ratio |\n|---|---|---:|---|---:|---:|---:|---:|---:|")
        for form in ("block", "unstructured"):
            for path in self.find(form):
                name, rows = stem(path), self.read(os.path.basename(path))["rows"]
                dense = "conv-" + name[len(form) + 1 :]
                for sparsity in sorted({row["runSparsity"] for row in rows}):
                    of_run = [row for row in rows if row["runSparsity"] == sparsity]
                    row = min((row for row in of_run if row["form"] == form), key=lambda row: row["medianUs"], default=None)
                    ours = min((row for row in of_run if row["form"] == "dense"), key=lambda row: row["medianUs"], default=None)
                    if not row or not ours:
                        continue
                    theirs = self.torch.get(f"{dense} fp32")
                    print(f"| {name[len(form) + 1 :]} | {form} | {sparsity} | {row['kernel']} | {row['medianUs']:.1f} | {ours['medianUs']:.1f} | {self.ratio(row['medianUs'], ours['medianUs'])} | {f'{theirs:.1f}' if theirs else ''} | {self.ratio(row['medianUs'], theirs)} |")

    def products(self):
        print("\n## Products against cuBLAS\n\nOurs with bias and ReLU, as 1x1 layers.\n\n| layer | precision | our kernel | us | cuBLAS us | ratio |\n|---|---|---|---:|---:|---:|")
        for path in self.find("conv"):
            name, rows = stem(path), self.read(os.path.basename(path))["rows"]
            for mode in MODES:
                row, theirs = self.best(rows, PRECISIONS.get(mode)), self.torch.get(f"{name} product {mode}")
                if row and theirs:
                    print(f"| {name[5:]} | {mode} | {row['kernel']} | {row['medianUs']:.1f} | {theirs:.1f} | {self.ratio(row['medianUs'], theirs)} |")

    def stacks(self):
        print("\n## Stacks of products against cuBLAS\n\nfp32, ours with a bias per column.\n\n| products | our kernel | us | TFLOP/s | cuBLAS us | ratio |\n|---|---|---:|---:|---:|---:|")
        for path in self.find("gemm"):
            name, row = stem(path), self.best(self.read(os.path.basename(path))["rows"])
            theirs = self.torch.get(name)
            print(f"| {name[5:]} | {row['kernel']} | {row['medianUs']:.1f} | {row['gflops'] / 1e3:.2f} | {f'{theirs:.1f}' if theirs else ''} | {self.ratio(row['medianUs'], theirs)} |")

    def integers(self):
        print("\n## 8-bit integers\n\nSums of bytes, each compared with the integer reference, beside the fastest float kernel of the layer that adds the products themselves and does not round.\n")
        print("| layer | our kernel | us | TOP/s | ours over float | wrong sums |\n|---|---|---:|---:|---:|---:|")
        for path in self.find("integer"):
            name, rows = stem(path), [row for row in self.read(os.path.basename(path))["rows"] if row["type"] != "f32"]
            wrong = sum(row["wrongSums"] for row in rows)
            self.wrong += [f"{row['kernel']} on {name[8:]}: {row['wrongSums']} wrong sums" for row in rows if row["wrongSums"]]
            row = min(rows, key=lambda row: row["medianUs"])
            print(f"| {name[8:]} | {row['kernel']} | {row['medianUs']:.1f} | {row['gops'] / 1e3:.2f} | {row['vsDirect']:.2f} | {wrong} |")

    def codec(self):
        print(f"\n## Feature codec\n\nBytes read and written per time, against the copy of the same feature by our kernel; the bar of {CODEC_BAR} is for features beyond the launch time.\n")
        print("| feature | stage | bits | us | GB/s | of copy |\n|---|---|---:|---:|---:|---:|")
        for path in self.find("codec"):
            report = self.read(os.path.basename(path))
            large = report["rows"][0]["bytes"] >= 1 << 24
            for row in report["rows"]:
                verdict = "" if not large or row["stage"] in ("copy", "range") else " ok" if row["copyShare"] >= CODEC_BAR else f" **below {CODEC_BAR}**"
                print(f"| {report['feature']} | {row['stage']} | {row['bits']} | {row['medianUs']:.1f} | {row['gbps']:.1f} | {row['copyShare']:.2f}{verdict} |")

    def launches(self):
        report = self.read("launches.json")
        if not report:
            return
        print("\n## Launches\n\n| way | host us a launch | p90 | bytes allocated | |\n|---|---:|---:|---:|---|")
        for row in report["rows"]:
            print(f"| {row['way']} | {row['medianUs']:.2f} | {row['p90Us']:.2f} | {row['allocatedBytes']} | {'ok' if row['meetsBar'] else '**misses the bar**'} |")

    def networks(self):
        print("\n## Networks, batch 1\n\nThe error is that of the outputs against the scalar reference, relative to the largest.\n\n| network | error | ms | p90 | kernels ms | copies ms | launches | host us a launch | PyTorch ms | ratio |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
        for path in sorted(glob.glob(os.path.join(self.results, "profile-*.json"))):
            report = self.read(os.path.basename(path))
            times, share, theirs = report["endToEnd"], report["device"], self.torch.get(stem(path))
            per_launch = 1e3 * share["launchMs"] / max(1, share["launches"])
            outputs = report["outputs"]
            if not outputs["correct"]:
                self.wrong.append(f"{stem(path)[8:]}: outputs are off by {outputs['maxRelError']:.1e}, expected at most {outputs['errorBound']:.1e}")
            print(f"| {stem(path)[8:]} | {outputs['maxRelError']:.1e} | {times['medianMs']:.3f} | {times['p90Ms']:.3f} | {share['kernelMs']:.3f} | {share['copyMs']:.3f} | {share['launches']} | {per_launch:.2f} | {f'{theirs / 1e3:.3f}' if theirs else ''} | {self.ratio(1e3 * times['medianMs'], theirs, NETWORK_BAR)} |")
        for path in sorted(glob.glob(os.path.join(self.results, "profile-*.json"))):
            print(f"\n{stem(path)[8:]}, the ten slowest layers:\n\n| layer | shape | kernel | us | bound by | of peak |\n|---|---|---|---:|---|---:|")
            for row in sorted(self.read(os.path.basename(path))["layers"], key=lambda row: -row["medianUs"])[:10]:
                print(f"| {row['name']} | {row['shape']} | {row['kernel']} | {row['medianUs']:.1f} | {row['boundBy']} | {row['peakFraction']:.2f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"] and len(sys.argv) == 5:
        measure(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    elif sys.argv[1:2] == ["table"] and len(sys.argv) == 3:
        sys.exit(Page(sys.argv[2]).all())
    else:
        sys.exit(__doc__)
