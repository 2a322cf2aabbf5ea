"""What is found on a machine, here in a folder that looks like one."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from twite.accelerators.candidates import candidates
from twite.accelerators.catalogue import find, parse
from twite.accelerators.discovery import Finding, Place, discover, examine, machine_of
from twite.accelerators.presence import is_any_there
from twite.bundle import Bundle
from twite.manifest import Companion
from twite.tensors import TensorSpec

ELF = bytes.fromhex("7f454c46020101000000000000000000") + b"\3\0"
MACHINES = {"x86_64": 62, "aarch64": 183, "armv7l": 40}


@pytest.fixture
def root(tmp_path: Path) -> Callable[..., Path]:
    """A machine with these files; a library is one for the machine that is named after =."""

    def make(*files: str) -> Path:
        for name in files:
            path, _, machine = name.partition("=")
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            number = MACHINES[machine or platform.machine()]
            file.write_bytes(ELF + number.to_bytes(2, "little") if ".so" in path else b"")
        return tmp_path

    return make


def seen(name: str, root: Path) -> Finding:
    return examine(find(name), Place(root))


def test_a_machine_with_nothing_has_nothing(root: Callable[..., Path]) -> None:
    assert {finding.state for finding in discover(Place(root()))} == {"absent"}
    assert not is_any_there(root())


def test_a_device_and_its_library_are_ready(root: Callable[..., Path]) -> None:
    machine = root("dev/galcore", "usr/lib/libvx_delegate.so")
    finding = seen("vx", machine)
    assert (finding.state, finding.devices) == ("ready", (str(machine / "dev/galcore"),))
    assert finding.library == str(machine / "usr/lib/libvx_delegate.so")
    assert is_any_there(machine)


def test_a_missing_library_is_named_with_its_package(root: Callable[..., Path]) -> None:
    finding = seen("edgetpu", root("dev/apex_0"))
    assert finding.state == "incomplete"
    assert "libedgetpu.so.1 is not there" in finding.missing
    assert "libedgetpu1-std" in finding.fix


def test_a_missing_device_is_named_with_module_and_flags(root: Callable[..., Path]) -> None:
    finding = seen("edgetpu", root("usr/lib/libedgetpu.so.1"))
    assert finding.state == "absent"
    assert "/dev/apex_*" in finding.missing
    assert "gasket-dkms" in finding.fix
    assert "--device-cgroup-rule='c 189:* rmw'" in finding.fix


def test_a_library_for_another_machine_is_told(root: Callable[..., Path]) -> None:
    other = "aarch64" if platform.machine() == "x86_64" else "x86_64"
    finding = seen("vx", root("dev/galcore", f"usr/lib/libvx_delegate.so={other}"))
    assert finding.state == "incomplete"
    assert f"is for {other}; this machine is {platform.machine()}" in finding.missing


def test_an_edge_tpu_is_found_on_the_usb(root: Callable[..., Path]) -> None:
    machine = root("usr/lib/libedgetpu.so.1", "dev/bus/usb/002/007")
    device = machine / "sys/bus/usb/devices/2-1"
    device.mkdir(parents=True)
    texts = {"idVendor": "18d1", "idProduct": "9302", "busnum": "2", "devnum": "7"}
    for name, text in texts.items():
        (device / name).write_text(text + "\n")
    assert is_any_there(machine)
    finding = seen("edgetpu", machine)
    assert (finding.state, finding.devices) == ("ready", (str(machine / "dev/bus/usb/002/007"),))


def test_another_device_of_its_vendor_is_none(root: Callable[..., Path]) -> None:
    machine = root("usr/lib/libedgetpu.so.1")
    device = machine / "sys/bus/usb/devices/2-1"
    device.mkdir(parents=True)
    (device / "idVendor").write_text("18d1\n")
    (device / "idProduct").write_text("4ee7\n")
    assert seen("edgetpu", machine).state == "absent"


def test_a_device_without_permission_names_the_group(root: Callable[..., Path]) -> None:
    machine = root("dev/galcore", "usr/lib/libvx_delegate.so")
    machine.chmod(0o755)
    (machine / "dev/galcore").chmod(0o000)
    code = (
        "import sys; from pathlib import Path\n"
        "from twite.accelerators.catalogue import find\n"
        "from twite.accelerators.discovery import Place, examine\n"
        "import grp, os\n"
        "os.chdir(sys.argv[1])\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "found = examine(find('vx'), Place(Path('.')))\n"
        "print(found.state, '|', found.missing, '|', found.fix)\n"
    )
    command = [sys.executable, "-c", code, str(machine)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.startswith("incomplete | no permission for dev/galcore")
    assert "sudo usermod -aG" in told
    assert "--group-add" in told


def test_a_raspberry_pi_is_told_to_use_the_cpu(root: Callable[..., Path]) -> None:
    machine = root("dev/dri/renderD128", "usr/share/vulkan/icd.d/broadcom.json")
    (machine / "proc/device-tree").mkdir(parents=True)
    (machine / "proc/device-tree/model").write_text("Raspberry Pi 5 Model B Rev 1.0\0")
    finding = seen("webgpu", machine)
    assert finding.state == "unsupported"
    assert "Raspberry Pi 5" in finding.missing


def test_what_runs_no_tflite_model_is_told(root: Callable[..., Path]) -> None:
    finding = seen("hailo", root("dev/hailo0"))
    assert finding.state == "unsupported"
    assert ".hef" in finding.missing


def test_a_text_is_no_library(tmp_path: Path) -> None:
    (tmp_path / "x.so").write_text("hello")
    assert machine_of(tmp_path / "x.so") is None
    assert machine_of(Path(os.path.realpath(sys.executable))) == platform.machine()


def test_a_compiled_model_is_wanted_where_the_device_takes_no_other(
    root: Callable[..., Path], tiny: Bundle
) -> None:
    place = Place(root("dev/apex_0", "usr/lib/libedgetpu.so.1"))
    found, refused = candidates(tiny, parse("auto"), place)
    assert found == []
    assert "edgetpu_compiler" in next(each.reason for each in refused if each.name == "edgetpu")
    companion = Companion("edgetpu", "model.edgetpu.tflite", ("edgetpu-custom-op",), "16.0")
    manifest = tiny.manifest._replace(companions=(companion,))
    found, _ = candidates(tiny._replace(manifest=manifest), parse("auto"), place)
    assert [each.model for each in found] == [str(tiny.path / "model.edgetpu.tflite")]


def test_a_gpu_is_tried_in_half_precision_first(root: Callable[..., Path], tiny: Bundle) -> None:
    place = Place(root("dev/dri/renderD128", "usr/share/vulkan/icd.d/intel.json"))
    found, _ = candidates(tiny, parse("auto"), place)
    assert [each.options["precision"] for each in found if each.name == "webgpu"] == [
        "fp16",
        "fp32",
    ]


def test_varying_shapes_and_int64_stay_on_the_cpu(root: Callable[..., Path], tiny: Bundle) -> None:
    place = Place(root("dev/dri/renderD128", "usr/share/vulkan/icd.d/intel.json"))
    for spec, told in (
        (TensorSpec("x", "float32", (-1, -1, 3)), "varies in more than the batch"),
        (TensorSpec("x", "int64", (-1, 16)), "int64"),
    ):
        bundle = tiny._replace(manifest=tiny.manifest._replace(inputs=(spec,)))
        found, refused = candidates(bundle, parse("webgpu"), place)
        assert found == []
        assert told in refused[0].reason


def test_nothing_heavy_is_imported_where_nothing_is(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from twite.accelerators import presence\n"
        f"assert not presence.is_any_there(Path({str(tmp_path)!r}))\n"
        "print([n for n in ('subprocess', 'twite.accelerators.catalogue') if n in sys.modules])\n"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
