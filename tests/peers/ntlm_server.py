"""An Exchange server that takes logins by NTLM or Negotiate only, with pyspnego as the judge.

Channel bindings (Extended Protection) are required: a login that did not come over this very certificate is refused, like a wrong password.
Whoever is logged in gets one of two canned answers, `changes.xml` to SyncFolderItems and `inbox.xml` to all else.

    python ntlm_server.py CERTIFICATE_AND_KEY.pem FOLDER_OF_ANSWERS NTLM|Negotiate [closing|cutting|proxied|basic]

    closing  closes each connection after an answer to somebody who is logged in
    cutting  closes each connection after its challenge
    proxied  takes logins only over another certificate, as behind a proxy that opens TLS
    basic    offers basic authentication beside, and refuses it

It prints its port, then a line for each request: the user, `-`, or `basic` for a password in the clear, and whether the connection was
logged in before. It ends when its standard input does. The credentials are in the file that NTLM_USER_FILE names, as DOMAIN:user:password.
"""

import base64
import hashlib
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import spnego
from spnego.channel_bindings import GssChannelBindings


def main() -> None:
    certificate, answers, scheme, *more = sys.argv[1:]
    mode = more[0] if more else ""
    changes, inbox = (Path(answers, name).read_bytes() for name in ("changes.xml", "inbox.xml"))
    with open(certificate, encoding="ascii") as file:
        pem = file.read()
    end = "-----END CERTIFICATE-----"
    der = ssl.PEM_cert_to_DER_cert(pem[: pem.index(end) + len(end)])
    if mode == "proxied":
        der = der[::-1]
    bindings = GssChannelBindings(application_data=b"tls-server-end-point:" + hashlib.sha256(der).digest())
    protocol = "ntlm" if scheme == "NTLM" else "negotiate"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # A handler lives as long as its connection, and so does a login.
        context = None
        user = None

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, ssl.SSLError):
                # The client gave up.
                pass

        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            before = self.user is not None
            offers = [scheme, 'Basic realm="mail"'] if mode == "basic" else [scheme]
            given = self.headers.get("Authorization", "")
            if given.startswith(scheme + " "):
                try:
                    offers = [self.step(base64.b64decode(given[len(scheme) + 1 :]))]
                    self.close_connection = mode == "cutting" or (mode == "closing" and bool(self.user))
                except spnego.exceptions.SpnegoError:
                    self.context = None
            # In one piece: other connections print as well.
            who = "basic" if given.startswith("Basic ") else self.user or "-"
            sys.stdout.write(f"{who} {'again' if before else 'new'}\n")
            sys.stdout.flush()
            if self.user:
                self.answer(200, changes if b"<m:SyncFolderItems" in request else inbox)
            else:
                self.answer(401, b"", offers)

        def step(self, token: bytes) -> str:
            if self.context is None:
                self.context = spnego.server(
                    protocol=protocol, channel_bindings=bindings, options=spnego.NegotiateOptions.use_ntlm if protocol == "ntlm" else 0
                )
            out = self.context.step(token)
            if self.context.complete:
                self.user = self.context.client_principal
                return scheme
            return scheme + " " + base64.b64encode(out).decode()

        def answer(self, status: int, content: bytes, offers: list[str] = []) -> None:
            self.send_response(status)
            for offer in offers:
                self.send_header("WWW-Authenticate", offer)
            if self.close_connection:
                self.send_header("Connection", "close")
            self.send_header("Content-Type", "text/xml; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    server.shutdown()


main()
