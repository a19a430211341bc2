"""Row 14: three weight generators (Weight Distillation), two layers of 512 x 512 to one of 256 x 256 each, forward and backward."""
import torch

from common import arguments, check, numbers, serve

TEACHER, STUDENT, LAYERS, COUNT = 512, 256, 2, 3


def generator(index, dtype):
    stream = 100 + 10 * index

    def made(at, shape, scale):
        return numbers(stream + at, shape, scale).to(dtype)

    teacher = torch.stack([made(layer, (TEACHER, TEACHER), 0.1) for layer in range(LAYERS)], dim=-1)
    trained = [
        made(2, (TEACHER, STUDENT), 0.09),
        made(3, (TEACHER, STUDENT), 0.09),
        made(4, (LAYERS, LAYERS), 1.0),
        made(5, (LAYERS,), 1.0),
        made(6, (STUDENT, STUDENT), 1.0),
        made(7, (STUDENT, STUDENT), 0.1),
    ]
    return teacher, [tensor.requires_grad_() for tensor in trained], made(8, (STUDENT, STUDENT), 1.0)


def make(dtype):
    every = [generator(index, dtype) for index in range(COUNT)]

    def work():
        first, total = None, 0
        for teacher, trained, upstream in every:
            for tensor in trained:
                tensor.grad = None
            w_out, w_in, w_layer, w_reduce, scale, shift = trained
            # The layer axis first, as all products are linear: the cheapest order for it too.
            mixed = teacher @ (w_layer @ w_reduce)
            made = scale * torch.tanh(w_out.T @ mixed @ w_in) + shift
            value = (made * upstream).sum()
            first = value if first is None else first
            total = total + value
        total.backward()
        return first

    first = work().item()
    gradients = [tensor.grad for _, trained, _ in every for tensor in trained]
    return check(first, gradients, gradients[0]), work


chosen = arguments()
serve(chosen, make)
