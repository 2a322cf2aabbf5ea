from pathlib import Path

import pytest

from twite.errors import UsageError
from twite.settings import Settings, read_engine, read_settings


def test_defaults_without_an_environment(tmp_path: Path) -> None:
    assert read_settings({}, tmp_path) == Settings()


def test_a_memory_limit_bounds_what_is_held(tmp_path: Path) -> None:
    for name, text in (("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "134217728\n")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    settings = read_settings({}, tmp_path)
    assert settings.max_held_bytes == 1 << 25
    assert settings.max_json_numbers == 1 << 18
    assert settings.max_connections == 1 << 10
    # Who names a number gets it.
    assert read_settings({"TWITE_MAX_HELD_BYTES": "99"}, tmp_path).max_held_bytes == 99
    (tmp_path / "sys/fs/cgroup/memory.max").write_text(f"{1 << 40}\n")
    assert read_settings({}, tmp_path) == Settings()


def test_reads_the_conventional_names() -> None:
    settings = read_settings({"PORT": "0", "HOST": "::", "MODEL_PATH": "/m", "LOG_LEVEL": "ERROR"})
    assert (settings.port, settings.host, settings.model_path) == (0, "::", "/m")
    assert settings.log_level == "error"


def test_its_own_prefix_wins() -> None:
    assert read_settings({"PORT": "1", "TWITE_PORT": "2"}).port == 2


def test_no_color_is_honoured() -> None:
    assert not read_settings({"NO_COLOR": "1"}).color


def test_names_an_engine_or_leaves_it_open() -> None:
    assert read_engine({}) is None
    assert read_engine({"TWITE_ENGINE": "auto"}) is None
    assert read_engine({"TWITE_ENGINE": "tflite-runtime"}) == "tflite-runtime"
    with pytest.raises(UsageError, match="TWITE_ENGINE is 'tflite'; it must be auto, ai-edge"):
        read_engine({"TWITE_ENGINE": "tflite"})


def test_keeps_what_can_be_made_again_in_the_users_cache() -> None:
    assert read_settings({"HOME": "/home/finch"}).cache_dir == "/home/finch/.cache/twite"
    assert read_settings({"HOME": "/h", "XDG_CACHE_HOME": "/c"}).cache_dir == "/c/twite"
    assert read_settings({"HOME": "/h", "TWITE_CACHE_DIR": "/own"}).cache_dir == "/own"


def test_knows_aws_lambda() -> None:
    assert read_settings({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}).on_lambda


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("TWITE_THREADS", "0"),
        ("TWITE_DRAIN_PAUSE_S", "nan"),
        ("TWITE_ACCELERATOR_CHECK_EVERY", "0"),
        ("LOG_LEVEL", "loud"),
        ("TWITE_LOG_FORMAT", "xml"),
        ("TWITE_ACCESS_LOG", "yes"),
        ("TWITE_WORKERS", "0"),
        ("TWITE_MAX_JSON_DEPTH", "1000"),
        ("TWITE_HEADER_TIMEOUT_S", "-1"),
    ],
)
def test_names_the_variable_and_its_value(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"{name.removeprefix('TWITE_')} is '{value}'; it must be"):
        read_settings({name: value})
