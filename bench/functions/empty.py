"""The handler that does nothing, which the function's warm invocations are measured against."""


def handler(event: object, context: object) -> dict[str, object]:
    return {}
