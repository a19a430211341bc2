"""Row losses, forward and backward. Variants: eager, compile.

Rows 1 and 4: the distillation loss. Row 8: KL to the stored 64 largest logits of the teacher. Row 33:
four losses at once.
"""
import torch
import torch.nn.functional as F

from common import arguments, check, labels, numbers, serve

SHAPES = {"1": (64, 32000), "4": (256, 1000), "8": (64, 32000), "33": (64, 32000)}
TEMPERATURE = 2.0
KEPT = 64


def distillation(student, teacher, label):
    hard = F.cross_entropy(student, label)
    soft = F.kl_div(F.log_softmax(student / TEMPERATURE, -1), F.softmax(teacher / TEMPERATURE, -1), reduction="batchmean")
    return 0.5 * hard + 0.5 * TEMPERATURE**2 * soft


def stored(student, ids, kept, log_sum):
    """The remaining probability is spread evenly over the other classes."""
    log_q = F.log_softmax(student / TEMPERATURE, -1)
    log_p = kept / TEMPERATURE - log_sum
    p, others = log_p.exp(), student.shape[1] - KEPT
    each = (1 - p.sum(-1)) / others
    top = log_q.gather(1, ids)
    outside = log_q.sum(-1) - top.sum(-1)
    value = (p * (log_p - top)).sum(-1) + each * (others * each.log() - outside)
    return TEMPERATURE**2 * value.mean()


def several(student, teacher, label):
    log_q, log_p = F.log_softmax(student / TEMPERATURE, -1), F.log_softmax(teacher / TEMPERATURE, -1)
    q, p = log_q.exp(), log_p.exp()
    log_m = (0.5 * (p + q)).log()
    kl = (p * (log_p - log_q)).sum(-1)
    jsd = 0.5 * ((p * (log_p - log_m)).sum(-1) + (q * (log_q - log_m)).sum(-1))
    tvd = 0.5 * (q - p).abs().sum(-1)
    return F.cross_entropy(student, label) + (TEMPERATURE**2 * (kl + jsd) + tvd).mean()


def make(dtype):
    rows, classes = SHAPES[chosen.row]
    student = numbers(1, (rows, classes), 4.0).to(dtype).requires_grad_()
    teacher = numbers(2, (rows, classes), 4.0).to(dtype)
    function, given = distillation, (teacher, labels(3, rows, classes))
    if chosen.row == "8":
        kept, ids = teacher.topk(KEPT)
        function, given = stored, (ids, kept, (teacher.double() / TEMPERATURE).logsumexp(-1, keepdim=True).to(dtype))
    elif chosen.row == "33":
        function = several
    function = torch.compile(function) if chosen.variant == "compile" else function

    def work():
        student.grad = None
        value = function(student, *given)
        value.backward()
        return value

    value = work().item()
    return check(value, [student.grad], student.grad), work


chosen = arguments()
serve(chosen, make)
