"""`twite check`: hashes and golden samples on this machine."""

import argparse
import sys

import twite
from twite.commands.arguments import Commands, add_bundle, add_command, add_json, print_json
from twite.settings import Settings


def register(commands: Commands) -> None:
    parser = add_command(commands, "check", run, "Check hashes and golden samples on this machine.")
    add_bundle(parser)
    add_json(parser)


def run(options: argparse.Namespace, settings: Settings) -> int:
    model = twite.Model(twite.load(options.bundle), settings.threads)
    fastest_s = model.replay()
    manifest, engine = model.manifest, model.engine
    result = {
        "name": manifest.name,
        "version": manifest.version,
        "files": len(manifest.files),
        "golden_samples": manifest.golden.count,
        "engine": f"{engine.name} {engine.version}",
        "xnnpack": engine.xnnpack,
        "fastest_inference_s": fastest_s,
        "warnings": model.warnings(),
    }
    if options.json:
        print_json(result)
        return 0
    for warning in model.warnings():
        print(f"twite: warning: {warning}", file=sys.stderr)
    print(f"{manifest.name} {manifest.version}: {len(manifest.files)} files have their hashes")
    count, name = manifest.golden.count, result["engine"]
    print(f"{count} golden samples agree on {name}, {fastest_s * 1000:.3g} ms an inference")
    return 0
