"""python trim.py SYSTEM PACKAGES ROOT VARIANT: put into ROOT what images/kept.toml keeps.

SYSTEM is an unpacked Debian, PACKAGES a folder of unpacked wheels. Of Debian's shared libraries
those are kept that something kept names, whatever the architecture. Runs on the standard library.
"""

import os
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from elf import needed, strip

SITE = Path("usr/local/lib/python3.11/dist-packages")
STATUS = Path("var/lib/dpkg/status.d")
VARIANT_LIBRARIES = {
    "edgetpu": ("libusb-1.0.so.0",),
    "gpu": ("libvulkan.so.1",),
}
"""What a variant opens at run time, so that no file names it."""

Rules = dict[str, Any]


def main(system: Path, packages: Path, root: Path, variant: str, numpy: Path | None = None) -> None:
    rules = tomllib.loads((Path(__file__).parent / "kept.toml").read_text())
    copy_kept(packages, root / SITE, package_rules(packages, rules["packages"], variant))
    if numpy:
        replace_numpy(numpy, root / SITE)
    for path in files(root):
        strip(path)
    copy_kept(system, root, rules["system"])
    copy_libraries(system, root, VARIANT_LIBRARIES.get(variant, ()))
    keep_status(system, root)


def package_rules(packages: Path, tables: Rules, variant: str) -> Rules:
    """The patterns of the wheels that are there; ends when one has no table."""
    keep, drop = list(tables["keep"]), list(tables["drop"])
    for info in sorted(packages.glob("*.dist-info")):
        name = re.sub(r"[-_.]+", "-", info.name.split("-")[0]).lower()
        if name in tables["unused"] and variant not in tables.get(name, ()):
            drop.append(f"{info.name}/*")
            continue
        if name not in tables:
            sys.exit(f"trim.py: {name} is locked and has no table in images/kept.toml; add one")
        table = tables[name]
        for part in (table, table.get(variant, {})):
            keep += part.get("keep", [])
            drop += part.get("drop", [])
    return {"keep": keep, "drop": drop}


def replace_numpy(numpy: Path, site: Path) -> None:
    """Put the libraries that images/compile.py made in the place of the wheel's, with BLAS."""
    shutil.rmtree(site / "numpy.libs")
    for library in list(site.glob("numpy/*/*.so")):
        library.unlink()
    shutil.copytree(numpy, site, dirs_exist_ok=True)


def copy_kept(source: Path, target: Path, rules: Rules) -> None:
    for path in files(source):
        name = str(path.relative_to(source))
        if matches(name, rules["keep"]) and not matches(name, rules["drop"]):
            copy(path, target / name)


def matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent) / name for name in sorted(names))


def copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target, follow_symlinks=False)


def copy_libraries(system: Path, root: Path, extra: tuple[str, ...]) -> None:
    """The closure of what the kept files name, links with what they point to."""
    libraries: dict[str, list[Path]] = {}
    for path in files(system):
        if ".so" in path.name:
            libraries.setdefault(path.name, []).append(path)
    bundled = {path.name for path in files(root / SITE) if ".so" in path.name}
    waiting = [name for path in files(root) if not path.is_symlink() for name in needed(path)]
    waiting += extra
    seen: set[str] = set()
    while waiting:
        name = Path(waiting.pop()).name
        if name in seen or name in bundled:
            continue
        seen.add(name)
        if name not in libraries:
            sys.exit(f"trim.py: nothing has {name}, which a kept file needs; add its package")
        for path in libraries[name]:
            waiting += copy_library(path, system, root)


def copy_library(path: Path, system: Path, root: Path) -> list[str]:
    place = path.relative_to(system)
    copy(path, root / place)
    # Debian's blas and lapack lie in folders of their own, which the loader does not search.
    if place.parent.name in ("blas", "lapack"):
        (root / place.parent.parent / path.name).symlink_to(f"{place.parent.name}/{path.name}")
    return [path.readlink().name] if path.is_symlink() else needed(path)


def keep_status(system: Path, root: Path) -> None:
    """What dpkg knows of the packages of which a file was kept, and their licences alone."""
    for listing in sorted((system / STATUS).glob("*.list")):
        name = listing.stem
        kept = [line for line in listing.read_text().splitlines() if (root / line).is_file()]
        if any("/share/doc/" not in line for line in kept):
            copy(listing.parent / name, root / STATUS / name)
        else:
            shutil.rmtree(root / "usr/share/doc" / name, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
