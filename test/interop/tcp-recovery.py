"""Plays one script of tcp-recovery.ts to a real Linux socket behind a TUN device, in the namespace it is started in.

Reads the script as JSON from stdin, prints what the socket sent and told as JSON: [{"step", "time", "text"}], the times
in ms since the connection was accepted.
"""

import fcntl
import hashlib
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000
HOST, PEER = "192.168.0.1", "192.0.2.1"
PEER_ISN = 0x10000000
PEER_PORT, HOST_PORT = 40000, 8080
TCP_INFO, TCP_CONGESTION = 11, 13
LETTERS = [("F", 1), ("S", 2), ("R", 4), ("P", 8), (".", 16), ("U", 32), ("E", 64), ("W", 128)]
SEGMENT = re.compile(
    r"^([FSRP.UEW]+|-) (\d+)(?::(\d+)\((\d+)\))?(?: ack (\d+))?(?: win (\d+))?(?: urg (\d+))?(?: <([^>]*)>)?$"
)

script = json.load(sys.stdin)
try:
    # It sleeps nearly always, and wants to wake in time.
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
except OSError:
    pass
subprocess.run("ip link set lo up", shell=True, check=True)
tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", b"tun0", IFF_TUN | IFF_NO_PI))
subprocess.run(
    f"ip addr add {HOST}/24 dev tun0; ip link set tun0 up; ip route add 192.0.2.0/24 dev tun0", shell=True, check=True
)
for name, value in script["sysctl"].items():
    where = "net/core" if name in ("rmem_max", "wmem_max") else "net/ipv4"
    if where == "net/core":
        continue
    with open(f"/proc/sys/{where}/{name}", "w") as file:
        file.write(" ".join(map(str, value)) if isinstance(value, list) else str(value))

isn = 0
ts_base = None


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(protocol, payload, tos=0, source=PEER, target=HOST):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + len(payload), 0, 0x4000, 64, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(target))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def encode(text):
    out = b""
    for option in filter(None, (text or "").split(",")):
        words = re.split("[ :]", option.strip())
        kind, rest = words[0], words[1:]
        if kind == "nop":
            out += b"\1"
        elif kind == "mss":
            out += struct.pack("!BBH", 2, 4, int(rest[0]))
        elif kind == "wscale":
            out += struct.pack("!BBB", 3, 3, int(rest[0]))
        elif kind == "sackOK":
            out += b"\4\2"
        elif kind == "sack":
            out += struct.pack("!BB", 5, 2 + 4 * len(rest))
            for n in rest:
                out += struct.pack("!I", (isn + int(n)) & 0xFFFFFFFF)
        elif kind == "md5":
            out += b"\x13\x12" + bytes(16)
        elif kind == "raw":
            out += bytes.fromhex("".join(rest))
        elif kind == "TS":
            ecr = int(rest[3])
            value = 0 if ecr == 0 and ts_base is None else (ts_base + ecr) & 0xFFFFFFFF
            out += struct.pack("!BBII", 8, 10, int(rest[1]), value)
        else:
            raise ValueError(option)
    return out + b"\0" * (-len(out) % 4)


def signature_at(segment):
    at, end = 20, (segment[12] >> 4) * 4
    while at < end and segment[at] != 0:
        if segment[at] == 19:
            return at + 2
        at += 1 if segment[at] == 1 else max(2, segment[at + 1])
    return -1


def signature(segment, source, target):
    """RFC 2385: pseudo-header, header without options and checksum, payload, key."""
    pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, 6, len(segment))
    header = segment[:16] + b"\0\0" + segment[18:20]
    return hashlib.md5(pseudo + header + segment[(segment[12] >> 4) * 4:] + script["md5"].encode()).digest()


def set_key(sock, key):
    sock.setsockopt(socket.IPPROTO_TCP, 14, struct.pack("=HH4s120xBBHi80s", socket.AF_INET, 0, socket.inet_aton(PEER), 0, 0,
                                                         len(key), 0, key.encode()))


