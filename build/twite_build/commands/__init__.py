"""The commands that twite-build adds to `twite`, beside `build`."""
