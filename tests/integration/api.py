#!/usr/bin/env python3
"""api.py SOCKET TEST: speaks to a pod's api.sock by hand and exits with 1 when an answer is not what
docs/api/pod.json promises."""
import array, json, os, socket, sys

LINE_BYTES = 256 << 10


class Connection:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)  # waits while the queue is full, which it does not with a timeout
        self.sock.settimeout(20)
        self.file = self.sock.makefile("rb")

    def send(self, line, fds=()):
        if isinstance(line, dict):
            line = json.dumps(line).encode()
        if fds:
            self.sock.sendmsg([line + b"\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        else:
            self.sock.sendall(line + b"\n")

    def read(self):
        """The next line; None at the end of the connection."""
        try:
            line = self.file.readline()
        except ConnectionResetError:
            return None
        return json.loads(line) if line else None

    def ask(self, line, fds=()):
        self.send(line, fds)
        return self.read()

    def call(self, method, params=None, fds=(), id=1):
        request = {"jsonrpc": "2.0", "id": id, "method": method}
        if params is not None:
            request["params"] = params
        return self.ask(request, fds)


def expect_error(answer, code, words=""):
    assert answer and answer.get("jsonrpc") == "2.0" and "result" not in answer, answer
    assert answer["error"]["code"] == code and words in answer["error"]["message"], (code, words, answer)


def test_wrong_lines(path):
    c = Connection(path)
    for line in b"", b"nonsense", b"{", b"[]", b"1", b'"x"', b"null", b'{"a":1}{', b"\xff\xfe", b'{"id":1,"id":2,"method":"status"}':
        expect_error(c.ask(line), -32700)
    for line in {"id": 1}, {"method": "status"}, {"id": 1, "method": 5}, {"id": 1, "method": "status", "params": [1]}, {"id": 1, "method": "status", "params": "x"}:
        expect_error(c.ask(line), -32600)
    assert c.call("status")["result"]["state"] == "running"


def test_unknown_method(path):
    c = Connection(path)
    for name in "nothing", "", "Status", "status ", "../status", "x" * 1000:
        expect_error(c.call(name, id=name), -32601)
    answer = c.call("nothing", id="text")
    assert answer["id"] == "text", answer


def test_wrong_params(path):
    c = Connection(path)
    for params, word in (({}, "signal"), ({"signal": 0}, "signal"), ({"signal": 65}, "signal"), ({"signal": "TERM"}, "signal"),
                         ({"signal": 1.5}, "signal"), ({"signal": 15, "app": 1}, "app")):
        expect_error(c.call("signal", params), -32602, word)
    for params in {"grace": -1}, {"grace": "x"}, {"grace": 1e9}, {"grace": 9223372036854775807}:
        expect_error(c.call("stop", params), -32602, "grace")
    for params, word in (({}, "argv"), ({"argv": []}, "argv"), ({"argv": "x"}, "argv"), ({"argv": [1]}, "argv[0]"),
                         ({"argv": ["x"], "environment": ["=x"]}, "environment"), ({"argv": ["x"], "directory": "rel"}, "directory"),
                         ({"argv": ["x"], "user": ""}, "user"), ({"argv": ["x"], "terminal": True, "rows": 70000}, "rows"),
                         ({"argv": ["x"]}, "three descriptors")):
        expect_error(c.call("exec", params), -32602, word)
    for method in "wait", "signal", "exec":
        answer = c.call(method, {"app": "nosuch", "signal": 1, "argv": ["/bin/true"]})
        assert "error" in answer and "nosuch" in answer["error"]["message"], answer
    assert c.call("status")["result"]["state"] == "running"


def test_long_line(path):
    c = Connection(path)
    try:
        c.sock.sendall(b"x" * (LINE_BYTES + 4096))
    except (BrokenPipeError, ConnectionResetError):
        pass
    answer = c.read()
    if answer:
        expect_error(answer, -32700)
        assert c.read() is None
    assert Connection(path).call("status")["result"]["state"] == "running"
    # the longest that is allowed is read
    c = Connection(path)
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "status", "params": {"pad": ""}})
    line = line.replace('""', '"%s"' % ("x" * (LINE_BYTES - len(line) - 1)))
    assert c.ask(line.encode())["result"]["state"] == "running"


