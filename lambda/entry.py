"""The Lambda function: INIT loads and verifies the model, `handler` answers every kind of event."""

from startup import start

handler = start().handle
