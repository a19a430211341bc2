"""Row 16: matrix products of training, into an existing buffer."""
import torch

from common import arguments, check, numbers, serve


def make(dtype):
    if chosen.row == "16.square":
        a, b = numbers(1, (1024, 1024), 1.0).to(dtype), numbers(2, (1024, 1024), 1.0).to(dtype)
    elif chosen.row == "16.head":
        a, b = numbers(1, (64, 256), 1.0).to(dtype), numbers(2, (32000, 256), 1.0).to(dtype).T
    else:
        a, b = numbers(1, (64, 32000), 1.0).to(dtype).T, numbers(2, (64, 256), 1.0).to(dtype)
    out = torch.empty(a.shape[0], b.shape[1], dtype=dtype)

    def work():
        torch.mm(a, b, out=out)

    work()
    return check(out.double().square().mean().item(), [out], out), work


chosen = arguments()
serve(chosen, make)
