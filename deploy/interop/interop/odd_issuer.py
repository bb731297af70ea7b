"""An issuer with keys of its own that says whatever a test wants: tokens and documents that Moneyer never makes.

It is there for the models of relying parties: what they refuse has to come from somewhere.
"""

import http.server
import json
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from . import documents, jws
from .mirror import unchanged
from .stub import STOP_POLL_SECONDS

RSA_KID, EC_KID = "an-rsa-key", "an-ec-key"


class OddIssuer:
    """Its keys, made once: an RSA key takes a while."""

    def __init__(self):
        self.issuer = ""
        self._rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._ec = ec.generate_private_key(ec.SECP256R1())

    def rsa_jwk(self) -> dict:
        numbers = self._rsa.public_key().public_numbers()
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": RSA_KID,
                "n": _encoded(numbers.n), "e": _encoded(numbers.e)}

    def ec_jwk(self) -> dict:
        numbers = self._ec.public_key().public_numbers()
        return {"kty": "EC", "use": "sig", "alg": "ES256", "kid": EC_KID, "crv": "P-256",
                "x": _encoded(numbers.x, 32), "y": _encoded(numbers.y, 32)}

    def mint(self, claims: dict, header: dict | None = None) -> str:
        """A token whose signature is good. A member of `None` is left out of the header."""
        said = {"alg": "RS256", "kid": RSA_KID} | (header or {})
        said = {name: value for name, value in said.items() if value is not None}
        signing_input = f"{_part(said)}.{_part(claims)}"
        return f"{signing_input}.{jws.encode(self._sign(said['alg'], signing_input.encode()))}"

    def _sign(self, algorithm: str, message: bytes) -> bytes:
        if algorithm == "ES256":
            r, s = utils.decode_dss_signature(self._ec.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        hashed = {"RS256": hashes.SHA256(), "RS512": hashes.SHA512(), "PS256": hashes.SHA256()}[algorithm]
        if algorithm == "PS256":
            scheme = padding.PSS(padding.MGF1(hashed), hashed.digest_size)
        else:
            scheme = padding.PKCS1v15()
        return self._rsa.sign(message, scheme, hashed)

    @contextmanager
    def serving(self, *, metadata: Callable[[dict], dict] = unchanged,
                key_set: Callable[[dict], dict] = unchanged, delay: float = 0):
        """Serves its documents, changed on their way, on a port of its own; gives the issuer."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.daemon_threads = True
        server.delay = delay
        issuer = f"http://127.0.0.1:{server.server_port}"
        server.pages = {
            documents.DISCOVERY_PATH: metadata({
                "issuer": issuer, "jwks_uri": f"{issuer}/keys",
                "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "claims_supported": ["aud", "iat", "iss", "sub"],
            }),
            "/keys": key_set({"keys": [self.rsa_jwk(), self.ec_jwk()]}),
        }
        thread = threading.Thread(target=server.serve_forever, args=[STOP_POLL_SECONDS])
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(self.server.delay)
        page = self.server.pages.get(self.path)
        body = json.dumps(page).encode()
        try:
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except BrokenPipeError:
            # The relying party gave up, as it was meant to.
            pass

    def log_message(self, *_):
        pass


def _part(members: dict) -> str:
    return jws.encode(json.dumps(members).encode())


def _encoded(number: int, length: int | None = None) -> str:
    return jws.encode(number.to_bytes(length or (number.bit_length() + 7) // 8, "big"))