def test_pieces(path):
    """A request in single bytes, three in one piece, one that never ends."""
    c = Connection(path)
    for byte in b'{"jsonrpc":"2.0","id":7,"method":"status"}\n':
        c.sock.sendall(bytes([byte]))
    assert c.read()["id"] == 7
    c.sock.sendall(b'{"jsonrpc":"2.0","id":1,"method":"status"}\n{"jsonrpc":"2.0","id":2,"method":"status"}\nx\n')
    assert c.read()["id"] == 1 and c.read()["id"] == 2
    expect_error(c.read(), -32700)
    c.sock.sendall(b'{"jsonrpc":')
    c.sock.close()
    assert Connection(path).call("status")["result"]["state"] == "running"


def test_many(path):
    """More than are taken: those beyond are closed, the others served, and room comes back."""
    connections = [Connection(path) for _ in range(100)]
    served = 0
    for c in connections:
        try:
            answer = c.call("status")
        except (BrokenPipeError, ConnectionResetError):
            answer = None
        served += answer is not None and answer["result"]["state"] == "running"
    assert served >= 60, served
    for c in connections:
        c.file.close()
        c.sock.close()
    for _ in range(50):
        assert Connection(path).call("status")["result"]["state"] == "running"


def test_deaf(path):
    """One that asks and never reads does not stop the pod."""
    c = Connection(path)
    c.sock.settimeout(2)
    request = b'{"jsonrpc":"2.0","id":1,"method":"status"}\n' * 1000
    try:
        for _ in range(100):
            c.sock.sendall(request)
    except OSError:
        pass
    assert Connection(path).call("status")["result"]["state"] == "running"


def test_descriptors(path):
    """Descriptors that nobody asked for are closed, too many are refused; the pod keeps none."""
    c = Connection(path)
    for n in 1, 3:
        answer = c.call("status", fds=[0] * n)
        assert answer["result"]["state"] == "running", answer
    c = Connection(path)
    try:
        c.call("status", fds=[0] * 50)
    except OSError:
        pass
    assert Connection(path).call("status")["result"]["state"] == "running"


def test_exec(path):
    c = Connection(path)
    read, write = os.pipe()
    null = os.open("/dev/null", os.O_RDWR)
    answer = c.call("exec", {"argv": ["/bin/sh", "-c", "echo $A; exit 3"], "environment": ["A=b"]}, fds=[null, write, null], id="e")
    os.close(write)
    assert answer["id"] == "e" and answer["result"]["pid"] > 0, answer
    end = c.read()
    assert end["method"] == "exec-exit" and end["params"]["id"] == answer["result"]["id"] and end["params"]["exit"] == 3, end
    assert os.read(read, 100) == b"b\n"


def test_wait(path):
    """`wait` is answered when the pod ends; until then the connection still serves."""
    c, other = Connection(path), Connection(path)
    c.send({"jsonrpc": "2.0", "id": 1, "method": "wait"})
    assert other.call("status")["result"]["state"] == "running"
    other.call("stop", {"grace": 0})
    answer = c.read()
    assert answer["id"] == 1 and answer["result"]["exit"] == 137, answer


def test_status(path):
    """Exactly the members that are documented, with their types."""
    result = Connection(path).call("status")["result"]
    assert set(result) == {"state", "exit", "apps", "notes", "stats"}, result
    assert result["state"] == "running" and result["exit"] is None and result["notes"] == []
    assert set(result["stats"]) == {"cpu_ns", "memory_bytes", "memory_peak_bytes", "pids"}
    assert all(type(v) is int for v in result["stats"].values()) and result["stats"]["pids"] >= 2, result
    app = result["apps"][0]
    assert set(app) == {"name", "state", "exit", "signal", "pid", "started", "ended", "error", "oom"}, app
    assert app["state"] == "running" and app["exit"] is None and app["pid"] > 1 and app["oom"] is False
    assert app["started"].endswith("Z") and app["ended"] is None and app["error"] is None


if __name__ == "__main__":
    globals()["test_" + sys.argv[2]](sys.argv[1])
