"""`twite bench`: how fast is a bundle here, or a server."""

import argparse
import json
from pathlib import Path
from typing import Any

from twite.commands.arguments import (
    Commands,
    add_command,
    add_json,
    add_signature,
    print_json,
)
from twite.errors import UsageError
from twite.settings import Settings, with_options


def register(commands: Commands) -> None:
    parser = add_command(commands, "bench", run, "Measure a bundle on this machine, or a server.")
    parser.add_argument(
        "subject", nargs="?", metavar="BUNDLE|URL", help="a bundle, or http://HOST:PORT"
    )
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="what to send to the URL"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to measure (5)")
    parser.add_argument("--threads", type=int, help="threads of the interpreter (TWITE_THREADS)")
    parser.add_argument(
        "--accelerator", metavar="auto|cpu|NAME", help="what runs it (TWITE_ACCELERATOR, auto)"
    )
    parser.add_argument(
        "--compare", nargs=2, type=Path, metavar="JSON", help="two reports of --json, side by side"
    )
    add_signature(parser)
    add_json(parser)


def run(options: argparse.Namespace, settings: Settings) -> int:
    if options.compare:
        return _compare(*options.compare)
    if options.subject is None:
        raise UsageError("what to measure? name a bundle's folder or a server's URL")
    if not 0 < options.seconds <= 3600:
        raise UsageError(f"--seconds is {options.seconds:g}; it must be above 0 and at most 3600")
    is_url = options.subject.startswith(("http://", "https://"))
    report = _of_url(options) if is_url else _of_bundle(options, settings)
    if options.json:
        print_json(report)
        return 0
    for line in _lines(report):
        print(line)
    return 0


def _of_bundle(options: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    import twite
    from twite.accelerators.presence import find_accelerator
    from twite.benchmark import bench_model
    from twite.processors import processors

    bundle, threads = twite.load(Path(options.subject)), options.threads or settings.threads
    if options.signature:
        # Accelerators take the main signature alone.
        view = bundle.view(options.signature)
        options.accelerator = "cpu" if view is not bundle else options.accelerator
        bundle = view
    settings = with_options(settings, {"accelerator": options.accelerator})
    acceleration = find_accelerator(bundle, settings, threads or processors())
    if acceleration is None:
        return bench_model(twite.Model(bundle, threads), options.seconds)
    model = twite.Model(bundle, threads, accelerate=acceleration.engine)
    try:
        acceleration.begin()
        acceleration.settle()
        return bench_model(model, options.seconds)
    finally:
        acceleration.close()


def _of_url(options: argparse.Namespace) -> dict[str, Any]:
    from twite.benchmark import bench_url
    from twite.client import Client
    from twite.commands.predict import read

    if options.file is None:
        raise UsageError("what to send? name a file after the URL: a picture, .json or .npy")
    body, content_type = read(str(options.file))
    client = Client(options.subject, options.signature)
    try:
        return bench_url(
            lambda: client.predict(body, content_type), options.subject, options.seconds
        )
    finally:
        client.close()


def _lines(report: dict[str, Any]) -> list[str]:
    from twite.benchmark import bar

    machine, latency = report["machine"], report["latency_ms"]
    version = f" {report['version']}" if report["version"] else ""
    cores = f"{machine['processors']} × {machine['architecture']}"
    lines = [f"{report['model']}{version} on {machine['board']}, {cores}"]
    if "engine" in report:
        accelerator = report["accelerator"] or "none"
        xnnpack = "" if report["xnnpack"] else " without XNNPACK"
        lines.append(
            f"engine       {report['engine']}{xnnpack}, {report['threads']} threads, "
            f"accelerator {accelerator}"
        )
    lines.append(f"runs         {report['runs']}, {report['runs_per_s']:.4g} a second")
    shown = "  ".join(f"{name} {value:.3g}" for name, value in latency.items())
    lines.append(f"latency ms   {shown}")
    most = max(each["runs"] for each in report["histogram"])
    lines += [
        f"{each['from_ms']:>9.3g} ms  {bar(each['runs'] / most):30} {each['runs']}"
        for each in report["histogram"]
    ]
    return [
        *lines,
        f"heat before  {_heat(report['before'])}",
        f"heat after   {_heat(report['after'])}",
    ]


def _heat(thermal: dict[str, Any]) -> str:
    parts = [f"{name} {value:.1f} °C" for name, value in thermal["temperature_c"].items()]
    if thermal["frequency"] is not None:
        parts.append(f"clock up to {thermal['frequency']:.0%}")
    if thermal["throttled_events"] is not None:
        parts.append(f"throttled {thermal['throttled_events']} times")
    return ", ".join([*parts, *thermal["held_back"]]) or "no sensor here"


def _compare(first: Path, second: Path) -> int:
    from twite.benchmark import compare

    reports = [_report(path) for path in (first, second)]
    for number, report in enumerate(reports, 1):
        print(f"{number}: {report['model']} on {report['machine']['board']}")
    print(f"{'':8}  {'1':>10}  {'2':>10}   2 ÷ 1")
    for name, a, b, ratio in compare(*reports):
        print(f"{name:8}  {a:>10.4g}  {b:>10.4g}  {ratio:>6.2f}")
    return 0


def _report(path: Path) -> dict[str, Any]:
    from twite.benchmark import SCHEMA

    try:
        report = json.loads(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path} is no report of `twite bench --json`: {error}") from error
    if not isinstance(report, dict) or report.get("schema") != SCHEMA or "latency_ms" not in report:
        raise UsageError(f"{path} is no report of `twite bench --json` with schema {SCHEMA}")
    return report
