"""The model behind HTTP, with the query protocol that the SDKs speak."""

import http.server
import re
import urllib.parse
from contextlib import contextmanager
from xml.sax.saxutils import escape

from .. import jws, stub
from . import claims as rules
from . import keys
from .account import Account
from .refusal import Refusal, invalid

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
MAXIMUM_TOKEN_CHARACTERS = 20_000
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
SHORTEST_SESSION, LONGEST_SESSION = 900, 43_200


@contextmanager
def serving(account: Account, now: int):
    """Serves on a port of its own; gives the address and the list of what it answered: a subject or a code."""
    with stub.serving(_Handler, (account, now)) as (address, answers):
        yield address, answers


def decide(account: Account, form: dict, now: int) -> rules.Session:
    """The whole way from a request to a session."""
    token, role = _request(form)
    try:
        issuer = jws.claims(token)["iss"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise invalid("The ID Token provided is not a valid JWT") from error
    if issuer != account.issuer:
        raise invalid(f"No OpenIDConnect provider found in your account for {issuer}")
    keys.check_signature(token, issuer)
    said = jws.claims(token)
    session = rules.check(said, account.provider, account.client_ids, role, now)
    account.authorize(role, session.actions, session.keys)
    return session


def _request(form: dict) -> tuple[str, str]:
    if form.get("Action") != "AssumeRoleWithWebIdentity":
        raise Refusal("InvalidAction", "The model knows AssumeRoleWithWebIdentity alone")
    token, length = form["WebIdentityToken"], int(form.get("DurationSeconds", 3600))
    fits = (
        4 <= len(token) <= MAXIMUM_TOKEN_CHARACTERS
        and SESSION_NAME.fullmatch(form["RoleSessionName"])
        and SHORTEST_SESSION <= length <= LONGEST_SESSION
    )
    if not fits:
        raise Refusal("ValidationError", "A value of the request fails its constraint")
    return token, form["RoleArn"]


def _credentials(session: rules.Session, form: dict) -> str:
    """The answer to a good token. The credentials are good for nothing."""
    name = escape(form["RoleSessionName"])
    return f"""<AssumeRoleWithWebIdentityResponse xmlns="{NAMESPACE}"><AssumeRoleWithWebIdentityResult>
<SubjectFromWebIdentityToken>{escape(session.subject)}</SubjectFromWebIdentityToken>
<Audience>{escape(session.audience)}</Audience>
<AssumedRoleUser><Arn>{escape(form["RoleArn"])}/{name}</Arn><AssumedRoleId>AROAMODEL:{name}</AssumedRoleId></AssumedRoleUser>
<Credentials><AccessKeyId>ASIAMODEL</AccessKeyId><SecretAccessKey>model</SecretAccessKey>
<SessionToken>{escape(session.subject)}</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


def _error(refusal: Refusal) -> str:
    return f"""<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{refusal.code}</Code>
<Message>{escape(refusal.message)} (by a model)</Message></Error></ErrorResponse>"""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(urllib.parse.parse_qsl(raw, strict_parsing=True))
        account, now = self.server.expected
        try:
            session = decide(account, form, now)
            status, body, answer = 200, _credentials(session, form), session.subject
        except Refusal as refusal:
            status, body, answer = refusal.status, _error(refusal), refusal.code
        self.server.answers.append(answer)
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass
