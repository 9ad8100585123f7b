"""Plays scripts of socket calls and raw segments to this machine's Linux, and prints what it did.

Standard input: a JSON array of scripts, each an array of steps [ms, words...]. Each script gets a network namespace and a
TUN device of its own (10.1.0.2/24; the peer is 10.1.0.1); all of them run at the same time. Standard output: a JSON array
with a log for each script: entries [ms, kind, text], where kind is "call" or "segment". tcp_diff.ts has the notation.
With the argument `in-turn`, steps are taken one after the other (tcp_diff_turn.ts).
"""

import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

PEER_ISN = 0x10000000
LETTERS = [("F", 1), ("S", 2), ("R", 4), ("P", 8), (".", 16), ("U", 32), ("E", 64), ("W", 128),
           ("A", 256)]  # fmt: skip
HOST, PEER = "10.1.0.2", "10.1.0.1"
CLONE_NEWNET = 0x40000000
# What scripts call addresses.
ADDRESSES = {
    "any": "0.0.0.0", "host": HOST, "peer": PEER, "lo": "127.0.0.1", "lo2": "127.0.0.2", "bcast": "10.1.0.255",
    "limited": "255.255.255.255", "group": "224.0.0.251", "far": "192.0.2.1",
}  # fmt: skip
OPTIONS = {
    "SO_ERROR": (1, 4), "SO_SNDBUF": (1, 7), "SO_RCVBUF": (1, 8), "SO_KEEPALIVE": (1, 9), "SO_OOBINLINE": (1, 10),
    "SO_RCVLOWAT": (1, 18), "IP_RECVERR": (0, 11), "SO_ACCEPTCONN": (1, 30),
    "SO_REUSEADDR": (1, 2), "SO_RCVTIMEO": (1, 20), "SO_SNDTIMEO": (1, 21), "SO_INCOMING_CPU": (1, 49),
    "TCP_NODELAY": (6, 1), "TCP_MAXSEG": (6, 2), "TCP_CORK": (6, 3), "TCP_KEEPIDLE": (6, 4), "TCP_KEEPINTVL": (6, 5),
    "TCP_KEEPCNT": (6, 6), "TCP_SYNCNT": (6, 7), "TCP_LINGER2": (6, 8), "TCP_DEFER_ACCEPT": (6, 9),
    "TCP_WINDOW_CLAMP": (6, 10), "TCP_QUICKACK": (6, 12), "TCP_USER_TIMEOUT": (6, 18), "TCP_NOTSENT_LOWAT": (6, 25),
    "TCP_THIN_LINEAR_TIMEOUTS": (6, 16), "TCP_INQ": (6, 36), "TCP_TIMESTAMP": (6, 24), "TCP_SAVE_SYN": (6, 27),
    "TCP_FASTOPEN": (6, 23), "TCP_FASTOPEN_CONNECT": (6, 30), "TCP_FASTOPEN_NO_COOKIE": (6, 34),
    "IP_TOS": (0, 1), "IP_MTU": (0, 14), "IP_MTU_DISCOVER": (0, 10), "IP_TTL": (0, 2),
    "SO_REUSEPORT": (1, 15), "SO_BINDTOIFINDEX": (1, 62), "IP_FREEBIND": (0, 15), "IP_TRANSPARENT": (0, 19),
    "IP_BIND_ADDRESS_NO_PORT": (0, 24), "IP_LOCAL_PORT_RANGE": (0, 51),
}  # fmt: skip
MSG = {"OOB": 1, "PEEK": 2, "TRUNC": 0x20, "DONTWAIT": 0x40, "WAITALL": 0x100, "MORE": 0x8000, "NOSIGNAL": 0x4000,
       "FASTOPEN": 0x20000000, "ERRQUEUE": 0x2000}  # fmt: skip
