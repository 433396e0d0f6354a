#!/usr/bin/env python3
"""A web server for tests, with the personalities that the servers of this world have.

    webserver.py --dir DIR --port-file FILE [--bind ADDRESS] [--tls CERT KEY] [--client-ca CA]
                 [--log FILE] [--rules FILE.json] [--vhosts]

Listens at a port that the kernel chooses (127.0.0.1 unless --bind says otherwise), writes its number
to the port file, whole or not at all, and serves the files below DIR (a directory is its
index.html), with GET and HEAD, Range, If-Range, a strong ETag (of the content) and Last-Modified.
With --vhosts the files of HOST are below DIR/HOST. Query strings do not choose a file.

The log has one line of JSON a request, once it is done: method, path (with its query), host,
status, range and if_range (as asked), sent (bytes of the body that went out), authorization
(whether there was one: never what it said), agent, accept, rules (how many applied). A handshake
that fails is a line with "handshake" only.

The rules are a list of objects, read again for each request. A rule is for a path (a glob; with a
"?" in it, it is held against path and query) and may be narrowed by "host" (a glob), "method",
"asked" ("range": only requests with one; "whole": only those without), "skip": N (not for the first
N that match) and "first": N (only for so many after these). All that match apply together; later
ones win. What they do:

    status, headers {}, body    that answer in place of the file (headers alone are added to it)
    redirect: URL               302, or "status"
    serve: PATH                 another file below DIR (or DIR/HOST), with its own ETag
    auth                        "basic USER:PASSWORD" or "bearer TOKEN"; 401 to everybody else, with
                                "www_authenticate" as it is written, or a plain one
    delay: SECONDS              before the answer
    close, reset                no answer; an orderly end, or RST
    raw: TEXT                   these bytes (latin-1) are the whole answer
    interim: N                  so many "103 Early Hints" first, with an ETag and a Content-Length
    no_range                    200 and everything, whatever was asked for
    content_range: TEXT         in place of the right one
    length: N                   in place of the right Content-Length
    no_length                   none: the end of the connection is the end of the body
    etag: TEXT, no_etag, no_last_modified
    header_bytes: N             a header of so many bytes; header_count: N: so many headers
    chunked                     in chunks; with "trailers" {}; with "endless" for ever; with "garbage"
                                a size that is none after the first; with "no_last" without the last
    gzip                        Content-Encoding: gzip, and so it is
    extra: N                    so many bytes behind the body
    cut: N                      the connection ends after N bytes of the body; with "reset": by RST
    stall: N                    nothing more after N bytes of the body (stall_head: before the head)
    slow: [BYTES, SECONDS]      so many bytes, a pause, so many bytes
    slow_head: SECONDS          a pause after each byte of the head
    no_close_notify             TLS ends by the end of the connection alone
"""
import argparse, base64, email.utils, fnmatch, gzip, hashlib, json, mimetypes, os, select, socket, ssl
import struct, sys, threading, time, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 1 << 20


class Gone(Exception):
    """The connection is to end here."""


class Rules:
    """What the file says now, and how often each rule has matched since the start."""

    def __init__(self, path):
        self.path, self.lock, self.counts = path, threading.Lock(), {}

    def read(self):
        if not self.path or not os.path.exists(self.path):
            return []
        with open(self.path, encoding="utf-8") as file:
            return json.load(file)

    @staticmethod
    def matches(rule, request):
        path = request.path if "?" in rule["path"] else request.path.split("?")[0]
        return (
            fnmatch.fnmatchcase(path, rule["path"].replace("?", "[?]"))
            and fnmatch.fnmatchcase(request.host(), rule.get("host", "*"))
            and rule.get("method", request.command) == request.command
            and (rule.get("asked", "any") == "any"
                 or (rule["asked"] == "range") == ("Range" in request.headers))
        )

    def apply(self, request):
        """All that applies to this request in one, and how many rules that were."""
        result, applied = {}, 0
        with self.lock:
            for index, rule in enumerate(self.read()):
                if not self.matches(rule, request):
                    continue
                key = (index, json.dumps(rule, sort_keys=True))
                self.counts[key] = self.counts.get(key, 0) + 1
                at = self.counts[key] - 1 - rule.get("skip", 0)
                if at < 0 or at >= rule.get("first", 1 << 62):
                    continue
                applied += 1
                result.update(rule)
        return result, applied


