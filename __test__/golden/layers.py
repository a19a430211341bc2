"""Golden values of operations from PyTorch float64 autograd. Kept for reference; no test runs this program.

    python layers.py [--out layers]        # needs PyTorch; every run gives the same files

A case contains the options in limbeck's form, the inputs, value = Σ upstream ⊙ operation(inputs), and the gradient of every input that is not
constant.
"""
import argparse
import json
import pathlib

import torch

generator = torch.Generator().manual_seed(2)


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def case(name, operation, inputs, options=None, constants=None):
    leaves = {key: tensor.clone().requires_grad_() for key, tensor in inputs.items()}
    constants = constants or {}
    output = operation(**leaves, **constants)
    upstream = draw(*output.shape)
    value = (upstream * output).sum()
    value.backward()
    return {
        "name": name,
        "options": options or {},
        "inputs": {key: tensor.tolist() for key, tensor in {**inputs, **constants, "upstream": upstream}.items()},
        "value": value.item(),
        "gradient": {key: leaf.grad.tolist() for key, leaf in leaves.items()},
    }


def linear(activation, function):
    inputs = {"x": draw(3, 5), "weight": draw(4, 5), "bias": draw(4)}
    apply = lambda x, weight, bias: function(torch.nn.functional.linear(x, weight, bias))
    return case(activation, apply, inputs, {"activation": activation})


def files():
    wide = {"x": 3 * draw(3, 9)}
    yield "tanh", [case("plain", lambda x: torch.tanh(x), wide)]
    yield "sigmoid", [case("plain", lambda x: torch.sigmoid(x), wide)]
    yield "add", [case("three axes", lambda a, b: a + b, {"a": draw(2, 3, 4), "b": draw(2, 3, 4)})]
    yield "matmul", [
        case("plain", lambda a, b: a @ b, {"a": draw(3, 5), "b": draw(5, 4)}),
        case("batched", lambda a, b: a @ b, {"a": draw(2, 2, 3, 5), "b": draw(2, 2, 5, 4)}),
    ]
    yield "globalAvgPool", [case("images", lambda x: x.mean((2, 3)), {"x": draw(2, 3, 4, 5)})]
    yield "concat", [
        case(f"axis {axis}", lambda a, b, axis=axis: torch.cat([a, b, a], axis), {"a": draw(2, 3, 2), "b": draw(*shape)}, {"axis": axis})
        for axis, shape in enumerate([(1, 3, 2), (2, 1, 2), (2, 3, 5)])
    ]
    yield "transpose", [
        case(f"axes {axes}", lambda x, axes=axes: x.transpose(*axes), {"x": draw(2, 3, 4)}, {"axes": axes}) for axes in ([0, 1], [1, 2], [2, 0])
    ]
    yield "slice", [
        case(f"range {range_}", lambda x, r=range_: x.narrow(*r), {"x": draw(2, 3, 4)}, {"range": range_}) for range_ in ([0, 1, 1], [2, 1, 3])
    ]
    yield "mean", [case(f"axis {axis}", lambda x, axis=axis: x.mean(axis), {"x": draw(2, 3, 5)}, {"axis": axis}) for axis in range(3)]
    yield "reshape", [
        case("4 × 6", lambda x: x.reshape(4, 6), {"x": draw(2, 3, 4)}),
        case("flattened from axis 1", lambda x: x.flatten(1), {"x": draw(2, 3, 4)}, {"flatten": 1}),
    ]
    offsets = [0, 4, 4, 5, 9]
    bag = lambda weight, ids: torch.nn.functional.embedding_bag(ids, weight, torch.tensor(offsets[:-1]), mode="mean")
    ids = {"ids": torch.tensor([3, 0, 3, 1, 2, 5, 1, 1, 0])}
    yield "embeddingBag", [case("one row empty, an id never", bag, {"weight": draw(6, 3)}, {"offsets": offsets}, ids)]
    fused = {
        "relu": torch.relu,
        "gelu": torch.nn.functional.gelu,
        "geluTanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
        "silu": torch.nn.functional.silu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
    }
    yield "linear", [linear(name, function) for name, function in fused.items()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=pathlib.Path(__file__).parent / "layers", type=pathlib.Path)
    out = parser.parse_args().out
    for name, cases in files():
        file = {"name": name, "source": f"PyTorch {torch.__version__.split('+')[0]}, float64 autograd, layers.py", "cases": cases}
        # The plain case of linear has a file of its own, from another script.
        stem = "linearActivations" if name == "linear" else name
        (out / f"{stem}.json").write_text(json.dumps(file) + "\n")


main()
