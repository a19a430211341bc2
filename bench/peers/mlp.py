"""Rows 35 and 17: one training step of mlp 784-512-512-10, batch 128. Variants: default, foreach, fused (the optimizer)."""
import torch
import torch.nn.functional as F

from common import arguments, check, labels, norm, numbers, serve

RATE = 0.01
SIZES = [784, 512, 512, 10]


def weights(dtype):
    made = []
    for layer in range(3):
        inputs, outputs = SIZES[layer], SIZES[layer + 1]
        scale = 1.0 / inputs**0.5
        made.append(numbers(11 + 2 * layer, (outputs, inputs), scale).to(dtype).requires_grad_())
        made.append(numbers(12 + 2 * layer, (outputs,), scale).to(dtype).requires_grad_())
    return made


def make(dtype):
    parameters = weights(dtype)
    inputs, label = numbers(1, (128, 784), 1.0).to(dtype), labels(3, 128, 10)
    options = {"foreach": {"foreach": True}, "fused": {"fused": True}}.get(chosen.variant, {})
    optimizer = torch.optim.SGD(parameters, lr=RATE, **options)

    def work():
        optimizer.zero_grad(set_to_none=True)
        w0, b0, w1, b1, w2, b2 = parameters
        hidden = F.relu(F.linear(inputs, w0, b0))
        hidden = F.relu(F.linear(hidden, w1, b1))
        value = F.cross_entropy(F.linear(hidden, w2, b2), label)
        value.backward()
        optimizer.step()
        return value

    before = [parameter.detach().clone() for parameter in parameters]
    first = work().item()
    if chosen.row == "35":
        gradients = [parameter.grad for parameter in parameters]
        return check(first, gradients, parameters[0].grad), work
    losses = [first] + [work().item() for _ in range(7)]
    moved = [(old - new.detach()) / RATE for old, new in zip(before, parameters)]
    return {"loss": first, "gradientNorm": norm(moved), "entries": losses}, work


chosen = arguments()
serve(chosen, make)
