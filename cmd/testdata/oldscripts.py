"""Scripts as labs have them: clients of serpy, serpy2 and struct records.

They are written from the description of these protocols and share no code with
photongate. Each prints one line for each message or record it got, and stops
after so many or at the end of its input.

    oldscripts.py serpy ADDR MODE COUNT      connects, prints messages
    oldscripts.py serpy2 ADDR COUNT [REQUEST...]
    oldscripts.py struct-client ADDR FORMAT COUNT
    oldscripts.py struct-server PORT FORMAT COUNT
    oldscripts.py stall ADDR                 connects and never reads
    oldscripts.py pickle ADDR                asks for mode 5, sends a pickle
"""

import base64
import socket
import struct
import sys
import time

END = b"\x1f"


def connect(addr):
    """Five attempts, a second apart, as the tutorial's client makes them."""
    host, port = addr.rsplit(":", 1)
    for attempt in range(5):
        try:
            return socket.create_connection((host, int(port)), timeout=20)
        except OSError:
            if attempt == 4:
                raise
            time.sleep(1)


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Serpy:
    """The client's side: blocks ended by 1F; internal ones begin with 01."""

    def __init__(self, addr):
        self.sock = connect(addr)
        self.buffer = b""
        self.mode = 0
        self.parts = b""

    def blocks(self):
        while True:
            while END in self.buffer:
                block, self.buffer = self.buffer.split(END, 1)
                if block:
                    yield block
            data = self.sock.recv(4096)
            if not data:
                return
            self.buffer += data

    def messages(self):
        for block in self.blocks():
            if block[:1] == b"\x01":
                self.internal(block[1:])
                continue
            yield from self.message(block)

    def internal(self, block):
        if block[:7] == b"SETMODE":
            self.mode = int(block[7:8])
            if self.mode in (4, 5):
                raise SystemExit("asked to unpickle")
            self.sock.sendall(b"\x01ACKMODCG" + END)

    def message(self, block):
        if self.mode == 0:
            yield block.decode()
        elif self.mode == 1:
            if not block.endswith(b"\x04"):
                raise SystemExit("mode 1: a message without 04 at its end: %r" % block)
            self.sock.sendall(b"\x01ACKEOT!!" + END)
            yield block[:-1].decode()
        elif self.mode == 2:
            yield base64.b85decode(block).decode()
        elif self.mode == 3:
            self.sock.sendall(b"\x01ACKEOT!!" + END)
            yield base64.b85decode(block.rstrip(b"\x04")).decode()


def serpy(addr, mode, count):
    client, n = Serpy(addr), 0
    for text in client.messages():
        if client.mode != int(mode):
            raise SystemExit("mode %d, the sender chose %s" % (client.mode, mode))
        for line in text.split("\n"):
            if line:
                say(line)
                n += 1
        if n >= int(count):
            return


class Serpy2:
    MAGIC = b"\xde\xca\xfe\xca\xfe"

    def __init__(self, addr):
        self.sock = connect(addr)
        self.buffer = b""

    def fill(self, n):
        while len(self.buffer) < n:
            data = self.sock.recv(4096)
            if not data:
                raise EOFError
            self.buffer += data

    def block(self):
        self.fill(14)
        kind = self.buffer[5]
        checksum, length = struct.unpack("<II", self.buffer[6:14])
        if self.buffer[:5] != self.MAGIC:
            raise SystemExit("a bad header: %r" % self.buffer[:14])
        self.fill(14 + length)
        data, self.buffer = self.buffer[14 : 14 + length], self.buffer[14 + length :]
        if sum(data) % 2**32 != checksum:
            raise SystemExit("a bad checksum")
        if kind == 0x01:
            return struct.unpack("<q", data)[0]
        if kind == 0x11:
            return float.fromhex(data.decode())
        if kind == 0x21:
            return data.decode()
        if kind == 0x81:
            return data
        raise SystemExit("a block of type %#x" % kind)

    def send(self, text):
        data = text.encode()
        self.sock.sendall(self.MAGIC + b"\x21" + struct.pack("<II", sum(data) % 2**32, len(data)) + data)


def serpy2(addr, count, *requests):
    client, n = Serpy2(addr), 0
    for request in requests:
        client.send(request)
        say("answer: " + str(client.block()).strip().replace("\n", " | "))
    while n < int(count):
        for line in str(client.block()).split("\n"):
            if line:
                say(line)
                n += 1


def records(sock, fmt, count):
    """One recv for each record, as the tutorial's reader does: partial records
    are not put together."""
    size = struct.calcsize(fmt)
    for _ in range(int(count)):
        data = sock.recv(size)
        if not data:
            return
        if len(data) != size:
            raise SystemExit("a torn record: %d of %d bytes" % (len(data), size))
        say(",".join(v.rstrip(b"\0").decode() if isinstance(v, bytes) else repr(v) for v in struct.unpack(fmt, data)))


def struct_client(addr, fmt, count):
    records(connect(addr), fmt, count)


def struct_server(port, fmt, count):
    """Accepts exactly one connection."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(port)))
        listener.listen(1)
        sock, _ = listener.accept()
    with sock:
        sock.settimeout(20)
        records(sock, fmt, count)


def stall(addr):
    sock = connect(addr)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    say("connected")
    time.sleep(3600)


def ask_for_pickle(addr):
    import pickle

    client = Serpy(addr)
    client.sock.sendall(b"\x01SETMODE5" + END)
    client.sock.sendall(base64.b85encode(pickle.dumps({"rm": "-rf"})) + END)
    for text in client.messages():
        say(text)
        return


if __name__ == "__main__":
    command, args = sys.argv[1], sys.argv[2:]
    try:
        {
            "serpy": serpy,
            "serpy2": serpy2,
            "struct-client": struct_client,
            "struct-server": struct_server,
            "stall": stall,
            "pickle": ask_for_pickle,
        }[command](*args)
    except (EOFError, ConnectionError):  # the gateway went
        pass
