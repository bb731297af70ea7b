"""A client that was written for Jwtlet, at a coordinator with `exchange.jwtlet_compatible_errors`: the whole table of
`interop/jwtlet.py`, and what its documentation shows to be done by hand."""

import json
import re
import shlex
import subprocess
import time

import pytest
import requests

from interop import exchange, jws, jwtlet
from interop.verifiers import VERIFIERS, Expected

# The most of a second that passes between a claim of a test and the coordinator's look at the clock.
SECONDS_OFF = 2
TEN_THOUSAND = 10_000


MANAGEMENT_AUDIENCE = "moneyer-management"
ACCOUNTS = "system:serviceaccount:ops:"


@pytest.fixture(scope="module")
def coordinator():
    """With the service accounts of the table, each with its role."""
    managers = f'\n[management]\naudience = "{MANAGEMENT_AUDIENCE}"\n' + "".join(
        f'[[management.service_account]]\ncluster = "prod"\nid = "{ACCOUNTS}{name}"\nroles = ["{role}"]\n'
        for name, role in jwtlet.MANAGERS.items()
    )
    with exchange.coordinator(tables=managers) as started:
        yield started


@pytest.fixture(scope="module")
def bearer(coordinator):
    """The token of an operator who may do what is in the table."""
    return coordinator.operator("jwtlet", "mappings:read", "mappings:write", "scopes:read", "scopes:write")


def named(row) -> str:
    return f"{row.sentence}: {row.about}"


class Client:
    """Sends what a row says, with the row's own names in it."""

    def __init__(self, coordinator, bearer, at):
        self._coordinator, self._bearer = coordinator, bearer
        word = f"row-{at}"
        self.names = {
            "id": word, "client": f"system:serviceaccount:ns1:{word}", "context": f"pc-{word}", "scope": f"scope-{word}",
        }

    def filled(self, value):
        """A value of the table with the names in it."""
        match value:
            case str():
                return value.format(**self.names)
            case dict():
                return {name: self.filled(one) for name, one in value.items()}
            case list():
                return [self.filled(one) for one in value]
            case _:
                return value

    def send(self, ask) -> requests.Response:
        if ask.form is not None:
            return self._coordinator.token(self._subject(ask.subject), self.filled(ask.form))
        base = self._coordinator.exchange if ask.at == "exchange" else self._coordinator.remote
        path, _, query = ask.path.partition("?")
        escaped = {name: exchange.escaped(value) for name, value in self.names.items()}
        url = base + path.format(**escaped) + (f"?{query.format(**escaped)}" if query else "")
        headers = {}
        if ask.at == "management" and ask.authorization is not None:
            headers["Authorization"] = ask.authorization.format(token=self._bearer, **self._managers())
        body = None
        if ask.body is not None:
            body, headers["Content-Type"] = self.filled(ask.body[0]), ask.body[1]
        return requests.request(
            ask.method, url, json=self.filled(ask.json), data=body, headers=headers, timeout=exchange.ANSWER_SECONDS
        )

    def _managers(self) -> dict:
        """Tokens of the service accounts that manage, and one of theirs that is for an exchange."""
        mint = self._coordinator.api_server.token
        shown = {name: mint(f"{ACCOUNTS}{name}", aud=[MANAGEMENT_AUDIENCE]) for name in jwtlet.MANAGERS}
        return shown | {"exchanged": mint(f"{ACCOUNTS}reader")}

    def _subject(self, subject) -> str:
        if isinstance(subject, str):
            return subject
        claims = {name: _time(self.filled(value)) for name, value in subject.items()}
        return self._coordinator.api_server.token(self.names["client"], **claims)


def _time(value):
    """`in N` is a time, N seconds from now."""
    said = re.fullmatch(r"in (-?\d+)", value) if isinstance(value, str) else None
    return int(time.time()) + int(said[1]) if said else value


def check_body(answer: requests.Response, expected, client: Client) -> None:
    if expected is jwtlet.EMPTY:
        assert answer.content == b""
    elif expected is jwtlet.PROBLEM:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code and answer.json()["detail"]
    elif isinstance(expected, str):
        assert answer.text == client.filled(expected)
    elif isinstance(expected, dict):
        assert answer.headers["Content-Type"] == "application/json"
        check_members(answer.json(), client.filled(expected))
        if answer.status_code == 200 and "expires_in" in expected:
            assert answer.json().keys() == expected.keys()
    elif isinstance(expected, list):
        wanted, = client.filled(expected)
        assert any(wanted.items() <= entry.items() for entry in answer.json()), answer.text


def check_members(found: dict, expected: dict) -> None:
    for name, value in expected.items():
        if value is None:
            assert name not in found, name
        elif isinstance(value, str) and value.startswith("in "):
            assert abs(found[name] - _time(value)) <= SECONDS_OFF, name
        else:
            assert name in found and (value is jwtlet.ANY or found[name] == value), (name, found)


@pytest.mark.parametrize("at", range(len(jwtlet.TABLE)), ids=[named(row) for row in jwtlet.TABLE])
def test_a_client_of_jwtlet_is_answered_as_the_table_says(coordinator, bearer, at):
    row, client = jwtlet.TABLE[at], Client(coordinator, bearer, at)
    for before in row.given:
        client.send(before)
    answer = client.send(row.ask)
    assert answer.status_code == row.status, answer.text
    check_body(answer, row.body, client)
    if row.claims is not None:
        check_members(jws.claims(answer.json()["access_token"]), client.filled(row.claims))


