"""Losses that compare rows of a batch, forward and backward.

Row 11: similarity of rows, as in Tung and Mori; 11.distance and 11.angle as in Park et al., 11.pkt as in Passalis and
Tefas. Row 13: the triplet loss within the batch, all negatives, with the variants cdist and broadcast (the
tensor of all differences).
"""
import torch

from common import arguments, check, labels, numbers, serve

ROWS, STUDENT, TEACHER, CLASSES, MARGIN, EPSILON = 512, 256, 768, 100, 5.0, 1e-6


def similarity(student, teacher):
    def alike(features):
        return torch.nn.functional.normalize(features @ features.T, dim=1)

    return (alike(student) - alike(teacher)).square().sum() / ROWS**2


def distance(student, teacher):
    def apart(features):
        products = features @ features.T
        squares = products.diagonal()
        distances = (squares[:, None] + squares[None] - 2 * products).clamp(min=1e-12).sqrt()
        distances = distances * (1 - torch.eye(ROWS, dtype=features.dtype))
        return distances / distances[distances > 0].mean()

    return torch.nn.functional.smooth_l1_loss(apart(student), apart(teacher))


def angle(student, teacher):
    def directions(features):
        units = torch.nn.functional.normalize(features[None] - features[:, None], dim=2)
        return torch.bmm(units, units.transpose(1, 2)).flatten()

    return torch.nn.functional.smooth_l1_loss(directions(student), directions(teacher))


def pkt(student, teacher, eps=1e-7):
    def near(features):
        units = features / (features.norm(dim=1, keepdim=True) + eps)
        cosines = (units @ units.T + 1) / 2
        return cosines / cosines.sum(1, keepdim=True)

    q, p = near(student), near(teacher)
    return (p * ((p + eps) / (q + eps)).log()).mean()


def triplet(student, teacher, other, count):
    if chosen.variant == "broadcast":
        distances = (teacher[:, None] - student[None] + EPSILON).norm(dim=-1)
    else:
        distances = torch.cdist(teacher + EPSILON, student)
    hinges = torch.relu(distances.diagonal()[:, None] - distances + MARGIN)
    return ((hinges * other).sum(1) / count).mean()


RELATIONS = {"11": similarity, "11.distance": distance, "11.angle": angle, "11.pkt": pkt}


def make(dtype):
    student = numbers(1, (ROWS, STUDENT), 1.0).to(dtype).requires_grad_()
    if chosen.row in RELATIONS:
        function, given = RELATIONS[chosen.row], (numbers(2, (ROWS, TEACHER), 1.0).to(dtype),)
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
if chosen.row == "11.angle":
    ROWS = 128  # the tensor of all differences is [ROWS, ROWS, width]
serve(chosen, make)