def inject(text, tos=0):
    m = SEGMENT.match(text)
    if m is None:
        raise ValueError(f"{text} is no segment")
    flags = sum(bit for letter, bit in LETTERS if letter in m[1])
    seq, length = int(m[2]), int(m[4] or 0)
    options = encode(m[8])
    data = bytes((seq + i) & 255 for i in range(length))
    win = 65535 if m[6] is None else int(m[6])
    ack = 0 if m[5] is None else (isn + int(m[5])) & 0xFFFFFFFF
    segment = struct.pack("!HHIIBBHHH", PEER_PORT, HOST_PORT, PEER_ISN + seq, ack, (20 + len(options)) // 4 << 4, flags,
                          win, 0, int(m[7] or 0)) + options + data
    at = signature_at(segment)
    if at >= 0 and script["md5"]:
        right = bytearray(signature(segment, PEER, HOST))
        right[0] ^= "md5 wrong" in text
        segment = segment[:at] + bytes(right) + segment[at + 16:]
    pseudo = socket.inet_aton(PEER) + socket.inet_aton(HOST) + struct.pack("!BBH", 0, 6, len(segment))
    segment = segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]
    os.write(tun, ip_packet(6, segment, tos))


def icmp(kind, code, info, seq):
    quoted = ip_packet(6, struct.pack("!HHI12x", HOST_PORT, PEER_PORT, (isn + seq) & 0xFFFFFFFF), 0, HOST, PEER)
    message = struct.pack("!BBHI", kind, code, 0, info) + quoted
    os.write(tun, ip_packet(1, message[:2] + struct.pack("!H", checksum(message)) + message[4:]))


def decode(options, segment):
    global ts_base
    names, i = [], 0
    while i < len(options):
        kind = options[i]
        if kind == 0:
            break
        if kind == 1:
            names.append("nop")
            i += 1
            continue
        size = options[i + 1]
        body = options[i + 2:i + size]
        if kind == 2:
            names.append(f"mss {struct.unpack('!H', body)[0]}")
        elif kind == 3:
            names.append(f"wscale {body[0]}")
        elif kind == 4:
            names.append("sackOK")
        elif kind == 5:
            numbers = [(n - PEER_ISN) & 0xFFFFFFFF for n in struct.unpack(f"!{len(body) // 4}I", body)]
            names.append("sack " + " ".join(f"{a}:{b}" for a, b in zip(numbers[::2], numbers[1::2])))
        elif kind == 19:
            names.append("md5" if not script["md5"] or body == signature(segment, HOST, PEER) else "md5 wrong")
        elif kind == 8:
            val, ecr = struct.unpack("!II", body)
            if ts_base is None:
                ts_base = val
            names.append(f"TS val {(val - ts_base) & 0xFFFFFFFF} ecr {ecr}")
        else:
            names.append(f"option {kind}")
        i += max(size, 2)
    return ",".join(names)


def shown(packet):
    global isn
    if packet[0] >> 4 != 4 or packet[9] != 6:
        return None
    tcp = packet[20:]
    seq, ack = struct.unpack("!II", tcp[4:12])
    flags = tcp[13]
    window, _, urgent = struct.unpack("!HHH", tcp[14:20])
    offset = (tcp[12] >> 4) * 4
    length = len(tcp) - offset
    if flags & 2:
        isn = seq
    at = (seq - isn) & 0xFFFFFFFF
    text = "".join(letter for letter, bit in LETTERS if flags & bit) or "-"
    text += f" {at}:{at + length}({length})"
    if flags & 16:
        text += f" ack {(ack - PEER_ISN) & 0xFFFFFFFF}"
    text += f" win {window}"
    if flags & 32:
        text += f" urg {urgent}"
    options = decode(tcp[20:offset], tcp)
    if packet[1] & 3:
        text += f" ecn {packet[1] & 3}"
    return text + (f" <{options}>" if options else "")


COUNTERS = ("TCPSackShifted", "TCPSackMerged", "TCPSackShiftFallback", "TCPSACKReorder", "TCPSACKDiscard",
            "TCPDSACKRecv", "TCPDSACKOfoRecv", "TCPDSACKIgnoredOld", "TCPDSACKIgnoredNoUndo", "TCPSACKReneging",
            "TCPLostRetransmit", "TCPOrigDataSent", "TCPDelivered", "TCPMD5NotFound", "TCPMD5Unexpected",
            "TCPMD5Failure")
