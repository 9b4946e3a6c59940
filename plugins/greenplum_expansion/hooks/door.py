"""Opens ports for a test, or knocks at them. Sent to hosts of the cluster; runs there by Python 2.7 or 3, alone.

    python - open  '{"token": "t", "tcp": [6000], "chosen": "udp", "seconds": 60}'
    python - knock '{"targets": [["10.0.0.23", "tcp", 6000]], "seconds": 4}'

`open` prints ``tcp PORT`` for each port it could open, ``chosen PORT`` for the one the kernel chose (by UDP or TCP, as
asked), ``pid PID``, and leaves a process that answers there until it is ended or its seconds are over. `knock` prints
one line for each target, in order: ``ok`` or what came instead.
"""

# Python 2 knows no annotations, and its socket.error is no OSError.
# mypy: ignore-errors
# ruff: noqa: UP024

import errno
import json
import os
import select
import signal
import socket
import sys
import time

AT_ONCE = 200  # below the smallest usual limit of open files
AGAIN = 0.5  # seconds until a datagram without an answer is sent once more


def main(mode, text):
    given = json.loads(text)
    if mode == "open":
        open_doors(given["tcp"], given["chosen"], given["seconds"])
    else:
        targets = given["targets"]
        for first in range(0, len(targets), AT_ONCE):
            for answer in knock(targets[first : first + AT_ONCE], given["seconds"]):
                say(answer)


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def open_doors(ports, chosen, seconds):
    doors = []
    for port in ports:
        opened = listen(port)
        doors += opened
        if opened:
            say("tcp " + str(port))
    own = listen_anywhere(socket.SOCK_DGRAM if chosen == "udp" else socket.SOCK_STREAM) if chosen else []
    echoes = own if chosen == "udp" else []
    doors += own if chosen == "tcp" else []
    if own:
        say("chosen " + str(own[0].getsockname()[1]))
    pid = os.fork()
    if pid:
        say("pid " + str(pid))
        return
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(seconds))  # whatever becomes of the one who should end us
    while True:
        for ready in select.select(doors + echoes, [], [])[0]:
            answer(ready, ready in echoes)


def answer(door, is_udp):
    try:
        if is_udp:
            data, sender = door.recvfrom(2048)
            door.sendto(data, sender)
        else:
            door.accept()[0].close()
    except socket.error:
        return  # who knocked has gone; the next one counts


def listen(port):
    """Sockets for IPv6 and IPv4; none if the port is taken."""
    opened = []
    for family in (socket.AF_INET6, socket.AF_INET):
        try:
            door = socket.socket(family, socket.SOCK_STREAM)
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            door.bind(("", port))
            door.listen(128)
        except socket.error:
            continue  # no IPv6 there, or the port is taken
        door.setblocking(False)
        opened.append(door)
    return opened


def listen_anywhere(kind):
    """One port the kernel chooses, as it does for the interconnect; for both families if that can be."""
    first = socket.socket(socket.AF_INET, kind)
    first.bind(("", 0))
    found = [first]
    try:
        second = socket.socket(socket.AF_INET6, kind)
        second.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        second.bind(("", first.getsockname()[1]))
        found.append(second)
    except socket.error:
        pass  # no IPv6 there, or the port is taken
    for door in found:
        if kind == socket.SOCK_STREAM:
            door.listen(128)
        door.setblocking(False)
    return found


def knock(targets, seconds):
    """All at the same time; one answer for each."""
    answers = ["no answer"] * len(targets)
    connecting = {}
    echoing = {}
    for number, (host, protocol, port) in enumerate(targets):
        kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
        try:
            family, _, _, _, where = socket.getaddrinfo(host, port, socket.AF_UNSPEC, kind)[0]
        except socket.gaierror:
            answers[number] = "name not known"
            continue
        if protocol == "udp":
            echoing[number] = (family, where)
            continue
        sock = socket.socket(family, kind)
        sock.setblocking(False)
        code = sock.connect_ex(where)
        if code in (0, errno.EINPROGRESS):
            connecting[sock] = number
        else:
            answers[number] = os.strerror(code)
    # Not connected: a host with several addresses answers from whichever it likes, which the interconnect bears, too.
    callers = {family: caller(family) for family in {family for family, _ in echoing.values()}}
    deadline = time.time() + seconds
    send_at = 0.0
    while (connecting or echoing) and time.time() < deadline:
        if time.time() >= send_at:
            for number, (family, where) in list(echoing.items()):
                code = sent(callers[family], number, where)
                if code:
                    answers[number] = os.strerror(code)
                    del echoing[number]
            send_at = time.time() + AGAIN
        patience = max(0.0, min(deadline, send_at) - time.time())
        readable, writable, _ = select.select(list(callers.values()), list(connecting), [], patience)
        for sock in readable:
            number = received(sock)
            if number in echoing:
                answers[number] = "ok"
                del echoing[number]
        for sock in writable:
            answers[connecting.pop(sock)] = connected(sock)
            sock.close()
    for sock in list(connecting) + list(callers.values()):
        sock.close()
    return answers


def caller(family):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    return sock


def sent(sock, number, where):
    """0, or the error that no repetition mends."""
    try:
        sock.sendto(("greenplum_expansion " + str(number)).encode(), where)
    except socket.error as error:
        return 0 if error.errno in (errno.EAGAIN, errno.ENOBUFS) else error.errno
    return 0


def received(sock):
    """Which of our datagrams came back; -1 if it is none."""
    try:
        words = sock.recvfrom(2048)[0].split()
    except socket.error:
        return -1
    return int(words[1]) if len(words) == 2 and words[1].isdigit() else -1


def connected(sock):
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return os.strerror(code) if code else "ok"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
