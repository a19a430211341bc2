"""The common part of the PyTorch peers: arguments, the inputs of ../README.md bit for bit, and the driver's protocol."""
import argparse
import json
import sys
import time

import numpy
import torch

WARM_UP = 5
REPEATS = 5


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--row", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--variant", default="eager")
    parser.add_argument("--reference", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    return chosen


def raw(stream, count):
    """The first `count` states of a stream, by doubling: a jump of k steps is one multiply and add."""
    states = numpy.empty(max(count, 1), dtype=numpy.uint32)
    multiply, add = 1664525, 1013904223
    states[0] = (stream * multiply + add) & 0xFFFFFFFF
    have = 1
    while have < count:
        more = min(have, count - have)
        states[have : have + more] = states[:more] * numpy.uint32(multiply) + numpy.uint32(add)
        have += more
        multiply, add = (multiply * multiply) & 0xFFFFFFFF, (multiply * add + add) & 0xFFFFFFFF
    return states[:count].astype(numpy.float64) / 4294967296.0


def numbers(stream, shape, scale):
    count = int(numpy.prod(shape))
    values = ((raw(stream, count) - 0.5) * 2.0 * scale).astype(numpy.float32)
    return torch.from_numpy(values.reshape(shape))


def labels(stream, count, classes):
    return torch.from_numpy((raw(stream, count) * classes).astype(numpy.int64))


def norm(tensors):
    return sum(tensor.double().square().sum().item() for tensor in tensors) ** 0.5


def eight(tensor):
    flat = tensor.detach().contiguous().flatten()
    stride = flat.numel() // 8
    return [flat[i * stride + min(i, stride - 1)].double().item() for i in range(8)]


def check(loss, gradients, watched):
    return {"loss": float(loss), "gradientNorm": norm(gradients), "entries": eight(watched)}


def serve(chosen, make):
    """`make(dtype)` returns (check, work); with `--reference` only the check in float64 is printed."""
    if chosen.reference:
        result, _ = make(torch.float64)
        print(json.dumps({"reference": True, "check": result}), flush=True)
        return
    result, work = make(torch.float32)
    for _ in range(WARM_UP):
        work()
    extra = {"torch": torch.__version__, "isa": torch.backends.cpu.get_cpu_capability()}
    print(json.dumps({"ready": True, "check": result, "extra": extra}), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line) if line.strip() else REPEATS):
            start = time.perf_counter()
            work()
            times.append((time.perf_counter() - start) * 1e3)
        print(json.dumps({"ms": times}), flush=True)