SO_MEMINFO, WMEM_QUEUED = 55, 5


def counters():
    with open("/proc/net/netstat") as file:
        names, values = [line.split()[1:] for line in file if line.startswith("TcpExt:")]
    known = dict(zip(names, values))
    if sock.fileno() < 0:
        return " ".join(f"{name} {known[name]}" for name in COUNTERS) + " wmem_queued 0"
    queued = struct.unpack("9I", sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[WMEM_QUEUED]
    return " ".join(f"{name} {known[name]}" for name in COUNTERS) + f" wmem_queued {queued}"


REPAIR, QUEUE, SEQ, OPTIONS, WINDOW, RECV, SEND = 19, 20, 21, 22, 29, 1, 2


def restored(end):
    """Takes the connection out of its socket and puts it into a new one (TCP_REPAIR)."""
    global sock
    tcp = socket.IPPROTO_TCP
    sock.setsockopt(tcp, REPAIR, 1)
    queues = {}
    for queue in (RECV, SEND):
        sock.setsockopt(tcp, QUEUE, queue)
        try:
            data = sock.recv(200000, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            data = b""
        queues[queue] = (sock.getsockopt(tcp, SEQ) & 0xFFFFFFFF, data)
    window = sock.getsockopt(tcp, WINDOW, 20)
    mss = sock.getsockopt(tcp, 2)
    scale = sock.getsockopt(tcp, TCP_INFO, 280)[6]
    sock.close()
    sock = socket.socket()
    sock.setsockopt(tcp, TCP_CONGESTION, script["cc"].encode())
    sock.setsockopt(tcp, REPAIR, 1)
    for queue, (seq, data) in queues.items():
        sock.setsockopt(tcp, QUEUE, queue)
        sock.setsockopt(tcp, SEQ, struct.pack("I", (seq - len(data)) & 0xFFFFFFFF))
    sock.bind((HOST, HOST_PORT))
    sock.connect((PEER, PEER_PORT))
    sock.setsockopt(tcp, OPTIONS, struct.pack("6I", 2, mss, 3, scale & 15 | scale >> 4 << 16, 4, 0))
    for queue, (seq, data) in queues.items():
        sock.setsockopt(tcp, QUEUE, queue)
        if data:
            sock.send(data)
    sock.setsockopt(tcp, WINDOW, window)
    sock.setsockopt(tcp, REPAIR, end)
    sock.setblocking(False)
    wl1, wnd, most, rcv_wnd, rcv_wup = struct.unpack("5I", window)
    sums = [sum(data) for _, data in queues.values()]
    return (f"mss {mss} recv {(queues[RECV][0] - PEER_ISN) & 0xFFFFFFFF} {len(queues[RECV][1])} send"
            f" {(queues[SEND][0] - isn) & 0xFFFFFFFF} {len(queues[SEND][1])} {sums}"
            f" window {(wl1 - PEER_ISN) & 0xFFFFFFFF} {wnd} {most} {rcv_wnd} {(rcv_wup - PEER_ISN) & 0xFFFFFFFF}")


pipe = os.pipe2(os.O_NONBLOCK)


def moved(what, length, *more):
    if what == "sf":
        fd = os.memfd_create("file")
        os.write(fd, payload[:length])
        try:
            return os.sendfile(sock.fileno(), fd, *more)
        finally:
            os.close(fd)
    if what == "pw":
        return os.write(pipe[1], payload[:length])
    if what == "pr":
        return len(os.read(pipe[0], length))
    return os.splice(*((pipe[0], sock.fileno()) if what == "po" else (sock.fileno(), pipe[1])), length, flags=more[0])


arrivals = []
STAMPS = {29: ("qq", 1e6), 35: ("qq", 1e9), 37: ("qqqqqq", 1e9), 63: ("qq", 1e6), 64: ("qq", 1e9),
          65: ("qqqqqq", 1e9)}


def stamped(kind, data):
    """The step whose segment the stamp is of, and how many numbers of it are not 0."""
    layout, parts = STAMPS[kind]
    numbers = struct.unpack(layout, data)
    at = numbers[0] + numbers[1] / parts
    # A stamp lies between a segment's being written and the next one's.
    return max((step for step, since in arrivals if since <= at + 0.0001), default=-1), sum(map(bool, numbers[2:]))


def receive(length, flags, room):
    try:
        data, messages, told, _ = sock.recvmsg(length, room, flags)
    except OSError as error:
        return f"recvmsg {-error.errno}"
    text = f"recvmsg {len(data)} flags {told}"
    for level, kind, value in messages:
        if level == socket.SOL_SOCKET:
            step, others = stamped(kind, value)
            text += f" {kind}: step {step}, {len(value)} bytes, {others} others"
        else:
            text += f" level {level} {kind}: {value.hex()}"
    return text


out = []
start = time.monotonic()


def collect(step, until):
    while True:
        left = until - time.monotonic()
        ready, _, _ = select.select([tun], [], [], max(0, left))
        now = (time.monotonic() - start) * 1000
        if not ready:
            return
        while True:
            try:
                text = shown(os.read(tun, 70000))
            except BlockingIOError:
                break
            if text is not None:
                out.append({"step": step, "time": now, "text": text})


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.setsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, script["cc"].encode())
if script["rcvbuf"]:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, script["rcvbuf"])
if script["md5"]:
    set_key(listener, script["md5"])
