"""AWS X-Ray's trace id to the `traceparent` of the W3C, so that a trace goes on where X-Ray ends.

https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html and
https://www.w3.org/TR/trace-context/
"""

import os
import re

_XRAY = re.compile(r"Root=1-([0-9a-f]{8})-([0-9a-f]{24});Parent=([0-9a-f]{16});Sampled=([01])")


def traceparent(header: str | None = None) -> str | None:
    """Of the trace that Lambda is in, or of the header that came where it is in none."""
    found = _XRAY.match(os.environ.get("_X_AMZN_TRACE_ID") or header or "")
    if found is None:
        return None
    began, unique, parent, is_sampled = found.groups()
    return f"00-{began}{unique}-{parent}-0{is_sampled}"
