"""Send one request over and over on several connections: a small stand-in for wrk.

python bench/load.py PORT CONNECTIONS SECONDS BODY prints the requests a second. Every answer must
be as long as the first.
"""

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
    by_number = {connection.fileno(): connection for connection in opened}
    wanted = first_answer(opened[0], request)
    poll = select.epoll()
    for connection in opened:
        poll.register(connection, select.EPOLLIN)
        connection.sendall(request)
    answered, start = 0, perf_counter()
    while (took := perf_counter() - start) < seconds:
        for number, _ in poll.poll(1.0):
            connection = by_number[number]
            answer = connection.recv(65536)
            if len(answer) != len(wanted):
                raise SystemExit(f"another answer than the first came: {answer[:300]!r}")
            connection.sendall(request)
            answered += 1
    for connection in opened:
        connection.close()
    return answered / took


def first_answer(connection: socket.socket, request: bytes) -> bytes:
    connection.sendall(request)
    answer = connection.recv(65536)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"the server answers {answer[:300]!r}")
    return answer


if __name__ == "__main__":
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    print(load(port, connections, seconds, sys.argv[4].encode()))
