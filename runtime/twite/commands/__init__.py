"""The runtime's commands, a module each; only these and twite.cli print."""