INFO = [
    ("state", 0, "B"), ("ca_state", 1, "B"), ("retransmits", 2, "B"), ("probes", 3, "B"), ("backoff", 4, "B"),
    ("options", 5, "B"), ("wscale", 6, "B"), ("limited", 7, "B"), ("rto", 8, "I"), ("ato", 12, "I"),
    ("snd_mss", 16, "I"), ("rcv_mss", 20, "I"), ("unacked", 24, "I"), ("sacked", 28, "I"), ("lost", 32, "I"),
    ("retrans", 36, "I"), ("last_data_sent", 44, "I"), ("last_data_recv", 52, "I"), ("last_ack_recv", 56, "I"),
    ("pmtu", 60, "I"), ("rcv_ssthresh", 64, "I"), ("rtt", 68, "I"), ("rttvar", 72, "I"), ("snd_ssthresh", 76, "I"),
    ("snd_cwnd", 80, "I"), ("advmss", 84, "I"), ("reordering", 88, "I"), ("rcv_rtt", 92, "I"), ("rcv_space", 96, "I"),
    ("total_retrans", 100, "I"), ("bytes_acked", 120, "Q"), ("bytes_received", 128, "Q"), ("segs_out", 136, "I"),
    ("segs_in", 140, "I"), ("notsent_bytes", 144, "I"), ("min_rtt", 148, "I"), ("data_segs_in", 152, "I"),
    ("data_segs_out", 156, "I"), ("delivered", 192, "I"), ("delivered_ce", 196, "I"), ("bytes_sent", 200, "Q"),
    ("bytes_retrans", 208, "Q"), ("dsack_dups", 216, "I"), ("reord_seen", 220, "I"), ("rcv_ooopack", 224, "I"),
    ("snd_wnd", 228, "I"), ("rcv_wnd", 232, "I"), ("rehash", 236, "I"), ("total_rto", 240, "H"),
    ("total_rto_recoveries", 242, "H"), ("received_ce", 248, "I"), ("delivered_e1_bytes", 252, "I"),
    ("delivered_e0_bytes", 256, "I"), ("delivered_ce_bytes", 260, "I"), ("received_e1_bytes", 264, "I"),
    ("received_e0_bytes", 268, "I"), ("received_ce_bytes", 272, "I"), ("accecn_fail_mode", 276, "H"),
    ("accecn_opt_seen", 278, "H"),
]  # fmt: skip


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Runner:
    def __init__(self, script):
        self.steps = script
        self.log = []
        self.lock = threading.Lock()
        self.isns, self.ts, self.last_ts = {}, {}, {}
        self.flow = (40000, 8080)
        self.names, self.watched = {}, {}
        self.over = False

    def note(self, kind, text):
        ms = (time.monotonic() - self.start) * 1000
        with self.lock:
            self.log.append([ms, kind, text])

    def setup(self):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        self.tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tun, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1001))
        sysctls = ["tcp_rmem=4096 131072 15728640", "tcp_fin_timeout=60", "tcp_syncookies=1", "tcp_no_metrics_save=1"]
        sysctls += [f"{step[2]}={' '.join(map(str, step[3:]))}" for step in self.steps if step[1] == "sysctl"]
        for entry in sysctls:
            name, value = entry.split("=")
            path = "/proc/sys/net/" + (name if "/" in name else "ipv4/" + name)
            with open(path, "w") as file:
                file.write(value)
        for words in (["link", "set", "lo", "up"], ["addr", "add", HOST + "/24", "dev", "tun0"],
                      ["link", "set", "tun0", "up"]):  # fmt: skip
            subprocess.run(["ip", *words], check=True)

    # Segments.

    def encode(self, text):
        out = b""
        for option in [o.strip() for o in text.split(",") if o.strip()]:
            words = option.replace(":", " ").split(" ")
            kind = words[0]
            if kind == "nop":
                out += b"\x01"
            elif kind == "eol":
                out += b"\0"
            elif kind == "mss":
                out += struct.pack(">BBH", 2, 4, int(words[1]))
            elif kind == "wscale":
                out += struct.pack(">BBB", 3, 3, int(words[1]))
            elif kind == "sackOK":
                out += b"\x04\x02"
            elif kind == "sack":
                isn = self.isns.get(self.flow, 0)
                out += struct.pack(">BB", 5, 2 + (len(words) - 1) * 4)
                for word in words[1:]:
                    out += struct.pack(">I", (isn + int(word)) & 0xFFFFFFFF)
            elif kind == "TS":
                base = self.ts.get(self.flow, 0)
                ecr = self.last_ts.get(self.flow, 0) if words[4] == "last" else int(words[4])
                value = 0 if ecr == 0 and base == 0 else (base + ecr) & 0xFFFFFFFF
                out += struct.pack(">BBII", 8, 10, int(words[2]), value)
            elif kind in ("FO", "FOEXP"):
                cookie = bytes.fromhex(words[1] if len(words) > 1 else "")
                head = struct.pack(">BB", 34, 2) if kind == "FO" else struct.pack(">BBH", 254, 4, 0xF989)
                out += head[:1] + bytes([head[1] + len(cookie)]) + head[2:] + cookie
            elif kind == "ECN":
                # Byte counts of accurate ECN; the first one says which of the two options it is.
                out += bytes([172 if words[1] == "e0b" else 174, 2 + 3 * (len(words) // 2)])
                for word in words[2::2]:
                    out += struct.pack(">I", int(word))[1:]
            elif kind == "raw":
                out += bytes(int(word, 16) for word in words[1:])
            else:
                raise ValueError(option)
        return out + b"\0" * (-len(out) % 4)

    def inject(self, text):
        options, named = "", {}
        if " tos " in text:
            # Last of all.
            text, tos = text.split(" tos ")
            named["tos"] = int(tos)
        if "<" in text:
            text, options = text.rstrip(">").split("<")
        words = text.split()
        flags = sum(bit for letter, bit in LETTERS if letter in words[0])
        seq, length = int(words[1].split(":")[0]), 0
        if "(" in words[1]:
            length = int(words[1].split("(")[1].rstrip(")"))
        named.update(zip(words[2::2], map(int, words[3::2])))
        ack = (self.isns.get(self.flow, 0) + named["ack"]) & 0xFFFFFFFF if "ack" in named else 0
        opts = self.encode(options)
        data = bytes((seq + i) & 255 for i in range(length))
        head = struct.pack(">HHIIBBHHH", self.flow[0], self.flow[1], (PEER_ISN + seq) & 0xFFFFFFFF, ack,
                           ((5 + len(opts) // 4) << 4) | flags >> 8, flags & 255, named.get("win", 0xFFFF), 0, named.get("urg", 0))  # fmt: skip
        segment = head + opts + data
        pseudo = socket.inet_aton(PEER) + socket.inet_aton(HOST) + struct.pack(">BBH", 0, 6, len(segment))
        segment = segment[:16] + struct.pack(">H", checksum(pseudo + segment)) + segment[18:]
        self.send(6, segment, named.get("tos", 0))

    def send(self, protocol, payload, tos=0):
        head = struct.pack(">BBHHHBBH4s4s", 0x45, tos, 20 + len(payload), 1, 0, 64, protocol, 0,
                           socket.inet_aton(PEER), socket.inet_aton(HOST))  # fmt: skip
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        os.write(self.tun, head + payload)

    def icmp(self, kind, code, info, seq):
        quoted = struct.pack(">HHI12x", self.flow[1], self.flow[0], (self.isns.get(self.flow, 0) + seq) & 0xFFFFFFFF)
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(quoted), 1, 0, 64, 6, 0,
                           socket.inet_aton(HOST), socket.inet_aton(PEER))  # fmt: skip
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        message = struct.pack(">BBHI", kind, code, 0, info) + head + quoted
        self.send(1, message[:2] + struct.pack(">H", checksum(message)) + message[4:])

    def icmp_udp(self, kind, code, info, peer_port, host_port, length):
        """An ICMP message about the host's datagram of `length` bytes."""
        quoted = struct.pack(">HHHH", host_port, peer_port, 8 + length, 0)
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + length, 1, 0, 64, 17, 0,
                           socket.inet_aton(HOST), socket.inet_aton(PEER))  # fmt: skip
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        message = struct.pack(">BBHI", kind, code, 0, info) + head + quoted
        self.send(1, message[:2] + struct.pack(">H", checksum(message)) + message[4:])

    def read_segments(self):
        while not self.over:
            if not select.select([self.tun], [], [], 0.05)[0]:
                continue
            packet = os.read(self.tun, 70000)
            if packet[0] >> 4 != 4 or packet[9] != 6:
                continue
            self.note("segment", self.show(packet))

    def show(self, packet):
        ihl = (packet[0] & 15) * 4
        tcp = packet[ihl:]
        sport, dport, seq, ack, off, flags, win, _, urg = struct.unpack(">HHIIBBHHH", tcp[:20])
        flow = (dport, sport)
        flags |= (off & 1) << 8
        if flags & 2:
            self.isns[flow] = seq
        isn = self.isns.get(flow, 0)
        relative = 0 if flags & 4 and seq == 0 else (seq - isn) & 0xFFFFFFFF
        hlen = (off >> 4) * 4
        length = len(tcp) - hlen
        letters = "".join(letter for letter, bit in LETTERS if flags & bit) or "-"
        text = f"{letters} {relative}:{relative + length}({length})"
        if flags & 16:
            text += f" ack {(ack - PEER_ISN) & 0xFFFFFFFF}"
        text += f" win {win}"
        if flags & 32:
            text += f" urg {urg}"
        if packet[1]:
            text += f" tos {packet[1]}"
        names, i, options = [], 0, tcp[20:hlen]
        while i < len(options):
            kind = options[i]
            if kind == 0:
                break
            if kind == 1:
                names.append("nop")
                i += 1
                continue
            size = options[i + 1]
            body = options[i + 2 : i + size]
            if kind == 2:
                names.append("mss %d" % struct.unpack(">H", body))
            elif kind == 3:
                names.append("wscale %d" % body[0])
            elif kind == 4:
                names.append("sackOK")
            elif kind == 5:
                edges = [(e - PEER_ISN) & 0xFFFFFFFF for e in struct.unpack(">%dI" % (len(body) // 4), body)]
                names.append("sack " + " ".join(f"{a}:{b}" for a, b in zip(edges[::2], edges[1::2])))
            elif kind == 8:
                val, ecr = struct.unpack(">II", body)
                self.ts.setdefault(flow, val)
                self.last_ts[flow] = (val - self.ts[flow]) & 0xFFFFFFFF
                names.append(f"TS val {(val - self.ts[flow]) & 0xFFFFFFFF} ecr {ecr}")
            elif kind in (172, 174):
                order = ("e0b", "ceb", "e1b") if kind == 172 else ("e1b", "ceb", "e0b")
                counts = [int.from_bytes(body[at : at + 3], "big") for at in range(0, len(body), 3)]
                names.append(" ".join(["ECN"] + [f"{name} {count}" for name, count in zip(order, counts)]))
            elif kind in (34, 254):
                cookie = body.hex() if kind == 34 else body[2:].hex()
                names.append(f"{'FO' if kind == 34 else 'FOEXP'} {cookie}".strip())
            else:
                names.append(f"option {kind}")
            i += max(size, 2)
        if names:
            text += f" <{','.join(names)}>"
        if flow != (40000, 8080):
            text = f"{sport}>{dport} {text}"
        return text

    # Calls.

    def call(self, words):
        name, args = words[0], words[1:]
        try:
            result = self.perform(name, args)
        except OSError as error:
            # Two names of one number.
            result = "-" + errno.errorcode[error.errno].replace("ENOTSUP", "EOPNOTSUPP")
        return "ok" if result is None else result

    def perform(self, name, args):
        sock = self.names.get(args[0]) if args else None
        if sock is None and name not in ("socket", "bsocket", "usocket", "epoll"):
            raise OSError(errno.EBADF, name)
        if name == "usocket":
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            self.names[args[0]] = sock
        elif name in ("socket", "bsocket"):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(name == "bsocket")
            if all(step[2] != "tcp_congestion_control" for step in self.steps if step[1] == "sysctl"):
                sock.setsockopt(6, 13, b"cubic")
            self.names[args[0]] = sock
        elif name == "bind":
            sock.bind((ADDRESSES[args[2]] if len(args) > 2 else "0.0.0.0", int(args[1])))
        elif name == "listen":
            sock.listen(int(args[1]))
        elif name in ("accept", "baccept"):
            child = sock.accept()[0]
            child.setblocking(name == "baccept")
            self.names[args[1]] = child
        elif name == "connect":
            sock.connect((ADDRESSES[args[2]] if len(args) > 2 else PEER, int(args[1])))
        elif name == "write":
            return sock.send(bytes(int(args[1])), sum(MSG[flag] for flag in args[2:]) | MSG["NOSIGNAL"])
        elif name == "sendto":
            flags = sum(MSG[flag] for flag in args[3:]) | MSG["NOSIGNAL"]
            return sock.sendto(bytes(int(args[2])), flags, (PEER, int(args[1])))
        elif name == "read":
            length, flags = int(args[1]), sum(MSG[flag] for flag in args[2:])
            if length == 0 or flags & MSG["TRUNC"]:
                # The buffer is not touched. (And sock.recv(0) makes no system call.)
                return ctypes_recv(sock.fileno(), length, flags)
            data = sock.recv(length, flags)
            return f"{len(data)} {data[0]} {data[-1]}" if data else 0
        elif name == "close":
            fd = sock.detach()
            del self.names[args[0]]
            os.close(fd)
        elif name == "shutdown":
            sock.shutdown({"RD": 0, "WR": 1, "RDWR": 2}[args[1]])
        elif name == "set":
            level, option = OPTIONS[args[1]]
            if args[1].endswith("TIMEO"):
                sock.setsockopt(level, option, struct.pack("qq", int(args[2]) // 1000, int(args[2]) % 1000 * 1000))
            else:
                sock.setsockopt(level, option, int(args[2]))
        elif name == "get":
            return sock.getsockopt(*OPTIONS[args[1]])
        elif name == "linger":
            sock.setsockopt(1, 13, struct.pack("ii", int(args[1]), int(args[2])))
        elif name == "disconnect":
            result = ctypes.CDLL(None, use_errno=True).connect(sock.fileno(), bytes(16), 16)
            if result < 0:
                raise OSError(ctypes.get_errno(), "connect")
        elif name in ("name", "peername"):
            address, port = sock.getsockname() if name == "name" else sock.getpeername()
            # Which one of the ephemeral ports is chance.
            return f"{address} {'ephemeral' if port >= 32768 else port}"
        elif name == "poll":
            poll = select.poll()
            poll.register(sock, 0x1 | 0x2 | 0x4 | 0x2000)
            events = poll.poll(0)
            return events[0][1] if events else 0
        elif name == "pollfor":
            poll = select.poll()
            poll.register(sock, int(args[1]))
            events = poll.poll(int(args[2]))
            return events[0][1] if events else 0
        elif name == "epoll":
            self.names[args[0]] = select.epoll()
        elif name in ("epadd", "epmod", "epdel"):
            if args[1] not in self.names:
                raise OSError(errno.EBADF, name)
            fd = self.names[args[1]].fileno()
            self.watched[fd] = args[1]
            if name == "epadd":
                sock.register(fd, int(args[2], 0))
            elif name == "epmod":
                sock.modify(fd, int(args[2], 0))
            else:
                sock.unregister(fd)
        elif name == "epwait":
            most, ms = int(args[1]) if len(args) > 1 else 10, int(args[2]) if len(args) > 2 else 0
            return " ".join(f"{self.watched[fd]}:{mask}" for fd, mask in sock.poll(ms / 1000, most)) or "none"
        elif name in ("inq", "outq", "outqnsd", "atmark"):
            command = {"inq": 0x541B, "outq": 0x5411, "outqnsd": 0x894B, "atmark": 0x8905}[name]
            return struct.unpack("i", fcntl.ioctl(sock.fileno(), command, bytes(4)))[0]
        elif name == "mem":
            rmem, rcvbuf, _, sndbuf, _, wmem = struct.unpack("6I", sock.getsockopt(1, 55, 24))
            return f"{rmem} of {rcvbuf}, {wmem} of {sndbuf}"
        elif name == "info":
            raw = sock.getsockopt(6, 11, 280)
            fields = {key: struct.unpack_from("<" + code, raw, at)[0] for key, at, code in INFO}
            # Two fields in one byte.
            fields["fastopen_client_fail"] = fields["limited"] >> 1 & 3
            fields["limited"] &= 1
            return " ".join(f"{key}={value}" for key, value in fields.items())
        else:
            raise ValueError(name)

    def until(self, ms):
        delay = self.start + ms / 1000 - time.monotonic()
        if delay > 0:
            time.sleep(delay)

    def callers(self, steps):
        for ms, *words in steps:
            self.until(ms)
            if words[0] != "sysctl" and words[0] != "end":
                result = self.call(words)
                self.note("call", f"{' '.join(map(str, words))} = {result}")

    def run(self):
        self.setup()
        time.sleep(0.05)
        arrivals = [step for step in self.steps if step[1] in ("<", "flow", "icmp")]
        calls = [step for step in self.steps if step[1] not in ("<", "flow", "icmp")]
        self.start = time.monotonic()
        reader = threading.Thread(target=self.read_segments, daemon=True)
        caller = threading.Thread(target=self.callers, args=(calls,), daemon=True)
        reader.start()
        caller.start()
        for ms, *words in arrivals:
            self.until(ms)
            if words[0] == "flow":
                self.flow = (int(words[1]), int(words[2]))
            elif words[0] == "icmp":
                self.icmp(*map(int, words[1:]))
            else:
                self.inject(words[1])
        self.until(self.steps[-1][0])
        caller.join(1)
        self.over = True
        reader.join()
        return sorted(self.log, key=lambda entry: entry[0])

    def run_in_turn(self):
        """One step after the other, each call with its step's number; when each step was taken is noted."""
        self.setup()
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
        except OSError:
            pass
        time.sleep(0.02)
        self.start = time.monotonic()
        reader = threading.Thread(target=self.read_segments, daemon=True)
        reader.start()
        for n, (ms, *words) in enumerate(self.steps):
            if words[0] == "sysctl":
                continue
            self.until(ms)
            self.note("step", str(n))
            if words[0] == "flow":
                self.flow = (int(words[1]), int(words[2]))
            elif words[0] == "icmp":
                self.icmp(*map(int, words[1:]))
            elif words[0] == "<":
                self.inject(words[1])
            elif words[0] == "udp":
                peer_port, host_port, length = map(int, words[1:])
                self.send(17, struct.pack(">HHHH", peer_port, host_port, 8 + length, 0) + bytes(range(length)))
            elif words[0] == "icmpudp":
                self.icmp_udp(*map(int, words[1:]))
            elif words[0] == "bg":
                threading.Thread(target=self.call_of_step, args=(n, words[1:]), daemon=True).start()
            elif words[0] != "end":
                self.call_of_step(n, words)
        self.over = True
        reader.join()
        return sorted(self.log, key=lambda entry: entry[0])

    def call_of_step(self, n, words):
        result = self.call(words)
        self.note("call", f"{n} {' '.join(words)} = {result}")


def ctypes_recv(fd, length, flags):
    buffer = ctypes.create_string_buffer(length)
    result = ctypes.CDLL(None, use_errno=True).recv(fd, buffer, length, flags)
    if result < 0:
        raise OSError(ctypes.get_errno(), "recv")
    return result


def play(script):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        try:
            runner = Runner(script)
            answer = runner.run_in_turn() if IN_TURN else runner.run()
        except BaseException as error:  # noqa: BLE001
            answer = [[0, "error", repr(error)]]
        with os.fdopen(write, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(write)
    return pid, os.fdopen(read)


AT_ONCE = 16
IN_TURN = "in-turn" in sys.argv
scripts = json.load(sys.stdin)
# The longest first: the others fit beside them.
order = sorted(range(len(scripts)), key=lambda n: -scripts[n][-1][0])
answers = [None] * len(scripts)
running = {}
while order or running:
    while order and len(running) < AT_ONCE:
        which = order.pop(0)
        pid, pipe = play(scripts[which])
        running[pipe] = (which, pid)
    for pipe in select.select(list(running), [], [])[0]:
        which, pid = running.pop(pipe)
        answers[which] = json.load(pipe)
        os.waitpid(pid, 0)
json.dump(answers, sys.stdout)
