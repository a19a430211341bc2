"""Row 12: the triplet loss within the batch, hardest negatives, through cdist, forward and backward."""
import torch

from common import arguments, check, labels, numbers, serve

ROWS, WIDTH, CLASSES, MARGIN, EPSILON = 512, 256, 100, 5.0, 1e-6


def loss(student, teacher, same):
    shifted = teacher + EPSILON
    distances = torch.cdist(shifted, student)
    positive = distances.diagonal()
    negative = distances.masked_fill(same, float("inf")).min(1).values
    return torch.relu(positive - negative + MARGIN).mean()


def make(dtype):
    student = numbers(1, (ROWS, WIDTH), 1.0).to(dtype).requires_grad_()
    teacher = numbers(2, (ROWS, WIDTH), 1.0).to(dtype)
    label = labels(3, ROWS, CLASSES)

    def work():
        student.grad = None
        value = loss(student, teacher, label[:, None] == label[None])
        value.backward()
        return value

    value = work().item()
    return check(value, [student.grad], student.grad), work


chosen = arguments()
serve(chosen, make)
