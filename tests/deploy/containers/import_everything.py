"""Run inside an image: import every module that is in it and name those that do not import."""

import importlib
import os
import sys
import warnings
from pathlib import Path

UNUSED = ("httptools", "uvloop")
"""What serves HTTP: the function has no server of its own."""

FOLDERS = [path for path in sys.path if path.startswith("/usr")]
INNER = ("__pycache__", "lib-dynload", ".libs", "-info", "dist-packages")


def modules(folder: str) -> list[str]:
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.endswith(INNER)]
        package = list(Path(parent).relative_to(folder).parts)
        for file in files:
            stem = file.split(".")[0]
            if file.endswith((".py", ".so")) and not file.startswith("lib") and stem != "__main__":
                found.append(".".join([*package, *([] if stem == "__init__" else [stem])]))
    return sorted(found)


warnings.simplefilter("ignore")
failed = []
for name in [name for folder in FOLDERS for name in modules(folder)]:
    try:
        importlib.import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name in UNUSED:
            continue
        failed.append(f"{name}: {type(error).__name__}: {error}")
sys.stdout.write("\n".join(failed) + ("\n" if failed else ""))
