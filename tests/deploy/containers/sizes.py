"""What an image weighs and holds: gzipped by its manifest, unpacked by the files of its layers."""

import json
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Saved(NamedTuple):
    """Gzipped and unpacked in 10^6 bytes, the layers' digests and the names of all files."""

    packed_mb: float
    unpacked_mb: float
    layers: list[str]
    files: set[str]


def saved_sizes_mb(
    image: str, architecture: str, environment: dict[str, str]
) -> tuple[float, float]:
    """Gzipped and unpacked."""
    return saved(image, architecture, environment)[:2]


def saved(image: str, architecture: str, environment: dict[str, str]) -> Saved:
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar"
        command = ["docker", "save", "--output", str(archive), image]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=240)
        with tarfile.open(archive) as opened:
            return _measured(opened, architecture)


def _measured(archive: tarfile.TarFile, architecture: str) -> Saved:
    def read(digest: str) -> bytes:
        member = archive.extractfile(f"blobs/sha256/{digest.removeprefix('sha256:')}")
        return member.read() if member else b""

    index = archive.extractfile("index.json")
    layers = next(_layers(json.loads(index.read() if index else b""), read, architecture))
    unpacked, names = 0, set()
    for layer in layers:
        blob = archive.extractfile(f"blobs/sha256/{layer['digest'].removeprefix('sha256:')}")
        with tarfile.open(fileobj=blob, mode="r|gz") as files:
            for file in files:
                unpacked += file.size
                if not file.isdir():
                    names.add(file.name)
    packed = sum(layer["size"] for layer in layers)
    digests = [layer["digest"] for layer in layers]
    return Saved(packed / 1e6, unpacked / 1e6, digests, names)


def _layers(
    index: Any, read: Callable[[str], bytes], architecture: str
) -> Iterator[list[dict[str, Any]]]:
    """Layers of every manifest of the architecture, however deep the index nests."""
    for each in index["manifests"]:
        try:
            content = json.loads(read(each["digest"]))
        except KeyError:
            continue  # The archive leaves out platforms that are not here.
        if "manifests" in content:
            yield from _layers(content, read, architecture)
        elif json.loads(read(content["config"]["digest"]))["architecture"] == architecture:
            yield content["layers"]
