"""The accelerators that Twite knows, as data; docs/accelerators.md is the same for people."""

from typing import Literal, NamedTuple

from twite.errors import UsageError
from twite.fields import suggestion

NO_OPTIONS: dict[str, tuple[str, ...]] = {}


class Accelerator(NamedTuple):
    """A device and what runs TFLite models on it.

    kind is `delegate` for a library that the interpreter loads, `webgpu` for LiteRT's own, and
    `none` where no TFLite model can run: note says why. devices are names in /dev, with * at the
    end; usb are ids. operator is the custom operator of a model that the vendor's compiler made.
    options maps what the library takes to the values it may have, () for any. containers are the
    flags for `docker run`, module and package are the kernel's and the system's part.
    """

    name: str
    title: str
    kind: Literal["delegate", "webgpu", "none"]
    devices: tuple[str, ...] = ()
    usb: tuple[str, ...] = ()
    library: str = ""
    options: dict[str, tuple[str, ...]] = NO_OPTIONS
    operator: str = ""
    compiler: str = ""
    package: str = ""
    module: str = ""
    containers: str = ""
    note: str = ""


CATALOGUE = (
    Accelerator(
        "edgetpu",
        "Coral Edge TPU",
        "delegate",
        devices=("apex_*",),
        usb=("1a6e:089a", "18d1:9302"),
        library="libedgetpu.so.1",
        options={"device": ("usb", "pci", ":*", "usb:*", "pci:*")},
        operator="edgetpu-custom-op",
        compiler="edgetpu_compiler",
        package="libedgetpu1-std (the community's build for TensorFlow 2.19 or later)",
        module="apex, from gasket-dkms",
        containers="--device /dev/apex_0, or for USB: -v /dev/bus/usb:/dev/bus/usb "
        "--device-cgroup-rule='c 189:* rmw'",
    ),
    Accelerator(
        "ethos-u",
        "Arm Ethos-U (NXP i.MX 93)",
        "delegate",
        devices=("ethosu0",),
        library="libethosu_delegate.so",
        options={"device_name": (), "cache_file_path": (), "timeout": ()},
        operator="ethos-u",
        compiler="vela",
        package="the board's image: NXP's package ethos-u-driver-stack",
        module="ethosu",
        containers="--device /dev/ethosu0",
    ),
    Accelerator(
        "vx",
        "NXP i.MX 8M Plus (VeriSilicon)",
        "delegate",
        devices=("galcore",),
        library="libvx_delegate.so",
        options={"allowed_cache_mode": ("true", "false"), "cache_file_path": (), "device_id": ()},
        package="the board's image: NXP's package tensorflow-lite-vx-delegate",
        module="galcore",
        containers="--device /dev/galcore",
    ),
    Accelerator(
        "teflon",
        "Mesa Teflon (VeriSilicon, Rockchip NPUs)",
        "delegate",
        devices=("accel/accel*", "dri/renderD*"),
        library="libteflon.so",
        package="mesa-teflon-delegate",
        module="etnaviv or rocket",
        containers="--device /dev/accel --device /dev/dri",
    ),
    Accelerator(
        "qnn",
        "Qualcomm Hexagon and Adreno",
        "delegate",
        devices=("fastrpc-*", "kgsl-3d0"),
        library="libQnnTFLiteDelegate.so",
        options={"backend_type": ("htp", "gpu", "dsp"), "library_path": (), "skel_library_dir": ()},
        package="Qualcomm's AI Engine Direct SDK",
        module="fastrpc",
        containers="--device /dev/fastrpc-cdsp --device /dev/kgsl-3d0",
    ),
    Accelerator(
        "webgpu",
        "GPU through WebGPU on Vulkan",
        "webgpu",
        devices=("dri/renderD*", "nvidia0", "nvhost-gpu", "nvmap"),
        options={"precision": ("fp16", "fp32")},
        package="mesa-vulkan-drivers and libvulkan1, or the vendor's Vulkan driver",
        module="the GPU's own",
        containers="--device /dev/dri --group-add render; NVIDIA: --gpus all, Jetson: "
        "--runtime nvidia, both with -e NVIDIA_DRIVER_CAPABILITIES=all",
    ),
    Accelerator(
        "external",
        "any delegate library",
        "delegate",
        note="name its library: --accelerator external:library=/path/to/libdelegate.so",
    ),
    Accelerator(
        "hailo",
        "Hailo",
        "none",
        devices=("hailo0",),
        note="it does not run TFLite models; its own runtime takes .hef files",
    ),
    Accelerator(
        "rknpu",
        "Rockchip NPU with the vendor's driver",
        "none",
        devices=("rknpu",),
        note="RKNN does not run TFLite models; with a mainline kernel, teflon does",
    ),
)
NAMES = tuple(accelerator.name for accelerator in CATALOGUE)


class Choice(NamedTuple):
    """What `--accelerator` says: auto, cpu or a name with options."""

    name: str
    options: dict[str, str]

    @property
    def is_named(self) -> bool:
        return self.name not in ("auto", "cpu")


def parse(text: str) -> Choice:
    """`NAME[:key=value,…]`; raises UsageError where it is not that, or the name is unknown.

    Whether the accelerator knows an option is not decided here: serving goes on without it.
    """
    name, _, rest = text.partition(":")
    if name not in ("auto", "cpu", *NAMES):
        known = suggestion(name[:60], ("auto", "cpu", *NAMES))
        raise UsageError(f"there is no accelerator '{name[:60]}'{known}")
    pairs = [pair.partition("=") for pair in rest.split(",") if pair]
    wrong = next((key for key, equals, _ in pairs if not (key and equals)), None)
    if wrong is not None or (pairs and name in ("auto", "cpu")):
        raise UsageError(
            f"the accelerator '{text[:60]}' cannot be read; it is auto, cpu or "
            "NAME:key=value,key=value"
        )
    return Choice(name, {key: value for key, _, value in pairs})


def find(name: str) -> Accelerator:
    return next(accelerator for accelerator in CATALOGUE if accelerator.name == name)


def option_problem(accelerator: Accelerator, options: dict[str, str]) -> str | None:
    """What is wrong with the options of a delegate or of WebGPU, None when nothing is."""
    known = accelerator.options
    for key, value in options.items():
        if key == "library" and accelerator.kind == "delegate":
            continue
        # The options of a library that nobody knows are its own affair.
        if accelerator.name == "external":
            continue
        if key not in known:
            names = (*known, *(["library"] if accelerator.kind == "delegate" else []))
            return f"{accelerator.name} has no option '{key}'{suggestion(key, names)}"
        allowed = known[key]
        if allowed and not any(_fits(value, pattern) for pattern in allowed):
            return f"the option {key} is '{value}'; {accelerator.name} takes {', '.join(allowed)}"
    return None


def _fits(value: str, pattern: str) -> bool:
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1]) and value[len(pattern) - 1 :].isdigit()
    return value == pattern
