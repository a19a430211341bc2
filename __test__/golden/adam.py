"""Golden values of Adam with coupled weight decay in plain Python, float64, by the formula of Kingma and Ba.

    python adam.py        # writes optimizers/adam.json; every run gives the same file
"""
import json
import pathlib
import random

draw = random.Random(4)


def case(name, options, steps=20, size=5):
    start = [draw.gauss(0, 1) for _ in range(size)]
    gradients = [[draw.gauss(0, 1) for _ in range(size)] for _ in range(steps)]
    beta1, beta2 = options["beta1"], options["beta2"]
    p, m, v, parameters = list(start), [0.0] * size, [0.0] * size, []
    for step, gradient in enumerate(gradients, 1):
        for i in range(size):
            g = gradient[i] + options["weightDecay"] * p[i]
            m[i] = beta1 * m[i] + (1 - beta1) * g
            v[i] = beta2 * v[i] + (1 - beta2) * g * g
            p[i] -= options["learningRate"] * (m[i] / (1 - beta1**step)) / ((v[i] / (1 - beta2**step)) ** 0.5 + options["epsilon"])
        parameters.append(list(p))
    return {"name": name, "options": options, "start": start, "gradients": gradients, "parameters": parameters}


plain = {"learningRate": 0.01, "weightDecay": 0.0, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
cases = [case("no decay", plain), case("decay added to the gradient, other betas", {**plain, "weightDecay": 0.1, "beta1": 0.8, "beta2": 0.98})]
golden = {"name": "adam", "source": "plain Python float64 by the formula of arXiv:1412.6980, adam.py", "cases": cases}
(pathlib.Path(__file__).parent / "optimizers" / "adam.json").write_text(json.dumps(golden) + "\n")
