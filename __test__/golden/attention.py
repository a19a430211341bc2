"""Golden values of packed attention in plain Python, float64: a bias, masks, fewer heads of keys, several lengths.

    python attention.py        # adds its cases to layers/attention.json, after PyTorch's; every run gives the same file

value = Σ upstream ⊙ y. A gradient is the imaginary part of the value after an imaginary step of 1e-30 from one input, which
is exact to rounding and uses no formula of a gradient.
"""
import cmath
import json
import math
import pathlib
import random

file = pathlib.Path(__file__).parent / "layers" / "attention.json"
golden = json.loads(file.read_text())
golden["cases"] = golden["cases"][:3]
source = random.Random(5)


def draw(rows, cols):
    return [[source.gauss(0, 1) for _ in range(cols)] for _ in range(rows)]


def value_of(inputs, options):
    """Σ upstream ⊙ attention; heads are columns of the rows, sequences are ranges of rows."""
    heads, key_heads = options["heads"], options.get("keyHeads", options["heads"])
    queries, keys = options["queries"], options.get("keys", options["queries"])
    width, value_width = len(inputs["query"][0]) // heads, len(inputs["value"][0]) // key_heads
    total = 0.0
    for start, end, key_start, key_end in zip(queries, queries[1:], keys, keys[1:]):
        for head in range(heads):
            other = head * key_heads // heads
            for i in range(end - start):
                place = i + (key_end - key_start) - (end - start)
                exponents = {}
                for j in range(key_end - key_start):
                    if options.get("causal") and j > place or abs(j - place) > options.get("window", math.inf):
                        continue
                    q, k = inputs["query"][start + i], inputs["key"][key_start + j]
                    dot = sum(q[head * width + c] * k[other * width + c] for c in range(width))
                    exponents[j] = dot / math.sqrt(width) + (inputs["bias"][head][i][j] if "bias" in inputs else 0.0)
                powers = {j: cmath.exp(x) for j, x in exponents.items()}
                for j, power in powers.items():
                    share = power / sum(powers.values())
                    for c in range(value_width):
                        total += inputs["upstream"][start + i][head * value_width + c] * share * inputs["value"][key_start + j][other * value_width + c]
    return total


def leaves(nested):
    """Every list of numbers inside nested lists, with the position of each number."""
    for index, inner in enumerate(nested):
        if isinstance(inner, list):
            yield from leaves(inner)
        else:
            yield nested, index


def like(nested):
    return [like(inner) if isinstance(inner, list) else 0.0 for inner in nested]


def case(name, options, heads, width, value_width, bias=None):
    queries, keys = options["queries"][-1], options.get("keys", options["queries"])[-1]
    key_heads = options.get("keyHeads", heads)
    options = {"heads": heads, **options}
    inputs = {"query": draw(queries, heads * width), "key": draw(keys, key_heads * width), "value": draw(keys, key_heads * value_width)}
    if bias:
        inputs["bias"] = [draw(*bias) for _ in range(heads)]
    trained = list(inputs)
    inputs["upstream"] = draw(queries, heads * value_width)
    gradient = {key: like(inputs[key]) for key in trained}
    for key in trained:
        for (numbers, index), (slopes, _) in zip(leaves(inputs[key]), leaves(gradient[key])):
            kept = numbers[index]
            numbers[index] = kept + 1e-30j
            slopes[index] = value_of(inputs, options).imag / 1e-30
            numbers[index] = kept
    return {"name": name, "options": options, "inputs": inputs, "value": value_of(inputs, options).real, "gradient": gradient}


golden["cases"] += [
    case("packed, four lengths", {"queries": [0, 3, 4, 4, 9]}, heads=2, width=3, value_width=3),
    case("one head of keys for two of queries", {"queries": [0, 2, 6], "keyHeads": 2}, heads=4, width=2, value_width=3),
    case("window", {"queries": [0, 6, 8], "window": 1}, heads=1, width=3, value_width=2),
    case("causal window", {"queries": [0, 7], "window": 2, "causal": True}, heads=1, width=3, value_width=3),
    case("fewer queries than keys, causal", {"queries": [0, 2, 3], "keys": [0, 5, 6], "causal": True}, heads=2, width=2, value_width=2),
    case("bias", {"queries": [0, 3, 5]}, heads=2, width=2, value_width=2, bias=(3, 4)),
    case("bias, causal", {"queries": [0, 4, 6], "causal": True, "keyHeads": 1}, heads=2, width=2, value_width=2, bias=(4, 4)),
]
golden["name"] = "attention"
golden["source"] = "PyTorch 2.15.0, float64 autograd, golden.py --seed 1 (plain, causal, key mask); plain Python float64, attention.py (the others)"
file.write_text(json.dumps(golden) + "\n")
