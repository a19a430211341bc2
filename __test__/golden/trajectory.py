"""Golden trajectories: twenty steps of distillation in PyTorch, with PyTorch's weights and batches. Kept for reference; no test
runs this program.

    python trajectory.py [--out trajectories]        # needs PyTorch and numpy; every run gives the same files

A file contains data of 320 rows, read in order in batches of 16; teacher and student weights; options in limbeck's form; and
for each policy of weight decay (`all` parameters, or only `matrices`, without decay for biases and norms) the optimizer, the twenty losses
(0.1 · crossEntropy + 0.9 · kl, kl with its factor T²), their terms without weights, and the weights after the last step.
Initial weights and inputs are float32 numbers; the steps are computed in float64. `float32` is the largest relative
difference of a loss between this run and PyTorch's own float32 run.
"""
import argparse
import json
import pathlib

import numpy
import torch
import torch.nn as nn
import torch.nn.functional as F

TEMPERATURE, WEIGHT, ROWS, BATCH, CLASSES = 4.0, 0.9, 320, 16, 5
SGD = {"sgd": {"learningRate": 0.1, "momentum": 0.9, "nesterov": True, "weightDecay": 5e-4}}
ADAM_W = {"adamW": {"learningRate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0.05}}


class Mlp(nn.Module):
    """Names as in limbeck: layers.0 …, head."""

    def __init__(self, sizes):
        super().__init__()
        self.options = {"mlp": {"sizes": sizes}}
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-2], sizes[1:-1]))
        self.head = nn.Linear(sizes[-2], sizes[-1])

    def forward(self, x):
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.head(x)


class Block(nn.Module):
    def __init__(self, before, count):
        super().__init__()
        self.conv = nn.Conv2d(before, count, 3, padding=1)
        self.norm = nn.BatchNorm2d(count)

    def forward(self, x):
        return F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)


class ConvNet(nn.Module):
    """Names as in limbeck: blocks.0.conv, blocks.0.norm …, head."""

    def __init__(self, size, channels, classes):
        super().__init__()
        self.options = {"convNet": {"input": [1, size, size], "channels": channels, "classes": classes}}
        self.blocks = nn.ModuleList(Block(a, b) for a, b in zip([1, *channels], channels))
        self.head = nn.Linear(channels[-1] * (size >> len(channels)) ** 2, classes)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x.flatten(1))


def tensors(model):
    """Float32 numbers in their shortest form, float64 in theirs; running statistics too, counters not."""
    state = {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
    return {name: nested(tensor) for name, tensor in sorted(state.items())}


def nested(tensor):
    if tensor.dim() > 1:
        return [nested(part) for part in tensor]
    shortest = (lambda v: float(str(v))) if tensor.dtype == torch.float32 else float
    return [shortest(v) for v in tensor.numpy()]


def groups(model, policy, decay):
    if policy == "all":
        return [{"params": list(model.parameters()), "weight_decay": decay}]
    return [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": decay},
        {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0},
    ]


def run(make, start, teacher, inputs, labels, optimizer, policy, dtype):
    student = make().to(dtype)
    student.load_state_dict({name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in start.items()})
    teacher = teacher.to(dtype).eval()
    (name, o), = optimizer.items()
    if name == "sgd":
        chosen = torch.optim.SGD(groups(student, policy, o["weightDecay"]), lr=o["learningRate"], momentum=o["momentum"], nesterov=o["nesterov"])
    else:
        chosen = torch.optim.AdamW(groups(student, policy, o["weightDecay"]), lr=o["learningRate"], betas=(o["beta1"], o["beta2"]), eps=o["epsilon"])
    losses, terms = [], {"crossEntropy": [], "kl": []}
    for rows in torch.arange(ROWS).split(BATCH):
        x = inputs[rows].to(dtype)
        with torch.no_grad():
            target = F.log_softmax(teacher(x) / TEMPERATURE, -1)
        logits = student(x)
        hard = F.cross_entropy(logits, labels[rows])
        soft = TEMPERATURE**2 * F.kl_div(F.log_softmax(logits / TEMPERATURE, -1), target, reduction="batchmean", log_target=True)
        loss = (1 - WEIGHT) * hard + WEIGHT * soft
        chosen.zero_grad()
        loss.backward()
        chosen.step()
        losses.append(loss.item())
        terms["crossEntropy"].append(hard.item())
        terms["kl"].append(soft.item())
    return losses, terms, student


def trajectory(name, optimizer, make_student, make_teacher, shape, steps_of_inputs, seed):
    torch.manual_seed(seed)
    teacher = make_teacher()
    with torch.no_grad():  # a teacher with opinions, and running statistics that are not 0 and 1
        for parameter in teacher.parameters():
            parameter.mul_(3)
        for buffer_name, buffer in teacher.named_buffers():
            if buffer_name.endswith("running_mean"):
                buffer.uniform_(-0.5, 0.5)
            elif buffer_name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    student = make_student()
    start = {key: tensor.clone() for key, tensor in student.state_dict().items()}
    inputs = torch.round(torch.randn(ROWS, *shape) * steps_of_inputs) / steps_of_inputs + 0.0  # few digits; no -0
    with torch.no_grad():  # four labels of five are the teacher's
        labels = torch.where(torch.rand(ROWS) < 0.8, teacher.eval()(inputs).argmax(-1), torch.randint(0, CLASSES, (ROWS,)))
    made = {
        "name": name,
        "source": f"PyTorch {torch.__version__}, float64, trajectory.py",
        "student": student.options,
        "teacher": teacher.options,
        "losses": {"crossEntropy": {"weight": round(1 - WEIGHT, 3)}, "kl": {"weight": WEIGHT, "temperature": TEMPERATURE}},
            "batchSize": BATCH,
        "inputs": nested(inputs),
        "labels": labels.tolist(),
        "teacherWeights": tensors(teacher),
        "startWeights": tensors(student),
        "runs": {},
    }
    for policy in ("all", "matrices"):
        losses, terms, final = run(make_student, start, teacher, inputs, labels, optimizer, policy, torch.float64)
        single, _, _ = run(make_student, start, teacher, inputs, labels, optimizer, policy, torch.float32)
        apart = max(abs(a - b) / abs(b) for a, b in zip(single, losses))
        (kind, chosen), = optimizer.items()
        words = {kind: {**chosen, "decayAll": policy == "all"}}
        made["runs"][policy] = {"optimizer": words, "losses": losses, "terms": terms, "finalWeights": tensors(final), "float32": apart}
        print(name, policy, f"{losses[0]:.6f} -> {losses[-1]:.6f}, float32 apart by {apart:.1e}")
    (out / f"{name}.json").write_text(json.dumps(made, separators=(",", ":")) + "\n")


parser = argparse.ArgumentParser()
parser.add_argument("--out", default=str(pathlib.Path(__file__).parent / "trajectories"))
out = pathlib.Path(parser.parse_args().out)
out.mkdir(parents=True, exist_ok=True)
torch.set_num_threads(1)
mlp = lambda: Mlp([20, 16, CLASSES])
mlp_teacher = lambda: Mlp([20, 32, CLASSES])
conv = lambda: ConvNet(8, [2, 4], CLASSES)
conv_teacher = lambda: ConvNet(8, [3], CLASSES)
trajectory("sgd", SGD, mlp, mlp_teacher, (20,), 64, 1)
trajectory("adamW", ADAM_W, mlp, mlp_teacher, (20,), 64, 2)
trajectory("convNet", SGD, conv, conv_teacher, (1, 8, 8), 16, 3)
