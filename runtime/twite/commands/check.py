"""`twite check`: hashes and golden samples on this machine."""

import argparse
import sys

import twite
from twite.commands.arguments import Commands, add_bundle, add_command, add_json, print_json
from twite.settings import Settings
from twite.signatures import further


def register(commands: Commands) -> None:
    parser = add_command(commands, "check", run, "Check hashes and golden samples on this machine.")
    add_bundle(parser)
    add_json(parser)


def run(options: argparse.Namespace, settings: Settings) -> int:
    bundle = twite.load(options.bundle)
    model = twite.Model(bundle, settings.threads)
    fastest_s = model.replay()
    others = {each.name: each.golden.count for each in further(bundle.manifest)}
    for signature in others:
        twite.Model(bundle.view(signature), settings.threads).replay()
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
    if others:
        result["signatures"] = others
    if options.json:
        print_json(result)
        return 0
    for warning in model.warnings():
        print(f"twite: warning: {warning}", file=sys.stderr)
    print(f"{manifest.name} {manifest.version}: {len(manifest.files)} files have their hashes")
    count, name = manifest.golden.count, result["engine"]
    print(f"{count} golden samples agree on {name}, {fastest_s * 1000:.3g} ms an inference")
    for signature, count in others.items():
        print(f"signature {signature}: {count} golden samples agree")
    return 0
