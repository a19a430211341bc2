"""Golden values of pooled embeddings in plain Python, float64: sum, maximum, and sums and means with weights.

    python bags.py        # adds its cases to layers/embeddingBag.json, after PyTorch's; every run gives the same file

value = Σ upstream ⊙ y; the gradient of the table is computed for each entry from the formula of the pooling.
"""
import json
import pathlib
import random

file = pathlib.Path(__file__).parent / "layers" / "embeddingBag.json"
golden = json.loads(file.read_text())
golden["cases"] = golden["cases"][:1]
table, ids, offsets = (golden["cases"][0]["inputs"]["weight"], golden["cases"][0]["inputs"]["ids"], golden["cases"][0]["options"]["offsets"])
width, draw = len(table[0]), random.Random(3)
rows = [range(start, end) for start, end in zip(offsets, offsets[1:])]


def case(name, pooling, weights):
    upstream = [[draw.gauss(0, 1) for _ in range(width)] for _ in rows]
    gradient, value = [[0.0] * width for _ in table], 0.0
    for row, places in enumerate(rows):
        total = sum(weights[place] if weights else 1.0 for place in places)
        for column in range(width):
            if pooling == "max" and places:
                best = max(places, key=lambda place: table[ids[place]][column])
                shares = {best: 1.0}
            else:
                scale = 1.0 / total if pooling == "mean" and total > 0 else 1.0
                shares = {place: scale * (weights[place] if weights else 1.0) for place in places}
            for place, share in shares.items():
                value += upstream[row][column] * share * table[ids[place]][column]
                gradient[ids[place]][column] += share * upstream[row][column]
    inputs = {"weight": table, "ids": ids, "upstream": upstream}
    if weights:
        inputs["weights"] = weights
    return {"name": name, "options": {"offsets": offsets, "pooling": pooling}, "inputs": inputs, "value": value, "gradient": {"weight": gradient}}


weights = [0.5, 2.0, 0.0, 1.5, 3.0, 1.0, 0.25, 1.0, 2.0]
golden["cases"] += [case("sum", "sum", None), case("maximum", "max", None), case("weighted sum", "sum", weights), case("weighted mean", "mean", weights)]
golden["name"] = "embeddingBag"
golden["source"] = "PyTorch 2.15.0, float64 autograd, layers.py (mean); plain Python float64, bags.py (the others)"
file.write_text(json.dumps(golden) + "\n")
