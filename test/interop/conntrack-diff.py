"""Plays IPv4 packets to this machine's Linux as a router, and prints what came out and what its connection table says.

Standard input: {"rules": text for iptables-restore, "sysctl": {name: value}, "scripts": [[[side, packet in hex, source port], ...]]}. The router has
10.1.0.2/24 at side 0 and 192.0.2.1/24 at side 1; every neighbour has the same Ethernet address. Standard output: a JSON
array with, for each script, one entry a packet: [packets that came out: [side, hex], the table's line of that port or ""].
"""

import ctypes
import fcntl
import json
import select
import socket
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
ROUTER = ("020000000002", "0200000000e1")
PEER = "020000000001"
CONFIG = """
ip link add near type veth peer name nearpeer
ip link add far type veth peer name farpeer
ip link set near address 02:00:00:00:00:02
ip link set far address 02:00:00:00:00:e1
ip link set nearpeer up
ip link set farpeer up
ip link set near up
ip link set far up
ip link set lo up
ip addr add 10.1.0.2/24 dev near
ip addr add 192.0.2.1/24 dev far
ip neigh add 10.1.0.1 lladdr 02:00:00:00:00:01 dev near nud permanent
ip neigh add 10.1.0.7 lladdr 02:00:00:00:00:01 dev near nud permanent
ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:01 dev far nud permanent
ip neigh add 192.0.2.8 lladdr 02:00:00:00:00:01 dev far nud permanent
"""


def sh(command, **more):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more)


def set_sysctl(name, value):
    with open("/proc/sys/" + name.replace(".", "/"), "w") as f:
        f.write(str(value))


def no_offload(dev):
    """What the router sends has its checksum: ETHTOOL_STXCSUM 0."""
    value = struct.pack("II", 0x17, 0)
    buffer = ctypes.create_string_buffer(value)
    request = struct.pack("16sQ16x", dev.encode(), ctypes.addressof(buffer))
    with socket.socket() as s:
        fcntl.ioctl(s, 0x8946, request)


def set_up(rules, sysctl):
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        sys.exit("no network namespace")
    set_sysctl("net.ipv6.conf.default.disable_ipv6", 1)
    set_sysctl("net.ipv6.conf.all.disable_ipv6", 1)
    for line in CONFIG.strip().split("\n"):
        sh(line.split())
    no_offload("near")
    no_offload("far")
    set_sysctl("net.ipv4.ip_forward", 1)
    for dev in ("all", "near", "far"):
        set_sysctl("net.ipv4.conf.%s.rp_filter" % dev, 0)
    sh(["iptables-restore"], input=rules.encode())
    for name, value in sysctl.items():
        set_sysctl(name, value)


class Side:
    def __init__(self, dev, index):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((dev, 3))
        self.head = bytes.fromhex(ROUTER[index] + PEER + "0800")
        self.index = index

    def send(self, packet):
        self.socket.send(self.head + packet)

    def heard(self):
        """What the router has sent to this side."""
        out = []
        while select.select([self.socket], [], [], 0)[0]:
            frame, address = self.socket.recvfrom(65536)
            if address[2] != socket.PACKET_OUTGOING and frame[12:14] == b"\x08\0":
                length = int.from_bytes(frame[16:18], "big")
                out.append([self.index, frame[14 : 14 + length].hex()])
        return out


def line_of(port):
    with open("/proc/net/nf_conntrack") as table:
        for line in table:
            if "sport=%d " % port in line:
                return line.strip()
    return ""


def main():
    given = json.load(sys.stdin)
    set_up(given["rules"], given.get("sysctl", {}))
    sides = [Side("nearpeer", 0), Side("farpeer", 1)]
    log = []
    for script in given["scripts"]:
        entries = []
        for side, packet, port in script:
            sides[side].send(bytes.fromhex(packet))
            # A veth hands a frame over within the system call; the reader of a busy machine is given a moment.
            time.sleep(0.001)
            entries.append([sides[0].heard() + sides[1].heard(), line_of(port)])
        log.append(entries)
    json.dump(log, sys.stdout)


main()
