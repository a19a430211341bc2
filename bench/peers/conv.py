"""Row 36: a 3×3 convolution, forward and backward. Variants: nchw, channelsLast."""
import torch
import torch.nn.functional as F

from common import arguments, check, numbers, serve


def make(dtype):
    x = numbers(1, (128, 16, 32, 32), 1.0).to(dtype)
    weight = numbers(2, (32, 16, 3, 3), 0.1).to(dtype)
    bias = numbers(3, (32,), 0.1).to(dtype)
    up = numbers(4, (128, 32, 32, 32), 0.01).to(dtype)
    if chosen.variant == "channelsLast":
        x, weight, up = (t.contiguous(memory_format=torch.channels_last) for t in (x, weight, up))
    leaves = [x.requires_grad_(), weight.requires_grad_(), bias.requires_grad_()]

    def work():
        for leaf in leaves:
            leaf.grad = None
        out = F.conv2d(x, weight, bias, padding=1)
        out.backward(up)
        return out

    out = work()
    value = (out.detach().double() * up.double()).sum().item()
    return check(value, [leaf.grad for leaf in leaves], weight.grad), work


chosen = arguments()
serve(chosen, make)
