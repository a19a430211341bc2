"""Rows 1 and 4: the distillation loss, forward and backward. Variants: eager, compile."""
import torch
import torch.nn.functional as F

from common import arguments, check, labels, numbers, serve

SHAPES = {"1": (64, 32000), "4": (256, 1000)}
TEMPERATURE = 2.0


def loss(student, teacher, label):
    hard = F.cross_entropy(student, label)
    soft = F.kl_div(F.log_softmax(student / TEMPERATURE, -1), F.softmax(teacher / TEMPERATURE, -1), reduction="batchmean")
    return 0.5 * hard + 0.5 * TEMPERATURE**2 * soft


def make(dtype):
    rows, classes = SHAPES[chosen.row]
    student = numbers(1, (rows, classes), 4.0).to(dtype).requires_grad_()
    teacher = numbers(2, (rows, classes), 4.0).to(dtype)
    label = labels(3, rows, classes)
    function = torch.compile(loss) if chosen.variant == "compile" else loss

    def work():
        student.grad = None
        value = function(student, teacher, label)
        value.backward()
        return value

    value = work().item()
    return check(value, [student.grad], student.grad), work


chosen = arguments()
serve(chosen, make)
