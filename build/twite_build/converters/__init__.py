"""One module a model source; each converts in a child process."""
