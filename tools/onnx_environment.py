"""Make .venvs/onnx, the environment of the ONNX converter, as twite-build makes it for its users.

Where no Python for it is found, the tests that need it are skipped and named.
"""

import shutil
from pathlib import Path

from twite_build import onnx_environment

FOLDER = Path(__file__).parent.parent / ".venvs" / "onnx"


def main() -> None:
    if onnx_environment.find_python() is None:
        print("No Python of 3.12 or 3.13 is here: the ONNX converter stays untested.")
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    print(f"Installing the packages of the ONNX converter into {FOLDER} …")
    onnx_environment.make(FOLDER)


if __name__ == "__main__":
    main()
