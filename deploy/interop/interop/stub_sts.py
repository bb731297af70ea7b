"""A stub of AWS STS: it is not AWS, and knows AssumeRoleWithWebIdentity only.

What it does for real is what matters here: it takes the request the AWS SDK sends, and verifies the
token with joserfc, with keys it discovers from the issuer. What it cannot show is what AWS itself
demands beyond that, such as an issuer without a port.
"""

import http.server
import urllib.parse
from contextlib import contextmanager
from xml.sax.saxutils import escape

from . import stub
from .verifiers import Expected, Refused, joserfc_jwt

AUDIENCE = "sts.amazonaws.com"
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


@contextmanager
def serving(issuer: str, now: int):
    """Serves on a port of its own; gives the address and the list of what it answered."""
    expected = Expected(issuer=issuer, audience=AUDIENCE, now=now, discover_at=issuer)
    with stub.serving(_Handler, expected) as (address, answers):
        yield address, answers


def credentials(claims: dict, form: dict) -> str:
    """The answer to a good token. The credentials are good for nothing."""
    name = escape(form["RoleSessionName"])
    return f"""<AssumeRoleWithWebIdentityResponse xmlns="{NAMESPACE}"><AssumeRoleWithWebIdentityResult>
<SubjectFromWebIdentityToken>{escape(claims["sub"])}</SubjectFromWebIdentityToken>
<Audience>{AUDIENCE}</Audience>
<AssumedRoleUser><Arn>{escape(form["RoleArn"])}/{name}</Arn><AssumedRoleId>AROASTUB:{name}</AssumedRoleId></AssumedRoleUser>
<Credentials><AccessKeyId>ASIASTUB</AccessKeyId><SecretAccessKey>stub</SecretAccessKey>
<SessionToken>{escape(claims["jti"])}</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


def refusal(code: str) -> str:
    """The form of an STS error."""
    return f"""<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>
<Message>refused by the stub</Message></Error></ErrorResponse>"""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(urllib.parse.parse_qsl(raw, strict_parsing=True))
        status, body = self._decide(form)
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def _decide(self, form: dict) -> tuple[int, str]:
        if form.get("Action") != "AssumeRoleWithWebIdentity":
            self.server.answers.append("InvalidAction")
            return 400, refusal("InvalidAction")
        try:
            claims = joserfc_jwt.verify(form["WebIdentityToken"], self.server.expected)
        except Refused:
            self.server.answers.append("InvalidIdentityToken")
            return 400, refusal("InvalidIdentityToken")
        self.server.answers.append(claims["sub"])
        return 200, credentials(claims, form)

    def log_message(self, *_):
        pass
