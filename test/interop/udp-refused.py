"""Sends to a closed UDP port and prints, as JSON, what the sockets heard of it. Arguments: address, port."""

import errno
import json
import select
import socket
import struct
import sys

IP_RECVERR = 11
TO = (sys.argv[1], int(sys.argv[2]))


def code(call):
    try:
        call()
        return "nothing"
    except OSError as error:
        return errno.errorcode[error.errno]


def sender():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(5)
    return sock


answer = {}
connected = sender()
connected.connect(TO)
connected.send(b"x")
answer["connected"] = code(lambda: connected.recv(10))

other = sender()
other.setsockopt(socket.SOL_IP, IP_RECVERR, 1)
other.sendto(b"hello", TO)
poll = select.poll()
poll.register(other, select.POLLERR)
poll.poll(5000)
answer["recverr"] = code(lambda: other.recv(10))
data, control, _, name = other.recvmsg(100, 200, socket.MSG_ERRQUEUE)
answer["payload"] = data.decode()
answer["name"] = list(name)
(_, _, bytes_) = control[0]
number, origin, kind, sub, _, info, more = struct.unpack("IBBBBII", bytes_[:16])
answer["ee"] = [number, origin, kind, sub, info, more]
answer["offender"] = socket.inet_ntoa(bytes_[20:24])
print(json.dumps(answer))
