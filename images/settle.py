"""python settle.py system ROOT | twite ROOT PYPROJECT | bundle FOLDER: finish a layer of an image.

system adds what a distribution's installer would have made, and bytecode; twite compiles the
runtime and adds its metadata; bundle only sets modes. Bytecode is unchecked: a read-only root
cannot renew it, and times of files play no part in it, so that equal builds are equal.
"""

import compileall
import os
import sys
import tomllib
from pathlib import Path
from py_compile import PycInvalidationMode

SITE = Path("usr/local/lib/python3.11/dist-packages")
USER = 65532


def main(kind: str, folder: Path, rest: list[str]) -> None:
    if kind == "system":
        add_accounts(folder)
        compile_all(folder)
    elif kind == "twite":
        add_metadata(folder / SITE, Path(rest[0]))
        compile_all(folder)
    settle_files(folder, int(os.environ.get("SOURCE_DATE_EPOCH", "0")))


def add_accounts(root: Path) -> None:
    etc = root / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "passwd").write_text(f"root:x:0:0::/:/\ntwite:x:{USER}:{USER}::/:/\n")
    (etc / "group").write_text(f"root:x:0:\ntwite:x:{USER}:\n")
    for name in ("tmp", "model", "mnt/models", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True, exist_ok=True)


def compile_all(root: Path) -> None:
    """Bytecode beside every source, with the paths that the image will have."""
    compiled = compileall.compile_dir(
        root,
        maxlevels=100,
        quiet=1,
        workers=0,
        stripdir=str(root),
        prependdir="/",
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        sys.exit("settle.py: a source did not compile; the lines above say which")


def add_metadata(site: Path, pyproject: Path) -> None:
    """What an installer would have written of twite itself: lists of contents read it."""
    project = tomllib.loads(pyproject.read_text())["project"]
    info = site / f"twite-{project['version']}.dist-info"
    info.mkdir()
    fields = {
        "Metadata-Version": "2.4",
        "Name": project["name"],
        "Version": project["version"],
        "Summary": project["description"],
        "License-Expression": project["license"],
    }
    (info / "METADATA").write_text("".join(f"{name}: {text}\n" for name, text in fields.items()))


def settle_files(root: Path, epoch: int) -> None:
    """One time for all; everybody reads, nobody writes but in /tmp."""
    for parent, folders, names in os.walk(root, topdown=False):
        for name in (*folders, *names):
            path = Path(parent) / name
            if not path.is_symlink():
                executable = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if executable else 0o644)
            os.utime(path, (epoch, epoch), follow_symlinks=False)
    if (root / "tmp").is_dir():
        (root / "tmp").chmod(0o1777)
    os.utime(root, (epoch, epoch))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
