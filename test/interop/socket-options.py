"""Sets and asks socket options on a real Linux's sockets: (kind, level, option, bytes in hex or null, room) lines as JSON in,
what each came to out: [errno of setsockopt or 0, the answer in hex or minus an errno]."""

import json
import socket
import sys

TYPES = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
# SO_RCVLOWAT goes by it.
with open("/proc/sys/net/ipv4/tcp_rmem", "w") as file:
    file.write("4096 131072 15728640")
out = []
for kind, level, option, given, room in json.load(sys.stdin):
    with socket.socket(socket.AF_INET, TYPES[kind]) as sock:
        status = 0
        if given is not None:
            try:
                sock.setsockopt(level, option, bytes.fromhex(given))
            except OSError as error:
                status = error.errno
        try:
            answer = sock.getsockopt(level, option, room).hex()
        except OSError as error:
            answer = -error.errno
    out.append([status, answer])
json.dump(out, sys.stdout)
