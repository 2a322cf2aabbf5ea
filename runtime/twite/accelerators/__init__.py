"""Accelerators where present, and never a wrong or lost answer because of one.

    presence → discovery → probe (a child process: right and faster?) → worker (another one)

A driver can crash, hang, or answer wrong numbers without a word, so none is ever loaded into the
serving process. Until a probe has passed, and whenever something fails later, the CPU answers the
same request.
"""
