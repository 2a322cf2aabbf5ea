import pytest

from twite.errors import UsageError
from twite.settings import Settings, read_settings


def test_defaults_without_an_environment() -> None:
    assert read_settings({}) == Settings()


def test_reads_the_conventional_names() -> None:
    settings = read_settings({"PORT": "0", "HOST": "::", "MODEL_PATH": "/m", "LOG_LEVEL": "ERROR"})
    assert (settings.port, settings.host, settings.model_path) == (0, "::", "/m")
    assert settings.log_level == "error"


def test_its_own_prefix_wins() -> None:
    assert read_settings({"PORT": "1", "TWITE_PORT": "2"}).port == 2


def test_no_color_is_honoured() -> None:
    assert not read_settings({"NO_COLOR": "1"}).color


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("TWITE_THREADS", "0"),
        ("TWITE_DRAIN_PAUSE_S", "nan"),
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
