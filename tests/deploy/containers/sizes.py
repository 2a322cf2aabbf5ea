"""How large an image is: gzipped by its manifest, unpacked by the files of its layers."""

import json
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def saved_sizes_mb(
    image: str, architecture: str, environment: dict[str, str]
) -> tuple[float, float]:
    """Gzipped and unpacked, in 10^6 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar"
        command = ["docker", "save", "--output", str(archive), image]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=240)
        with tarfile.open(archive) as opened:
            return _sizes_mb(opened, architecture)


def _sizes_mb(archive: tarfile.TarFile, architecture: str) -> tuple[float, float]:
    def read(digest: str) -> bytes:
        member = archive.extractfile(f"blobs/sha256/{digest.removeprefix('sha256:')}")
        return member.read() if member else b""

    index = archive.extractfile("index.json")
    layers = next(_layers(json.loads(index.read() if index else b""), read, architecture))
    unpacked = 0
    for layer in layers:
        blob = archive.extractfile(f"blobs/sha256/{layer['digest'].removeprefix('sha256:')}")
        with tarfile.open(fileobj=blob, mode="r|gz") as files:
            unpacked += sum(file.size for file in files)
    return sum(layer["size"] for layer in layers) / 1e6, unpacked / 1e6


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
