"""Paths with the name of a model in them, as the tensor dialects write them."""

from functools import lru_cache
from typing import NamedTuple

from twite.repository import Repository


class ModelPath(NamedTuple):
    """`/v2/models/NAME[/versions/VERSION | /labels/LABEL][/ACTION]`; action is '' for none."""

    name: str
    version: str | None
    label: str | None
    action: str


@lru_cache(256)
def model_path(path: str, prefix: str) -> ModelPath | None:
    """path taken apart behind prefix ("/v2/models/"), or None where it is something else."""
    if not path.startswith(prefix):
        return None
    name, *rest = path[len(prefix) :].split("/")
    selected: dict[str, str] = {}
    if len(rest) >= 2 and rest[0] in ("versions", "labels"):
        selected[rest[0]] = rest[1]
        rest = rest[2:]
    if not name or len(rest) > 1 or not all(selected.values()):
        return None
    return ModelPath(name, selected.get("versions"), selected.get("labels"), "".join(rest))


def names(repository: Repository) -> list[str]:
    """The names of the models, each once."""
    return list(dict.fromkeys(served.name for served in repository.models))


def versions(repository: Repository, name: str) -> list[str]:
    """The versions in which the model of this name is served."""
    return [served.version for served in repository.models if served.name == name]
