"""The HTTP server: a Starlette application and the process that runs it."""
