"""Losses that compare rows of a batch, forward and backward.

Row 11: similarity of rows, as in Tung and Mori. Row 13: the triplet loss within the batch, all negatives; variants
cdist, and broadcast: the tensor of all differences.
"""
import torch

from common import arguments, check, labels, numbers, serve

ROWS, STUDENT, TEACHER, CLASSES, MARGIN, EPSILON = 512, 256, 768, 100, 5.0, 1e-6


def similarity(student, teacher):
    def alike(features):
        return torch.nn.functional.normalize(features @ features.T, dim=1)

    return (alike(student) - alike(teacher)).square().sum() / ROWS**2


def triplet(student, teacher, other, count):
    if chosen.variant == "broadcast":
        distances = (teacher[:, None] - student[None] + EPSILON).norm(dim=-1)
    else:
        distances = torch.cdist(teacher + EPSILON, student)
    hinges = torch.relu(distances.diagonal()[:, None] - distances + MARGIN)
    return ((hinges * other).sum(1) / count).mean()


def make(dtype):
    student = numbers(1, (ROWS, STUDENT), 1.0).to(dtype).requires_grad_()
    if chosen.row == "11":
        function, given = similarity, (numbers(2, (ROWS, TEACHER), 1.0).to(dtype),)
    else:
        label = labels(3, ROWS, CLASSES)
        other = (label[:, None] != label[None]).to(dtype)
        function, given = triplet, (numbers(2, (ROWS, STUDENT), 1.0).to(dtype), other, other.sum(1))

    def work():
        student.grad = None
        value = function(student, *given)
        value.backward()
        return value

    value = work().item()
    return check(value, [student.grad], student.grad), work


chosen = arguments()
serve(chosen, make)
