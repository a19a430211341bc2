"""Row 37: AdamW over one flat tensor. Variants: default, foreach, fused."""
import torch

from common import arguments, check, numbers, serve

COUNT = 10_500_000


def make(dtype):
    parameter = torch.nn.Parameter(numbers(1, (COUNT,), 0.1).to(dtype))
    parameter.grad = numbers(2, (COUNT,), 0.01).to(dtype)
    options = {"foreach": {"foreach": True}, "fused": {"fused": True}}.get(chosen.variant, {})
    optimizer = torch.optim.AdamW([parameter], lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, **options)
    for _ in range(3):
        optimizer.step()
    value = parameter.detach().double().square().mean().item()
    return check(value, [parameter.detach()], parameter), optimizer.step


chosen = arguments()
serve(chosen, make)
