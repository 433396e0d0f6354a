#!/usr/bin/env python3
"""A small HTTP proxy for tests: CONNECT, and GET of an absolute URL.

    proxy.py --port-file FILE [--log FILE] [--map HOST:PORT=PORT]... [--map-file FILE.json]
             [--auth USER:PASSWORD] [--cut N [--cut-first K]] [--refuse STATUS] [--stall]

Listens at a port of 127.0.0.1 that it writes to the port file, whole or not at all. Knows the hosts
of --map and of the map file ({"HOST:PORT": PORT}, read again for each request) alone, which are all
on 127.0.0.1: so tests use names without a name server, and nothing leaves this machine. HOST and
PORT may be globs. To others it answers 502.

    --auth          407 to whoever does not come with these credentials
    --cut N         ends a connection after N bytes from the server, the first K times (1)
    --refuse STATUS its answer to everything
    --stall         it never answers

The log has one line of JSON a connection, once it is done: method, target, status, sent (bytes from
the server that went on to the client), cut, authorization (whether there was one for the proxy),
header_leak (whether an Authorization header for the server was shown to us in a CONNECT).
"""
import argparse, base64, fnmatch, json, os, select, socket, socketserver, threading, urllib.parse


class Handler(socketserver.StreamRequestHandler):
    def read_head(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline(65536)
            if not line:
                return None, []
            head += line
        lines = head.decode("latin-1").split("\r\n")
        return lines[0], [line.partition(": ")[::2] for line in lines[1:] if line]

    def answer(self, status, headers=""):
        self.status = status
        self.wfile.write(f"HTTP/1.1 {status} Proxy\r\n{headers}Content-Length: 0\r\n\r\n".encode())

    def port_of(self, target):
        known = dict(self.server.map)
        if self.server.options.map_file:
            with open(self.server.options.map_file, encoding="utf-8") as file:
                known.update(json.load(file))
        for pattern, port in known.items():
            if fnmatch.fnmatchcase(target, pattern.replace("[", "[[]")):
                return int(port)
        return None

    def relay(self, server):
        limit = self.server.take_cut()
        while True:
            for ready in select.select([self.connection, server], [], [])[0]:
                data = ready.recv(1 << 18)
                if ready is server:
                    if limit is not None and self.sent + len(data) > limit:
                        data, self.cut = data[: limit - self.sent], True
                    self.connection.sendall(data)
                    self.sent += len(data)
                    if self.cut or not data:
                        return
                elif data:
                    server.sendall(data)
                else:
                    return

    def serve(self, method, target, headers):
        options = self.server.options
        given = dict((name.lower(), value) for name, value in headers)
        self.authorized = "proxy-authorization" in given
        self.leak = method == "CONNECT" and "authorization" in given
        if options.stall:
            self.connection.recv(1)
            return
        if options.refuse:
            self.answer(options.refuse)
            return
        if options.auth:
            wanted = "Basic " + base64.b64encode(options.auth.encode()).decode()
            if given.get("proxy-authorization") != wanted:
                self.answer(407, 'Proxy-Authenticate: Basic realm="proxy"\r\n')
                return
        url = urllib.parse.urlsplit(target)
        place = target if method == "CONNECT" else f"{url.hostname}:{url.port or 80}"
        port = self.port_of(place)
        if not port:
            self.answer(502)
            return
        with socket.create_connection(("127.0.0.1", port)) as server:
            self.status = 200
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 Connected\r\nX-Proxy: yes\r\nETag: \"of-the-proxy\"\r\n\r\n")
            else:
                path = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
                kept = [h for h in headers if h[0].lower() not in ("proxy-authorization", "proxy-connection", "connection")]
                lines = [f"{method} {path} HTTP/1.1"] + [f"{name}: {value}" for name, value in kept] + ["Connection: close", "", ""]
                server.sendall("\r\n".join(lines).encode("latin-1"))
            self.relay(server)

    def handle(self):
        self.status, self.sent, self.cut, self.authorized, self.leak = 0, 0, False, False, False
        line, headers = self.read_head()
        if not line:
            return
        method, target = line.split(" ")[:2]
        try:
            self.serve(method, target, headers)
        except OSError:
            pass
        self.server.log({"method": method, "target": target, "status": self.status, "sent": self.sent,
                         "cut": self.cut, "authorization": self.authorized, "header_leak": self.leak})


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128

    def __init__(self, options):
        self.options, self.lock = options, threading.Lock()
        self.map = [entry.split("=") for entry in options.map]
        self.cuts = options.cut_first if options.cut is not None else 0
        super().__init__(("127.0.0.1", 0), Handler)

    def take_cut(self):
        """After how many bytes this connection ends; None: when it ends."""
        with self.lock:
            self.cuts -= 1
            return self.options.cut if self.cuts >= 0 else None

    def log(self, record):
        if self.options.log:
            with self.lock, open(self.options.log, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def handle_error(self, request, client_address):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port-file", required=True)
    parser.add_argument("--log")
    parser.add_argument("--map", action="append", default=[])
    parser.add_argument("--map-file")
    parser.add_argument("--auth")
    parser.add_argument("--cut", type=int)
    parser.add_argument("--cut-first", type=int, default=1)
    parser.add_argument("--refuse", type=int)
    parser.add_argument("--stall", action="store_true")
    server = Server(parser.parse_args())
    path = server.options.port_file
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(f"{server.server_address[1]}\n")
    os.rename(path + ".new", path)
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
