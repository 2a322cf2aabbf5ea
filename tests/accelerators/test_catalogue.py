"""What `--accelerator` may say."""

import re

import pytest

from twite.accelerators.catalogue import CATALOGUE, Choice, find, option_problem, parse
from twite.accelerators.presence import DEVICES
from twite.errors import UsageError


def test_reads_a_name_with_options() -> None:
    assert parse("auto") == Choice("auto", {})
    assert parse("edgetpu:device=usb:0,library=/a=b") == Choice(
        "edgetpu", {"device": "usb:0", "library": "/a=b"}
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("edgtpu", "no accelerator 'edgtpu'; did you mean 'edgetpu'?"),
        ("edgetpu:usb", "the accelerator 'edgetpu:usb' cannot be read"),
        ("edgetpu:=usb", "cannot be read"),
        ("cpu:threads=1", "cannot be read"),
        ("", "no accelerator ''"),
    ],
)
def test_refuses_what_is_none(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        parse(text)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("edgetpu", {"devise": "usb"}, "no option 'devise'; did you mean 'device'?"),
        ("edgetpu", {"device": "usb:x"}, "the option device is 'usb:x'; edgetpu takes usb, pci"),
        ("qnn", {"backend_type": "npu"}, "qnn takes htp, gpu, dsp"),
        ("webgpu", {"library": "x"}, "webgpu has no option 'library'"),
        ("edgetpu", {"device": ":1"}, None),
        ("edgetpu", {"library": "/x"}, None),
        ("external", {"anything": "goes"}, None),
    ],
)
def test_knows_the_options_of_each(name: str, options: dict[str, str], told: str | None) -> None:
    problem = option_problem(find(name), options)
    assert (problem is None) if told is None else (problem and told in problem)


def test_the_quick_look_covers_every_device() -> None:
    devices = [d for entry in CATALOGUE if entry.kind != "none" for d in entry.devices]
    for device in devices:
        start = device.partition("/")[0].rstrip("*")
        assert any(known.startswith(start) for known in DEVICES), device