class Etags:
    def __init__(self):
        self.known = {}

    def of(self, path, st):
        key = (path, st.st_ino, st.st_size, st.st_mtime_ns)
        if key not in self.known:
            digest = hashlib.sha256()
            with open(path, "rb") as file:
                while piece := file.read(PIECE):
                    digest.update(piece)
            self.known[key] = '"%s"' % digest.hexdigest()[:32]
        return self.known[key]


def parse_range(text, size):
    """(first, last), None: all of it, False: cannot be satisfied."""
    if not text or not text.startswith("bytes=") or "," in text:
        return None
    first, dash, last = text[6:].partition("-")
    if not dash or not (first + last).isdigit():
        return None
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) and size else False
    end = min(int(last), size - 1) if last else size - 1
    return (int(first), end) if int(first) <= end else False


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 600

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, *args):
        pass

    def host(self):
        name = self.headers.get("Host", "")
        return name if name.endswith("]") else name.rsplit(":", 1)[0]

    # ---- out: counted, and never further than a rule allows ----

    def put_head(self, data):
        if "slow_head" in self.rule:
            for byte in data:
                self.connection.sendall(bytes([byte]))
                time.sleep(self.rule["slow_head"])
        else:
            self.connection.sendall(data)

    def stall(self):
        """Until the other side goes."""
        self.write_log()
        while True:
            ready, _, _ = select.select([self.connection], [], [], 600)
            try:
                if not ready or not self.connection.recv(1):
                    raise Gone
            except (OSError, ssl.SSLError) as error:
                raise Gone from error

    def put_body(self, data, frame=lambda piece: piece):
        """frame: what goes around each piece and is not counted."""
        view = memoryview(data)
        while len(view):
            n = min(len(view), PIECE)
            if "slow" in self.rule:
                n = min(n, self.rule["slow"][0])
            for limit in ("cut", "stall"):
                if limit in self.rule:
                    n = min(n, self.rule[limit] - self.sent)
            if n > 0:
                self.connection.sendall(frame(view[:n]))
                self.sent += n
                view = view[n:]
            self.check_limits()
            if "slow" in self.rule:
                time.sleep(self.rule["slow"][1])

    def check_limits(self):
        if "cut" in self.rule and self.sent >= self.rule["cut"]:
            raise Gone
        if "stall" in self.rule and self.sent >= self.rule["stall"]:
            self.stall()

    # ---- answers ----

    def status_line(self, status):
        return f"HTTP/1.1 {status} {self.responses.get(status, ('Odd',))[0]}\r\n"

    def send_head(self, status, headers):
        self.status = status
        rule, lines = self.rule, []
        for _ in range(rule.get("interim", 0)):
            lines.append(self.status_line(103) + 'ETag: "interim"\r\nContent-Length: 3\r\n\r\n')
        lines.append(self.status_line(status))
        headers = {**headers, **rule.get("headers", {})}
        headers.setdefault("Connection", "close" if self.close_connection else "keep-alive")
        for name, value in headers.items():
            for one in value if isinstance(value, list) else [value]:
                lines.append(f"{name}: {one}\r\n")
        if "header_bytes" in rule:
            lines.append("X-Long: " + "x" * rule["header_bytes"] + "\r\n")
        lines += [f"X-Header-{i}: x\r\n" for i in range(rule.get("header_count", 0))]
        self.put_head("".join(lines).encode("latin-1") + b"\r\n")

    def answer(self, status, body, headers=None):
        body = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": "text/plain", **(headers or {}), "Content-Length": str(len(body))}
        if "length" in self.rule:
            headers["Content-Length"] = str(self.rule["length"])
        self.send_head(status, headers)
        if self.command != "HEAD":
            self.put_body(body)

    def is_authorized(self):
        scheme, _, secret = self.rule["auth"].partition(" ")
        given, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme == "basic":
            secret = base64.b64encode(secret.encode()).decode()
        return given.lower() == scheme and value == secret

    def file_of(self):
        name = self.rule.get("serve") or urllib.parse.unquote(self.path.split("?")[0])
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts or "\0" in name:
            return None
        path = os.path.join(self.server.options.dir, *([self.host()] if self.server.options.vhosts else []), *parts)
        if os.path.isdir(path):
            path = os.path.join(path, "index.html")
        return path if os.path.isfile(path) else None

    def file_headers(self, path, st):
        headers = {
            "Content-Type": mimetypes.guess_type(path)[0] or "application/octet-stream",
            "Accept-Ranges": "bytes",
            "ETag": self.rule.get("etag") or self.server.etags.of(path, st),
            "Last-Modified": email.utils.formatdate(int(st.st_mtime), usegmt=True),
        }
        if "no_etag" in self.rule:
            del headers["ETag"]
        if "no_last_modified" in self.rule:
            del headers["Last-Modified"]
        return headers

    def wanted_range(self, headers, size):
        text, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if "no_range" in self.rule or self.command == "HEAD":
            return None
        if condition and condition not in (headers.get("ETag"), headers.get("Last-Modified")):
            return None
        if condition and condition.startswith("W/"):
            return None
        return parse_range(text, size)

    def serve_file(self, path):
        with open(path, "rb") as file:
            st = os.fstat(file.fileno())
            headers = self.file_headers(path, st)
            part = self.wanted_range(headers, st.st_size)
            if part is False:
                self.answer(416, "no such range\n", {"Content-Range": f"bytes */{st.st_size}"})
                return
            first, last = part or (0, st.st_size - 1)
            if part:
                headers["Content-Range"] = f"bytes {first}-{last}/{st.st_size}"
                if "content_range" in self.rule:
                    headers["Content-Range"] = self.rule["content_range"]
            if "gzip" in self.rule:
                headers["Content-Encoding"] = "gzip"
                file.seek(first)
                self.send_content(206 if part else 200, headers, [gzip.compress(file.read())])
                return
            self.send_content(206 if part else 200, headers, self.pieces(file, first, last + 1 - first), last + 1 - first)

    @staticmethod
    def pieces(file, at, left):
        file.seek(at)
        while left > 0 and (piece := file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece

    def send_content(self, status, headers, pieces, length=None):
        rule = self.rule
        if "chunked" in rule:
            headers["Transfer-Encoding"] = "chunked"
        elif "no_length" in rule:
            self.close_connection = True
        else:
            pieces = pieces if length is not None else list(pieces)
            right = length if length is not None else sum(map(len, pieces))
            headers["Content-Length"] = str(rule.get("length", right))
        if any(name in rule for name in ("length", "extra")):
            self.close_connection = True
        self.send_head(status, headers)
        if self.command == "HEAD":
            return
        self.check_limits()
        if "chunked" in rule:
            self.send_chunks(pieces)
            return
        for piece in pieces:
            self.put_body(piece)
        self.put_body(b"x" * rule.get("extra", 0))

    def send_chunks(self, pieces):
        def frame(piece):
            return b"%x\r\n%s\r\n" % (len(piece), bytes(piece))

        for piece in pieces:
            self.put_body(piece, frame)
            if "garbage" in self.rule:
                self.connection.sendall(b"this is no size\r\n")
                raise Gone
        while "endless" in self.rule:
            self.put_body(b"\0" * (64 << 10), frame)
        if "no_last" in self.rule:
            raise Gone
        trailers = "".join(f"{name}: {value}\r\n" for name, value in self.rule.get("trailers", {}).items())
        self.connection.sendall(b"0\r\n" + trailers.encode("latin-1") + b"\r\n")

    def act(self):
        rule = self.rule
        time.sleep(rule.get("delay", 0))
        if "stall_head" in rule:
            self.stall()
        if "close" in rule or ("reset" in rule and "cut" not in rule):
            raise Gone
        if "raw" in rule:
            self.connection.sendall(rule["raw"].encode("latin-1"))
            raise Gone
        if "auth" in rule and not self.is_authorized():
            scheme = "Basic" if rule["auth"].startswith("basic") else "Bearer"
            self.answer(401, "who are you?\n", {"WWW-Authenticate": rule.get("www_authenticate", f'{scheme} realm="test"')})
        elif "redirect" in rule:
            self.answer(rule.get("status", 302), "elsewhere\n", {"Location": rule["redirect"]})
        elif "status" in rule and "chunked" in rule:
            self.send_content(rule["status"], {"Content-Type": "text/plain"}, [rule.get("body", "").encode()])
        elif "status" in rule:
            self.answer(rule["status"], rule.get("body", ""))
        elif path := self.file_of():
            self.serve_file(path)
        else:
            self.answer(404, "no such file\n")

    # ---- one request ----

    def handle_any(self):
        self.sent, self.status, self.logged, self.rule = 0, 0, False, {}
        self.rule, self.applied = self.server.rules.apply(self)
        if self.command not in ("GET", "HEAD") and "status" not in self.rule:
            self.rule["status"] = 405
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self.act()
        except (Gone, OSError):
            self.close_connection = True
            if "reset" in self.rule:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.server.dropped.add(self.connection)
            if "no_close_notify" in self.rule:
                self.server.dropped.add(self.connection)
        if "no_close_notify" in self.rule:
            self.close_connection = True
            self.server.dropped.add(self.connection)
        self.write_log()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any

    def write_log(self):
        if self.logged:
            return
        self.logged = True
        self.server.log({
            "method": self.command, "path": self.path, "host": self.headers.get("Host", ""),
            "status": self.status, "range": self.headers.get("Range"),
            "if_range": self.headers.get("If-Range"), "sent": self.sent,
            "authorization": "Authorization" in self.headers,
            "agent": self.headers.get("User-Agent"), "accept": self.headers.get("Accept"),
            "rules": self.applied,
        })


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, options):
        self.options, self.rules, self.etags = options, Rules(options.rules), Etags()
        self.log_lock, self.dropped, self.context = threading.Lock(), set(), None
        self.address_family = socket.AF_INET6 if ":" in options.bind else socket.AF_INET
        if options.tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*options.tls)
            if options.tls_max:
                self.context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
                self.context.set_ciphers("ALL:@SECLEVEL=0")
                self.context.maximum_version = ssl.TLSVersion[options.tls_max]
            if options.client_ca:
                self.context.load_verify_locations(options.client_ca)
                self.context.verify_mode = ssl.CERT_REQUIRED
        super().__init__((options.bind, 0), Handler)

    def server_bind(self):
        # without the base's look-up of the host's name
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def log(self, record):
        if self.options.log:
            with self.log_lock, open(self.options.log, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def finish_request(self, request, client_address):
        """In the thread of the connection: a handshake does not hold up others."""
        connection = request
        if self.context:
            try:
                connection = self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
                connection.do_handshake()
            except (OSError, ssl.SSLError) as error:
                self.log({"handshake": str(error)})
                self.drain(connection)
                return
        try:
            super().finish_request(connection, client_address)
        finally:
            self.end(connection)

    @staticmethod
    def drain(connection):
        """An end with bytes left to read would be a reset, which overtakes the alert."""
        with socket.socket(fileno=connection.detach()) as plain:
            try:
                plain.settimeout(2)
                plain.shutdown(socket.SHUT_WR)
                while plain.recv(PIECE):
                    pass
            except OSError:
                pass

    def end(self, connection):
        """The base class ends the socket it accepted: TLS wants its own end before that, and gets
        none when a rule says so."""
        dropped = connection in self.dropped
        self.dropped.discard(connection)
        try:
            if self.context and not dropped:
                connection.settimeout(5)
                connection.unwrap()
        except (OSError, ValueError):
            pass
        connection.close()

    def shutdown_request(self, request):
        try:
            request.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.close_request(request)

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (OSError, ssl.SSLError)):
            super().handle_error(request, client_address)


def write_port(path, port):
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(f"{port}\n")
    os.rename(path + ".new", path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--port-file", required=True)
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--tls-max", metavar="VERSION", help="e.g. TLSv1_1")
    parser.add_argument("--client-ca")
    parser.add_argument("--log")
    parser.add_argument("--rules")
    parser.add_argument("--vhosts", action="store_true")
    server = Server(parser.parse_args())
    write_port(server.options.port_file, server.server_port)
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
