"""Answer events twice, directly and through mangum, in the function's own environment.

python both_ways.py < EVENTS, a JSON list; on standard output the pairs of responses.
"""

import json
import sys
from types import SimpleNamespace

import entry
import gateway

context = SimpleNamespace(aws_request_id="00000000-0000-0000-0000-000000000000")
pairs = []
direct = gateway.DIRECT
for event in json.load(sys.stdin):
    gateway.DIRECT = direct
    first = entry.handler(event, context)
    gateway.DIRECT = set()
    pairs.append((first, entry.handler(event, context)))
print(json.dumps(pairs), file=sys.stderr)
