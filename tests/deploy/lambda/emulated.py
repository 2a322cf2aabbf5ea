"""A function in AWS's emulator, ended with all its processes."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rie

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CODE = f"{HERE}:{ROOT / 'lambda'}:{ROOT / 'runtime'}"


class Function:
    """invoke answers as an SDK would see it; lines are what the function wrote, as JSON."""

    def __init__(self, emulator: rie.Emulator, log: Path) -> None:
        self.emulator = emulator
        self._log = log

    def invoke(self, event: object) -> Any:
        _, body = self.emulator.invoke(json.dumps(event).encode())
        return json.loads(body)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]


@contextmanager
def started(
    log: Path, settings: Mapping[str, str], handler: str = "watched.handler", **more: Any
) -> Iterator[Function]:
    with log.open("wb") as file:
        whole = {"PYTHONPATH": CODE, **settings}
        with rie.emulator(whole, handler=handler, log=file, **more) as emulator:
            yield Function(emulator, log)
