"""A stub of Google's token endpoint: it is not Google, and knows the exchange of RFC 8693 alone.

What it does for real: it takes the request that google-auth sends, and verifies the token with joserfc,
with keys it discovers from the issuer, for the audience that names the provider. What it cannot show is
what Google demands beyond that, such as an issuer without a port.
"""

import http.server
import json
import urllib.parse
from contextlib import contextmanager

from . import stub
from .verifiers import Expected, Refused, joserfc_jwt

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@contextmanager
def serving(issuer: str, audience: str, now: int):
    """Serves on a port of its own; gives the address and the list of what it answered."""
    expected = Expected(issuer=issuer, audience=audience, now=now, discover_at=issuer)
    with stub.serving(_Handler, expected) as (address, answers):
        yield f"{address}/v1/token", answers


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(urllib.parse.parse_qsl(raw, strict_parsing=True))
        status, answer = self._decide(form)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _decide(self, form: dict) -> tuple[int, dict]:
        expected = self.server.expected
        asked = {"grant_type": EXCHANGE, "subject_token_type": JWT, "audience": expected.audience}
        if any(form.get(name) != value for name, value in asked.items()):
            self.server.answers.append("invalid_request")
            return 400, {"error": "invalid_request"}
        try:
            claims = joserfc_jwt.verify(form["subject_token"], expected)
        except Refused:
            self.server.answers.append("invalid_grant")
            return 400, {"error": "invalid_grant"}
        self.server.answers.append(claims["sub"])
        return 200, {"access_token": claims["jti"], "issued_token_type": ACCESS_TOKEN,
                     "token_type": "Bearer", "expires_in": 3600}

    def log_message(self, *_):
        pass