def test_what_is_given_in_the_table_is_done_as_it_is_meant(coordinator, bearer):
    for at, row in enumerate(jwtlet.TABLE, len(jwtlet.TABLE)):
        # The last step of a row may be one that is refused: that nothing came of it is what the row is about.
        client, before = Client(coordinator, bearer, at), row.given[: max(1, len(row.given) - 1)]
        for step in before:
            assert client.send(step).ok, named(row)


def test_every_sentence_of_jwtlets_api_has_a_row():
    assert {row.sentence for row in jwtlet.TABLE} == set(jwtlet.SENTENCES)


def test_no_answer_of_an_exchange_is_kept_by_anybody(coordinator, bearer):
    client = Client(coordinator, bearer, "stored")
    client.send(jwtlet.MAPPED)
    for ask in (jwtlet.exchange(), jwtlet.exchange(subject="garbage")):
        assert client.send(ask).headers["Cache-Control"] == "no-store"


def test_a_token_is_signed_as_the_key_set_says(coordinator, bearer):
    client = Client(coordinator, bearer, "header")
    client.send(jwtlet.MAPPED)
    token = client.send(jwtlet.exchange()).json()["access_token"]
    keys = requests.get(f"{coordinator.exchange}/.well-known/jwks.json", timeout=exchange.ANSWER_SECONDS).json()["keys"]
    assert jws.header(token) == {"alg": "RS256", "typ": "JWT", "kid": keys[0]["kid"]}


def test_a_mapping_by_jwtlets_documentation_and_a_token_that_everybody_verifies(coordinator, bearer):
    """The calls are those of its guide: curl, with its fields and its header."""
    def curl(line: str) -> str:
        words = shlex.split(line.replace("\\\n", " "))
        ended = subprocess.run(
            [*words, "--silent", "--show-error", "--fail-with-body"], capture_output=True, text=True,
            timeout=exchange.ANSWER_SECONDS,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    subject = coordinator.api_server.token("system:serviceaccount:edc:client-app")
    curl(f"""curl -X POST {coordinator.remote}/api/v1/scopes -H 'Authorization: Bearer {bearer}' \\
        -H 'Content-Type: application/json' -d '{{"scope": "read", "claims": {{"level": "reader"}}}}'""")
    curl(f"""curl -X POST {coordinator.remote}/api/v1/mappings -H 'Authorization: Bearer {bearer}' \\
        -H 'Content-Type: application/json' \\
        -d '{{"clientIdentifier": "system:serviceaccount:edc:client-app", "participantContext": "participant-1",
             "scopes": ["read"], "audiences": ["https://api.example"]}}'""")
    told = json.loads(curl(f"""curl -X POST {coordinator.exchange}/token \\
        --data-urlencode grant_type={exchange.GRANT} --data-urlencode subject_token={subject} \\
        --data-urlencode subject_token_type={exchange.JWT} --data-urlencode resource=participant-1 \\
        --data-urlencode scope=read --data-urlencode audience=https://api.example"""))
    token = told["access_token"]
    written = jws.claims(token)
    expected = Expected(coordinator.issuer, "https://api.example", (written["iat"] + written["exp"]) // 2,
                        coordinator.issuer)
    read = {name: verify(token, expected) for name, verify in VERIFIERS.items()}
    assert read == dict.fromkeys(VERIFIERS, written)
    assert (written["sub"], written["level"]) == ("participant-1", "reader")


def test_an_api_server_that_is_away_is_no_fault_of_the_client():
    # Nobody listens there.
    nobody, = exchange.free_addresses(1)
    table = ('\n[[exchange.issuer]]\nname = "away"\nissuer = "https://away.example"\naudiences = ["moneyer"]\n'
             f'jwks_url = "https://{nobody}/keys"\n')
    with exchange.coordinator(tables=table) as coordinator:
        token = coordinator.api_server.token("system:serviceaccount:ns1:sa1", iss="https://away.example", sub="x")
        since = time.monotonic()
        answer = coordinator.token(token, {})
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert time.monotonic() - since < exchange.ANSWER_SECONDS


def test_ten_thousand_mappings_are_imported_by_one_call_or_none_of_them(coordinator, tmp_path):
    def entry(at: int, context: str) -> dict:
        return {"clientIdentifier": f"system:serviceaccount:many:sa-{at:05}", "participantContext": context, "scopes": ["read"]}

    good = [entry(at, "many") for at in range(TEN_THOUSAND)]
    wrong = [entry(at, "wrong") for at in range(TEN_THOUSAND)]
    wrong[7777]["participantContext"] = "spiffe://x/y"
    (tmp_path / "good.json").write_text(json.dumps(good))
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    refused = coordinator.command("mapping", "import", tmp_path / "wrong.json", check=False)
    assert refused.returncode == 1 and "entry 7777" in refused.stderr, refused.stderr
    told = coordinator.command("mapping", "import", tmp_path / "good.json")
    assert f"{TEN_THOUSAND} mappings are in force" in told.stdout
    kept = json.loads(coordinator.command("mapping", "export").stdout)
    contexts = [one["participantContext"] for one in kept]
    assert contexts.count("many") == TEN_THOUSAND and "wrong" not in contexts
