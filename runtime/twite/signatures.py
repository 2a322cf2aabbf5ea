"""The signatures of a model: each further one is seen as a bundle of its own.

The manifest describes the main signature. A view of it describes another one in the same fields,
so that whatever serves a bundle serves a signature.
"""

from twite.errors import BundleError, NotFound
from twite.manifest import (
    ImagePreprocessing,
    Manifest,
    Signature,
    Signatures,
    TensorPostprocessing,
    TensorPreprocessing,
)

DEFAULT = "serving_default"
"""What TensorFlow calls the signature of a model that has one."""


def main_name(manifest: Manifest) -> str:
    return manifest.signatures.main if manifest.signatures else DEFAULT


def further(manifest: Manifest) -> tuple[Signature, ...]:
    """The signatures beside the main one."""
    return manifest.signatures.further if manifest.signatures else ()


def names(manifest: Manifest) -> tuple[str, ...]:
    """Every signature's name, the main one first."""
    return (main_name(manifest), *(each.name for each in further(manifest)))


def view(manifest: Manifest, signature: Signature) -> Manifest:
    """The manifest of a bundle that has this signature alone; the files are the same."""
    how = manifest.preprocessing
    nonfinite = "forbid" if isinstance(how, ImagePreprocessing) else how.nonfinite
    return manifest._replace(
        inputs=signature.inputs,
        outputs=signature.outputs,
        golden=signature.golden,
        preprocessing=TensorPreprocessing("tensors", nonfinite),
        postprocessing=TensorPostprocessing("tensors"),
        companions=(),
        signatures=Signatures(signature.name),
    )


def find(manifest: Manifest, name: str) -> Manifest:
    """The view of the signature of this name; the manifest itself for the main one.

    Raises NotFound.
    """
    if name == main_name(manifest):
        return manifest
    for signature in further(manifest):
        if signature.name == name:
            return view(manifest, signature)
    raise NotFound(unknown(name, manifest))


def unknown(name: str, manifest: Manifest) -> str:
    return f"there is no signature {name!r:.60}; known are {', '.join(names(manifest))}"


def views(manifest: Manifest) -> tuple[Manifest, ...]:
    """The manifest itself, and one for each further signature."""
    return (manifest, *(view(manifest, each) for each in further(manifest)))


def check_names(where: str, manifest: Manifest) -> None:
    """Raise BundleError for a signature without a name, or two of the same."""
    found = names(manifest)
    for name in found:
        if not name or found.count(name) > 1:
            raise BundleError(f"{where} has the signatures {found}; each needs a name of its own")
