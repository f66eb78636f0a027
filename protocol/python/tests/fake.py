"""A gateway for tests, that does what the test says: it shares no code with the Go one, and as little as can be with photongate.py."""

import json
import queue
import socket
import struct
import threading

from . import made
import photongate

DEADLINE = 20  # seconds after which a test that waits has failed


class Fake:
    """Listens on loopback and opens sessions. What clients say lies in .said, requests are answered by .answers, and send()
    puts frames into the newest session."""

    def __init__(self, token=b"", journal=made.JOURNAL):
        self.token, self.journal, self.base = token, journal, made.BASE
        self.now = made.T0
        self.refuse = None           # (code, text) instead of a proof
        self.lie = False             # answer with a wrong mac
        self.status = {"devices": [{"name": "bench", "state": "running"}]}
        self.refused_requests = {}   # do -> (code, text)
        self.said = queue.Queue()
        self.requests = []
        self.answer_subscribe = True
        self.stream = made.Stream()
        self.subscribed = {"epoch": 1, "seq": "1", "answer": "start"}
        self.conn = None
        self.sessions = queue.Queue()
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(8)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.threads = []
        self._start(self._accept)

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args)
        self.threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self._start(self._serve, conn)

    def _serve(self, conn):
        try:
            self._open(conn)
            while True:
                h, payload = self._read(conn)
                value = json.loads(payload)
                if h == 41:
                    conn.sendall(made.frame(41, {"t_ns": "1"}))
                elif h == 46:
                    self._answer(conn, value)
                else:
                    if h == 35 and self.answer_subscribe:
                        conn.sendall(made.frame(36, {"sub": value["sub"], "streams": [dict(self.subscribed, name="bench", id=1)]})
                                     + made.frame(37, {"sub": value["sub"]}))
                    self.said.put((h, value))
        except (OSError, EOFError, ValueError):
            conn.close()

    def _open(self, conn):
        h, mine = self._read(conn)
        assert h == 32, h
        hello = json.dumps({"format": [1, 1], "role": "gateway", "name": "pi-lab3", "id": self.journal, "software": "fake", "nonce": "0" * 32,
                            "base": self.base, "now_ns": "0", "utc_ns": "0"}).encode()
        conn.sendall(made.frame(32, hello))
        h, proof = self._read(conn)
        mac = json.loads(proof)["mac"]
        want = photongate.session_mac(self.token, "dialer", mine, hello, b"") if self.token else ""
        if self.refuse or mac != want:
            code, text = self.refuse or ("token", "that is not the token")
            conn.sendall(made.frame(34, {"code": code, "text": text}))
            raise EOFError
        answer = photongate.session_mac(b"x" if self.lie else self.token, "listener", mine, hello, b"") if self.token else ""
        conn.sendall(made.frame(33, {"mac": answer, "rights": ["read", "archive", "change"]}))
        self.conn = conn
        self.sessions.put(conn)

    def _answer(self, conn, value):
        self.requests.append(value)
        reply = {"id": value["id"], "t_ns": str(self.now)}
        if value["do"] in self.refused_requests:
            reply["code"], reply["text"] = self.refused_requests[value["do"]]
        elif value["do"] == "status":
            reply["status"] = self.status
        elif value["do"] == "get":
            reply["settings"] = [{"device": "bench", "key": "gate", "value": "100", "unit": "ms", "how": "read back"}]
        elif value["do"] == "set":
            reply["change"] = {"what": "set", "key": value["key"], "new": value["value"]}
        conn.sendall(made.frame(47, reply))
        self.said.put((46, value))

    @staticmethod
    def _read(conn):
        head = Fake._exactly(conn, 56)
        length, = struct.unpack_from("<I", head, 8)
        return head[5], Fake._exactly(conn, length)

    @staticmethod
    def _exactly(conn, n):
        out = b""
        while len(out) < n:
            more = conn.recv(n - len(out))
            if not more:
                raise EOFError
            out += more
        return out

    def heard(self, kind, **fields):
        """Waits until a client has said this; forgets what it said before."""
        while True:
            h, value = self.said.get(timeout=DEADLINE)
            if h == kind and all(value.get(k) == v for k, v in fields.items()):
                return value

    def session(self):
        """Waits for the next session to be open."""
        return self.sessions.get(timeout=DEADLINE)

    def send(self, *frames):
        self.conn.sendall(b"".join(frames))

    def hang_up(self):
        self.conn.shutdown(socket.SHUT_RDWR)
        self.conn.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if self.conn is not None:
            try:
                self.hang_up()
            except OSError:
                pass
        for thread in self.threads:
            thread.join(DEADLINE)
