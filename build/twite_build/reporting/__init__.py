"""The report of a build: as a page, in the terminal, and two side by side."""
