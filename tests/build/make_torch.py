"""Make the PyTorch sources of the tests and convert them; asking.py says how it is used."""

import json
import os
import sys
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import numpy as np
import torch
from asking import ask

RANDOM = np.random.default_rng(5)
PICTURES = {"image": RANDOM.normal(0, 1, (6, 16, 16, 3)).astype(np.float32)}
ROWS = {"x": RANDOM.normal(0, 1, (6, 4)).astype(np.float32)}

NETS = """
from pathlib import Path
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.deep = nn.Conv2d(8, 8, 3, groups=8)
        self.head = nn.Linear(8, 5)

    def forward(self, image):
        x = nn.functional.max_pool2d(self.stem(image), 2)
        return self.head(torch.relu(self.deep(x)).mean((2, 3)))

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, a, b):
        return self.layer(a + b), torch.tanh(a)

def make(): return Net()
def two(): return Two()
def number(): return 3
def broken(): return nn.Linear(5, 2)
def failing(): return 1 / 0
def scripted(): return torch.jit.trace(nn.Linear(4, 2), torch.zeros(1, 4))
def loaded():
    net = nn.Linear(4, 2)
    net.load_state_dict(torch.load(Path(__file__).parent / "weights.pt"))
    return net
def sorted_rows():
    class Sorted(nn.Module):
        def forward(self, x): return torch.linalg.det(x.reshape(-1, 2, 2)).reshape(-1, 1)
    return Sorted()
"""


def main(folder: Path) -> None:
    answers = {}
    for name, samples, keys in (
        ("make", PICTURES, {"input_layout": "nhwc", "outputs": ["logits"]}),
        ("two", {"a": ROWS["x"], "b": ROWS["x"] ** 2}, {"outputs": ["sum", "tangent"]}),
        ("number", ROWS, {}),
        ("broken", ROWS, {}),
        ("failing", ROWS, {}),
        ("scripted", ROWS, {}),
        ("absent", ROWS, {}),
        ("loaded", ROWS, {}),
        ("sorted_rows", ROWS, {}),
    ):
        place = folder / name
        place.mkdir()
        (place / "nets.py").write_text(NETS)
        torch.save(torch.nn.Linear(4, 2).state_dict(), place / "weights.pt")
        answers[name] = ask("torch", place, samples, file="nets.py", function=name, **keys)
    first = answers["make"]["sha256"]
    again = ask(
        "torch",
        folder / "make",
        PICTURES,
        file="nets.py",
        function="make",
        input_layout="nhwc",
        outputs=["logits"],
    )
    answers["twice"] = {"same": again["sha256"] == first}
    answers |= {
        name: exported(folder / name, batch) for name, batch in (("one", 1), ("two_rows", 2))
    }
    (folder / "answers.json").write_text(json.dumps(answers))


def exported(place: Path, batch: int) -> dict[str, object]:
    place.mkdir()
    torch.manual_seed(1)
    program = torch.export.export(torch.nn.Linear(4, 2).eval(), (torch.zeros(batch, 4),))
    torch.export.save(program, place / "model.pt2")
    return ask("torch", place, ROWS, file="model.pt2")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
