"""Golden values of rotary positions in plain Python, float64: pairs of numbers are complex numbers, times e^{iφ}.

    python rotary.py        # writes layers/rotary.json; every run gives the same file

value = Σ upstream ⊙ y. The value is linear in x, so that its gradient in one direction is the value of the unit vector.
"""
import cmath
import json
import pathlib
import random

source = random.Random(6)


def draw(rows, cols):
    return [[source.gauss(0, 1) for _ in range(cols)] for _ in range(rows)]


def value_of(x, upstream, options):
    """The first half of a head has the real parts, the second the imaginary parts."""
    width, offsets, total = options["width"], options["offsets"], 0.0
    half = width // 2
    for start, end in zip(offsets, offsets[1:]):
        for position, row in enumerate(range(start, end)):
            for head in range(0, len(x[row]), width):
                for pair in range(half):
                    at, other = head + pair, head + pair + half
                    turned = complex(x[row][at], x[row][other]) * cmath.exp(1j * position / options["theta"] ** (2 * pair / width))
                    total += upstream[row][at] * turned.real + upstream[row][other] * turned.imag
    return total


def case(name, offsets, heads, width, theta):
    options = {"offsets": offsets, "width": width, "theta": theta}
    rows, cols = offsets[-1], heads * width
    x, upstream = draw(rows, cols), draw(rows, cols)
    unit = lambda row, col: [[float((r, c) == (row, col)) for c in range(cols)] for r in range(rows)]
    gradient = [[value_of(unit(row, col), upstream, options) for col in range(cols)] for row in range(rows)]
    inputs = {"x": x, "upstream": upstream}
    return {"name": name, "options": options, "inputs": inputs, "value": value_of(x, upstream, options), "gradient": {"x": gradient}}


cases = [case("two heads, three sequences", [0, 3, 4, 9], 2, 4, 10000.0), case("theta 160000", [0, 5], 1, 6, 160000.0)]
golden = {"name": "rotary", "source": "plain Python float64, rotary.py", "cases": cases}
(pathlib.Path(__file__).parent / "layers" / "rotary.json").write_text(json.dumps(golden) + "\n")
