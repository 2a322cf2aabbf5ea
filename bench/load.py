"""Send one request over and over on several connections: a small stand-in for wrk.

python bench/load.py PORT CONNECTIONS SECONDS BODY prints the requests a second. Every answer must
end as the first did.
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
    # The id of an answer may grow by a digit, its body not.
    end = first_answer(opened[0], request).rpartition(b"\r\n\r\n")[2]
    by_number = {connection.fileno(): connection for connection in opened}
    poll = select.epoll()
    for number, connection in by_number.items():
        poll.register(number, select.EPOLLIN)
        connection.sendall(request)
    answered, start = 0, perf_counter()
    while (took_s := perf_counter() - start) < seconds:
        for number, _ in poll.poll(1.0):
            if is_whole(by_number[number].recv(65536), end):
                answered += 1
                by_number[number].sendall(request)
    for connection in opened:
        connection.close()
    return answered / took_s


def is_whole(came: bytes, end: bytes) -> bool:
    """Whether the last piece of an answer came."""
    if not came or (b"HTTP/1.1 200 " not in came[:13] and not end.endswith(came)):
        raise SystemExit(f"not the same answer again: {came[:300]!r}")
    return came.endswith(end)


def first_answer(connection: socket.socket, request: bytes) -> bytes:
    """A whole answer."""
    connection.sendall(request)
    answer = b""
    while not (head := re.search(rb"content-length: (\d+)(?s:.*?)\r\n\r\n", answer)):
        came = connection.recv(65536)
        answer += came
        if not came or not answer.startswith(b"HTTP/1.1 200 "[: len(answer)]):
            raise SystemExit(f"the server answers {answer[:300]!r}")
    while len(answer) < head.end() + int(head[1]):
        answer += connection.recv(65536)
    return answer


if __name__ == "__main__":
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    print(load(port, connections, seconds, sys.argv[4].encode()))
