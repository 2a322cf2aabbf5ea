"""Send one request over and over on several connections: a small stand-in for wrk.

python bench/load.py PORT CONNECTIONS SECONDS BODY prints the requests a second. Every answer must
be as long as the first.
"""

import re
import select
import socket
import sys
from time import perf_counter


def load(port: int, connections: int, seconds: float, body: bytes) -> float:
    """Requests a second with `connections` requests in flight all the time."""
    request = (
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%s" % (len(body), body)
    )
    opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    size = first_answer(opened[0], request)
    by_number = {connection.fileno(): connection for connection in opened}
    lacking = dict.fromkeys(by_number, size)
    poll = select.epoll()
    for number, connection in by_number.items():
        poll.register(number, select.EPOLLIN)
        connection.sendall(request)
    answered, start = 0, perf_counter()
    while (took_s := perf_counter() - start) < seconds:
        for number, _ in poll.poll(1.0):
            lacking[number] -= receive(by_number[number], lacking[number])
            if lacking[number] == 0:
                answered += 1
                lacking[number] = size
                by_number[number].sendall(request)
    for connection in opened:
        connection.close()
    return answered / took_s


def receive(connection: socket.socket, most: int) -> int:
    """How many bytes came, up to `most`."""
    came = connection.recv(65536)
    if not 0 < len(came) <= most:
        raise SystemExit(f"not the same answer again: {came[:300]!r}")
    return len(came)


def first_answer(connection: socket.socket, request: bytes) -> int:
    """The length in bytes of a whole answer."""
    connection.sendall(request)
    answer = b""
    while not (end := re.search(rb"content-length: (\d+)(?s:.*?)\r\n\r\n", answer)):
        came = connection.recv(65536)
        answer += came
        if not came or not answer.startswith(b"HTTP/1.1 200 "[: len(answer)]):
            raise SystemExit(f"the server answers {answer[:300]!r}")
    size = end.end() + int(end[1])
    while len(answer) < size:
        answer += connection.recv(65536)
    return size


if __name__ == "__main__":
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    print(load(port, connections, seconds, sys.argv[4].encode()))
