"""The pictures of a multipart form (RFC 7578), from bytes in memory: no temporary files."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from twite.errors import RequestError
from twite.fields import spell

FIELD = "image"

# A picture of a few bytes becomes a tensor of a megabyte, so a form needs a bound of its own.
MOST_PARTS = 100


def image_parts(body: bytes, content_type: str) -> list[bytes]:
    """The contents of every field named 'image', in order. Raises RequestError."""
    form = _Form()
    try:
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            came = f"the content type {spell(content_type)} has no boundary"
            raise RequestError(f"{came}; let the HTTP client set it from the form")
        _parser(boundary, form).write(body)
    except (FormParserError, UnicodeError) as error:
        raise RequestError(f"the form cannot be read: {error}") from error
    if not form.is_complete:
        raise RequestError(f"the form ends after {len(body)} bytes without its closing boundary")
    return _pictures(form.fields)


def _pictures(fields: list[tuple[str, bytes]]) -> list[bytes]:
    pictures = [content for name, content in fields if name == FIELD]
    if not pictures:
        names = ", ".join(spell(name) for name, _ in fields[:8]) or "none"
        raise RequestError(f"the form has no field '{FIELD}'; its fields are {names}")
    if not all(pictures):
        raise RequestError(f"the field '{FIELD}' is empty; it must hold a picture")
    return pictures


class _Form:
    """The fields of one form as the parser meets them; data comes as a span of a buffer."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, bytes]] = []
        self.is_complete = False
        self._header, self._value, self._content = b"", b"", b""
        self._name = ""

    def begin(self) -> None:
        if len(self.fields) == MOST_PARTS:
            raise RequestError(f"the form has more than {MOST_PARTS} fields; send smaller batches")
        self._name, self._content = "", b""

    def header_field(self, buffer: bytes, start: int, end: int) -> None:
        self._header += buffer[start:end]

    def header_value(self, buffer: bytes, start: int, end: int) -> None:
        self._value += buffer[start:end]

    def end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            name = parse_options_header(self._value)[1].get(b"name", b"")
            self._name = name.decode(errors="replace")
        self._header, self._value = b"", b""

    def content(self, buffer: bytes, start: int, end: int) -> None:
        self._content += buffer[start:end]

    def end(self) -> None:
        self.fields.append((self._name, self._content))

    def complete(self) -> None:
        self.is_complete = True


def _parser(boundary: bytes, form: _Form) -> MultipartParser:
    return MultipartParser(
        boundary,
        {
            "on_part_begin": form.begin,
            "on_header_field": form.header_field,
            "on_header_value": form.header_value,
            "on_header_end": form.end_header,
            "on_part_data": form.content,
            "on_part_end": form.end,
            "on_end": form.complete,
        },
    )