listener.bind((HOST, HOST_PORT))
listener.listen(5)
collect(-1, time.monotonic() + 0.05)
out.clear()
options = script["options"]
inject(f"{'SEW' if script['ecn'] else 'S'} 0:0(0) win 32792 <{options}>")
collect(-1, time.monotonic() + 0.0005)
time.sleep(script["rtt"] / 1000)
inject(f". 1:1(0) ack 1 win {script['win']}" + (
    " <nop,nop,md5>" if script["md5"] else " <nop,nop,TS val 101 ecr 0>" if "TS" in options else ""))
sock, _ = listener.accept()
sock.setblocking(False)
listener.close()
at = start = time.monotonic()
payload = bytes(4_000_000)
for number, line in enumerate(script["steps"]):
    wait, what, rest = re.match(r"\+([\d.]+) (\S+) ?(.*)$", line).groups()
    at += float(wait) / 1000
    collect(number - 1, at)
    if what == "<":
        tos = 0
        if rest.startswith("ce "):
            tos, rest = 3, rest[3:]
        arrivals.append((number, time.time()))
        inject(rest, tos)
    elif what == "w":
        try:
            done = sock.send(payload[:int(rest)])
        except OSError as error:
            done = -error.errno
        out.append({"step": number, "time": (time.monotonic() - start) * 1000, "text": f"write {done}"})
    elif what == "r":
        try:
            done = len(sock.recv(int(rest)))
        except OSError as error:
            done = -error.errno
        out.append({"step": number, "time": (time.monotonic() - start) * 1000, "text": f"read {done}"})
    elif what == "m":
        told = receive(*map(int, rest.split()))
        out.append({"step": number, "time": (time.monotonic() - start) * 1000, "text": told})
    elif what == "icmp":
        icmp(*map(int, rest.split()))
    elif what == "opt":
        level, name, value = map(int, rest.split())
        sock.setsockopt(level, name, value)
    elif what == "i":
        collect(number - 1, time.monotonic())
        info = sock.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 280)
        out.append({"step": number, "time": (time.monotonic() - start) * 1000, "text": "info " + info.hex()})
    elif what in ("sf", "pw", "pr", "po", "pi"):
        try:
            done = moved(what, *map(int, rest.split()))
        except OSError as error:
            done = -error.errno
        out.append({"step": number, "time": (time.monotonic() - start) * 1000, "text": f"{what} {done}"})
    elif what == "rs":
        told = restored(int(rest))
        out.append({"step": number, "time": (time.monotonic() - start) * 1000, "text": told})
    elif what == "c":
        sock.close()
    elif what == "k":
        try:
            set_key(sock, rest)
            told = 0
        except OSError as error:
            told = -error.errno
        out.append({"step": number, "time": (time.monotonic() - start) * 1000, "text": f"key {told}"})
    elif what == "n":
        collect(number - 1, time.monotonic())
        out.append({"step": number, "time": (time.monotonic() - start) * 1000, "text": counters()})
    collect(number, time.monotonic())
json.dump(out, sys.stdout)
