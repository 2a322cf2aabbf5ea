"""Events as AWS sends them, as small as the function reads them."""

from base64 import b64encode
from typing import Any


def http(
    method: str,
    path: str,
    body: str | bytes = "",
    content_type: str = "application/json",
    **headers: str,
) -> dict[str, Any]:
    """An event of payload 2.0; bytes travel as base64."""
    is_binary = isinstance(body, bytes)
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": content_type, "host": "api.example", **named},
        "requestContext": {
            "stage": "$default",
            "http": {"method": method, "path": path, "sourceIp": "203.0.113.9"},
        },
        "body": b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": is_binary,
    }


def rest(method: str, path: str, body: str = "") -> dict[str, Any]:
    """An event of a REST API, payload 1.0."""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"stage": "prod", "identity": {"sourceIp": "203.0.113.9"}},
        "body": body,
        "isBase64Encoded": False,
    }


def balancer(method: str, path: str, body: str = "") -> dict[str, Any]:
    """An event of an Application Load Balancer."""
    target = "arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup/twite/0"
    return {
        "requestContext": {"elb": {"targetGroupArn": target}},
        "httpMethod": method,
        "path": path,
        "queryStringParameters": {},
        "headers": {
            "content-type": "application/json",
            "host": "alb.example",
            "x-forwarded-for": "203.0.113.9",
            "x-forwarded-port": "80",
            "x-forwarded-proto": "http",
        },
        "body": body,
        "isBase64Encoded": False,
    }
