"""The function as it is, and what a test must know of its process: what an event imported."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import entry
from twite.engine import Engine

loads: list[object] = []
_load = Engine._load


def _counted(self: Engine) -> None:
    loads.append(self)
    _load(self)


Engine._load = _counted  # type: ignore[method-assign]


def handler(event: Any, context: Any) -> Any:
    if isinstance(event, dict) and "watch" in event:
        return watch(event["watch"], context)
    if isinstance(event, dict) and "at_once" in event:
        events = event["at_once"]
        with ThreadPoolExecutor(len(events)) as threads:
            return list(threads.map(lambda each: entry.handler(each, context), events))
    if isinstance(event, dict) and "sleep_s" in event:
        time.sleep(event["sleep_s"])
    return entry.handler(event, context)


def watch(event: Any, context: Any) -> dict[str, Any]:
    before, loaded = set(sys.modules), len(loads)
    answer = entry.handler(event, context)
    imported = sorted(set(sys.modules) - before)
    return {"answer": answer, "imported": imported, "loads": len(loads) - loaded}
