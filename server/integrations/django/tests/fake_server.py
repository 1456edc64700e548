"""A server that answers what a test tells it to, and keeps what it was asked."""

import base64
import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519


class FakeServer:
    def __init__(self):
        #: From a path to (status, body, headers), or a function of the request's body to that.
        self.answers = {}
        #: (method, path, headers, body)
        self.asked = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fake.asked.append((self.command, self.path, dict(self.headers), body))
                answer = fake.answers.get(self.path, (404, {}, {}))
                status, body, headers = answer(body) if callable(answer) else answer
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                # A client that has given up is what some tests are about.
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def asked_for(self, path):
        return sum(1 for asked in self.asked if asked[1] == path)


class Key:
    """A key of the server."""

    def __init__(self, kid, algorithm="ES256"):
        self.kid, self.algorithm = kid, algorithm
        if algorithm == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()

    def jwk(self):
        public = self.private.public_key()
        common = {"kid": self.kid, "alg": self.algorithm, "use": "sig"}
        if self.algorithm == "ES256":
            numbers = public.public_numbers()
            x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
            return {**common, "kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y)}
        x = public.public_bytes_raw()
        return {**common, "kty": "OKP", "crv": "Ed25519", "x": encoded(x)}

    def sign(self, claims, **header):
        header = {"typ": "at+jwt", "kid": self.kid, **header}
        return jwt.encode(claims, self.private, self.algorithm, headers=header)


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def native_claims(server_url, **changed):
    now = int(time.time())
    claims = {
        "iss": server_url,
        "aud": server_url,
        "sub": "100007",
        "sid": "0c37b1d2a96e5f4",
        "jti": "j",
        "client_id": "propusk",
        "iat": now,
        "exp": now + 300,
    }
    claims.update(changed)
    return {name: value for name, value in claims.items() if value is not None}


def simplejwt_claims(**changed):
    now = int(time.time())
    claims = {"token_type": "access", "exp": now + 300, "iat": now, "jti": "j", "user_id": 100007}
    claims.update(changed)
    return {name: value for name, value in claims.items() if value is not None}
