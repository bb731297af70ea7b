"""Jwtlet's published API, as a table of requests and answers.

Each row names the sentence it comes from: what Jwtlet's API promises (`SENTENCES`, by the part of the API). A row whose
`instead` is set is a place where Moneyer answers otherwise on purpose, and says why.

Rows are independent: in texts `{id}` is a word of the row's own, so that no two speak of one mapping, and `{client}`,
`{context}` and `{scope}` are made of it.
"""

from dataclasses import dataclass, field, replace

# What Jwtlet promises. M: of its release of May 2026; S: added by September 2026.
SENTENCES = {
    # The exchange server.
    "exchange health": "GET /health: 200, text OK, always",
    "key set": "GET /.well-known/jwks.json: 200, a JWK Set",
    "server metadata": "GET /.well-known/oauth-authorization-server (S): issuer, token_endpoint, jwks_uri",
    "success": "POST /token: 200 JSON with access_token, issued_token_type, token_type, expires_in, and scope",
    "scope echo": "scope stands in the answer only if the request had it; S: normalised, repeated ones once",
    "expires_in": "expires_in is the configured lifetime",
    "subject_token_type": "S: subject_token_type is required, and is that of a JWT",
    "resource": "resource is the participant context, any text, and becomes sub",
    "unknown fields": "unknown fields of a form and of JSON are ignored everywhere",
    "actor": "actor_token and requested_token_type are not read",
    "repeated": "a repeated audience or resource is no request",
    "error body": "errors are an object with the one field error",
    "no form": "missing field, other content type, too long, other method: 422, 415, 413, 405, plain text",
    "grant_type": "another grant type: 400 unsupported_grant_type",
    "token type": "S: another subject token type: 400 invalid_request",
    "invalid_grant": "any failure to verify the subject token: 400 invalid_grant",
    "api server away": "an API server that is away, too: 400 invalid_grant",
    "not granted": "no mapping for caller and resource, or a scope that is not granted: 403 unauthorized_client",
    "claim clash": "claims of two scopes under one name: 400 invalid_scope; S: two texts are joined with a blank",
    "audience": "an audience that is not allowed: 403 unauthorized_client",
    "order": "the grant type is looked at first, then the token, the scopes, the audience",
    # The management server.
    "management health": "GET /health: 200, text OK, without authentication",
    "bearer": "Authorization: Bearer, the scheme in any case",
    "unauthenticated": "no header, or any failure to verify it: 401, empty",
    "roles": "three roles: read, mappings:write and scope:write; a write role does not include read; else 403, empty",
    "list mappings": "GET /mappings: 200, an array of resource mappings",
    "list scopes": "GET /scopes: 200, an array of scope mappings",
    "create mapping": "POST /mappings: 201, empty",
    "update mapping": "PUT /mappings/{client_id}/{context}: 204; it has to be the one of the path",
    "remove mapping": "DELETE /mappings/{client_id}/{context}: 204, also where there is none",
    "remove client": "DELETE /mappings/{client_id}: 204, all mappings of the client",
    "create scope": "POST /scopes: 201; S: one, or an array that is stored whole or not at all; 409 if one is there",
    "update scope": "PUT /scopes/{scope}: 204; S: it has to be the one of the path",
    "remove scope": "DELETE /scopes/{scope}: 204, also where there is none",
    "not found": "PUT where there is nothing: 404, empty",
    "conflict": "a mapping that is there already: 409, empty",
    "path and body": "path and body differ: 400, empty",
    "reserved claim": "a reserved claim in a scope: 400 with error, a text that names it",
    "bad names": "S: an empty identifier, a scope that is empty or has blanks, an empty audience: 400 with error",
    "bad json": "malformed JSON: 400, 415 or 422, plain text",
    # Objects and rules.
    "mapping json": "clientIdentifier, participantContext, scopes (required), audiences (default: none)",
    "scope json": "scope, claims (an object of any values, required)",
    "no scopes": "without scopes a token has no claims of scopes; none is given unasked",
    "scope without claims": "a granted scope that stands for nothing adds nothing",
    "audience rule": "none allowed by name: the usual one alone; else one of the list, the usual one if none is asked for",
    "one audience": "aud is always one text",
    "token": "sub, aud, iat, nbf, exp, iss (S), jti (S), act with sub, iss and k8s_uid (S)",
    "header": "alg EdDSA, typ JWT, kid NAME-VERSION",
}

# The service accounts that manage: each has one role of Jwtlet. Their tokens are `{reader}` and so on in a row.
MANAGERS = {
    "reader": "jwtlet:management:read",
    "mapper": "jwtlet:management:mappings:write",
    "scoper": "jwtlet:management:scope:write",
}

EMPTY, PROBLEM, ANY = object(), object(), object()


@dataclass(frozen=True)
class Ask:
    """A request. `form` goes to `/token`, everything else to the management API or where `at` says."""

    method: str = "POST"
    path: str = "/token"
    json: object = None
    # A body as it is, and its content type.
    body: tuple[str, str] | None = None
    # Parameters beside or in place of the usual ones; `None` takes one away.
    form: dict | None = None
    # Claims of the subject token beside or in place of the usual ones; a text is the token itself.
    subject: object = field(default_factory=dict)
    authorization: str | None = "Bearer {token}"
    at: str = "management"


@dataclass(frozen=True)
class Row:
    """What is asked, after what was done before, and what is answered."""

    sentence: str
    about: str
    ask: Ask
    status: int
    # EMPTY, PROBLEM, ANY, a text, or what members of the JSON are.
    body: object = ANY
    given: tuple[Ask, ...] = ()
    # Members of the token that is given. A value of `None`: not there.
    claims: dict | None = None
    # Why this is not as Jwtlet has it.
    instead: str | None = None


def manage(method: str, path: str, json: object = None, **more) -> Ask:
    """A call of the management API."""
    return Ask(method=method, path="/api/v1" + path, json=json, **more)


def exchange(form: dict | None = None, **more) -> Ask:
    """An exchange by the row's own service account."""
    return Ask(form={"resource": "{context}"} | (form or {}), at="exchange", **more)


def mapping(**members) -> dict:
    """The row's own mapping."""
    return {"clientIdentifier": "{client}", "participantContext": "{context}", "scopes": []} | members


def scope(claims: dict, name: str = "{scope}") -> dict:
    """What a scope of the row's own stands for."""
    return {"scope": name, "claims": claims}


ONE = "/mappings/{client}/{context}"
MAPPED = manage("POST", "/mappings", mapping(scopes=["{scope}", "{scope}-2"]))
SCOPED = manage("POST", "/scopes", scope({"level": "reader"}))
CODE = "error_description and request_id stand beside error: a client that reads error alone finds it"
TOLD = "a problem of RFC 9457 says what is wrong, where Jwtlet says nothing or says it as plain text"

EXCHANGE = (
    Row("exchange health", "somebody answers", Ask("GET", "/health", at="exchange"), 200, "OK"),
    Row("key set", "it is where a client of Jwtlet looks", Ask("GET", "/.well-known/jwks.json", at="exchange"), 200,
        {"keys": ANY}),
    Row("server metadata", "without token_endpoint", Ask("GET", "/.well-known/oauth-authorization-server", at="exchange"),
        200, {"issuer": ANY, "jwks_uri": ANY, "token_endpoint": None},
        instead="the coordinator does not know the URL of its exchange listener, unless exchange.public_url says it"),
    Row("success", "a token", exchange(), 200,
        {"access_token": ANY, "issued_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_type": "Bearer",
         "expires_in": ANY}, (MAPPED,)),
    Row("scope echo", "what was asked for, once", exchange({"scope": "{scope}  {scope}-2 {scope}"}), 200,
        {"scope": "{scope} {scope}-2", "access_token": ANY, "issued_token_type": ANY, "token_type": ANY,
         "expires_in": ANY}, (MAPPED,)),
    Row("scope echo", "an empty one is none", exchange({"scope": ""}), 200,
        {"access_token": ANY, "issued_token_type": ANY, "token_type": ANY, "expires_in": ANY}, (MAPPED,)),
    Row("expires_in", "no longer than the proof", exchange(subject={"exp": "in 120"}), 200, None, (MAPPED,),
        claims={"exp": "in 120"}, instead="a token never outlives what proved who asks"),
    Row("subject_token_type", "it is missing", exchange({"subject_token_type": None}), 400,
        {"error": "invalid_request"}, (MAPPED,)),
    Row("resource", "it becomes the subject", exchange(), 200, None, (MAPPED,),
        claims={"sub": "{context}", "participant_context": "{context}"}),
    Row("resource", "not in the form of a subject of the cluster", exchange({"resource": "app:web:sandbox:web-1"}), 400,
        {"error": "invalid_request"}, instead="relying parties at clouds look at sub alone"),
    Row("unknown fields", "of a form", exchange({"unknown": "x"}), 200, None, (MAPPED,)),
    Row("unknown fields", "of JSON", manage("POST", "/mappings", mapping(unknown=1)), 400, PROBLEM,
        instead="a misspelt member would grant more than was meant"),
    Row("actor", "half of it", exchange({"actor_token": "x"}), 400, {"error": "invalid_request"}, (MAPPED,),
        instead="both are read, as RFC 8693 has them"),
    Row("actor", "another type is asked for",
        exchange({"requested_token_type": "urn:ietf:params:oauth:token-type:access_token"}), 200,
        {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}, (MAPPED,),
        instead="both are read, as RFC 8693 has them"),
    Row("repeated", "two audiences", exchange({"audience": ["https://a.example", "https://b.example"]}), 200, None,
        (manage("POST", "/mappings", mapping(audiences=["https://a.example", "https://b.example"])),),
        claims={"aud": ["https://a.example", "https://b.example"]}, instead="RFC 8693 section 2.1 allows it"),
    Row("error body", "error is there", exchange(), 403,
        {"error": "unauthorized_client", "error_description": ANY, "request_id": ANY}, instead=CODE),
    Row("no form", "no subject_token", exchange({"subject_token": None}), 400, {"error": "invalid_request"},
        instead="JSON of RFC 6749, for whoever reads error"),
    Row("no form", "no resource", exchange({"resource": None}), 400, {"error": "invalid_request"},
        instead="JSON of RFC 6749, for whoever reads error"),
    Row("no form", "JSON", Ask(body=("{{}}", "application/json"), at="exchange"), 400, {"error": "invalid_request"},
        instead="JSON of RFC 6749, for whoever reads error"),
    Row("no form", "another method", Ask("GET", "/token", at="exchange"), 405, PROBLEM, instead=TOLD),
    Row("no form", "too long", exchange({"subject_token": "x" * 70_000}), 413,
        instead="64 KiB hold every token that is taken"),
    Row("grant_type", "another", exchange({"grant_type": "client_credentials"}), 400,
        {"error": "unsupported_grant_type"}),
    Row("token type", "another", exchange({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}), 400,
        {"error": "invalid_request"}, (MAPPED,)),
    Row("invalid_grant", "garbage", exchange(subject="garbage"), 400, {"error": "invalid_grant"}, (MAPPED,)),
    Row("invalid_grant", "another audience", exchange(subject={"aud": ["other"]}), 400, {"error": "invalid_grant"},
        (MAPPED,)),
    Row("invalid_grant", "another issuer", exchange(subject={"iss": "https://other.example"}), 400,
        {"error": "invalid_grant"}, (MAPPED,)),
    Row("invalid_grant", "expired", exchange(subject={"exp": "in -1"}), 400, {"error": "invalid_grant"}, (MAPPED,)),
    Row("invalid_grant", "no service account", exchange(subject={"sub": "system:node:n1"}), 400,
        {"error": "invalid_grant"}, (MAPPED,)),
    Row("api server away", "see test_an_api_server_that_is_away_is_no_fault_of_the_client", exchange(), 403,
        instead="503 temporarily_unavailable: the client did nothing wrong"),
    Row("not granted", "no mapping", exchange(), 403, {"error": "unauthorized_client"}),
    Row("not granted", "another context", exchange({"resource": "{context}-2"}), 403, {"error": "unauthorized_client"},
        (MAPPED,)),
    Row("not granted", "one scope of two", exchange({"scope": "{scope} other"}), 403, {"error": "unauthorized_client"},
        (MAPPED,)),
    Row("claim clash", "two lists of roles and a text", exchange({"scope": "{scope} {scope}-2"}), 400,
        {"error": "invalid_scope"},
        (MAPPED, SCOPED, manage("POST", "/scopes", scope({"level": ["writer"]}, "{scope}-2")))),
    Row("claim clash", "two texts", exchange({"scope": "{scope} {scope}-2"}), 200, None,
        (MAPPED, SCOPED, manage("POST", "/scopes", scope({"level": "writer"}, "{scope}-2"))),
        claims={"level": "reader writer"}),
    Row("audience", "not in the list", exchange({"audience": "https://b.example"}), 403,
        {"error": "unauthorized_client"}, (manage("POST", "/mappings", mapping(audiences=["https://a.example"])),)),
    Row("order", "grant type before token", exchange({"grant_type": "x"}, subject="garbage"), 400,
        {"error": "unsupported_grant_type"}),
    Row("order", "token before mapping", exchange(subject="garbage"), 400, {"error": "invalid_grant"}),
    Row("no scopes", "none is given unasked", exchange(), 200, None, (MAPPED, SCOPED), claims={"level": None}),
    Row("scope without claims", "nothing is added", exchange({"scope": "{scope}-2"}), 200, None, (MAPPED, SCOPED),
        claims={"level": None}),
    Row("audience rule", "none asked for, none named", exchange(), 200, None, (MAPPED,), claims={"aud": "moneyer"}),
    Row("audience rule", "the usual one, none named", exchange({"audience": "moneyer"}), 200, None, (MAPPED,),
        claims={"aud": "moneyer"}),
    Row("audience rule", "another, none named", exchange({"audience": "https://a.example"}), 403,
        {"error": "unauthorized_client"}, (MAPPED,)),
    Row("audience rule", "one of the list", exchange({"audience": "https://a.example"}), 200, None,
        (manage("POST", "/mappings", mapping(audiences=["https://a.example"])),), claims={"aud": "https://a.example"}),
    Row("audience rule", "none asked for, the usual one not in the list", exchange(), 403,
        {"error": "unauthorized_client"}, (manage("POST", "/mappings", mapping(audiences=["https://a.example"])),)),
    Row("one audience", "a text", exchange(), 200, None, (MAPPED,), claims={"aud": "moneyer"}),
    Row("token", "who acts", exchange(), 200, None, (MAPPED,), claims={
        "act": {"sub": "{client}", "iss": "https://kubernetes.default.svc.cluster.local", "k8s_uid": "uid-of-{id}"},
        "iss": ANY, "jti": ANY, "iat": ANY, "nbf": ANY, "exp": ANY,
    }),
    Row("header", "see test_a_token_is_signed_as_the_key_set_says", exchange(), 200, None, (MAPPED,),
        instead="RS256 or ES256 by keys.algorithm, and kid as the key set has it: clouds take no EdDSA"),
)

MANAGEMENT = (
    Row("management health", "somebody answers", Ask("GET", "/health", authorization=None), 200, "OK"),
    Row("bearer", "in another case", manage("GET", "/scopes", authorization="bEARER {token}"), 200),
    Row("unauthenticated", "no header", manage("GET", "/mappings", authorization=None), 401, EMPTY),
    Row("unauthenticated", "garbage", manage("GET", "/mappings", authorization="Bearer x"), 401, EMPTY),
    Row("unauthenticated", "another scheme", manage("GET", "/mappings", authorization="Basic x"), 401, EMPTY),
    Row("unauthenticated", "a token for an exchange", manage("GET", "/mappings", authorization="Bearer {exchanged}"),
        401, EMPTY),
    Row("list mappings", "what was created", manage("GET", "/mappings?clientIdentifier={client}"), 200,
        [{"clientIdentifier": "{client}", "participantContext": "{context}", "scopes": ["{scope}", "{scope}-2"],
          "audiences": []}], (MAPPED,)),
    Row("list scopes", "what was created", manage("GET", "/scopes"), 200,
        [scope({"level": "reader"})], (SCOPED,)),
    Row("create mapping", "a new one", MAPPED, 201, EMPTY),
    Row("update mapping", "one that is there", manage("PUT", ONE, mapping(scopes=["other"])), 204, EMPTY, (MAPPED,)),
    Row("remove mapping", "one that is there", manage("DELETE", ONE), 204, EMPTY, (MAPPED,)),
    Row("remove mapping", "one that is not", manage("DELETE", ONE), 204, EMPTY),
    Row("remove mapping", "its client gets nothing more", exchange(), 403, {"error": "unauthorized_client"},
        (MAPPED, manage("DELETE", ONE))),
    Row("remove client", "all of them", manage("DELETE", "/mappings/{client}"), 204, EMPTY, (MAPPED,)),
    Row("remove client", "there is none", manage("DELETE", "/mappings/{client}"), 204, EMPTY),
    Row("remove client", "and no other's", exchange(), 200, None,
        (MAPPED, manage("DELETE", "/mappings/{client}-2"))),
    Row("create scope", "a new one", SCOPED, 201, EMPTY),
    Row("create scope", "several", manage("POST", "/scopes", [scope({}), scope({}, "{scope}-2")]), 201, EMPTY),
    Row("create scope", "there already", SCOPED, 409, PROBLEM, (SCOPED,), instead=TOLD),
    Row("create scope", "one of several is there", manage("POST", "/scopes", [scope({}, "{scope}-2"), scope({})]), 409,
        PROBLEM, (SCOPED,), instead=TOLD),
    Row("create scope", "then none of them is stored", manage("PUT", "/scopes/{scope}-2", scope({}, "{scope}-2")), 404,
        PROBLEM, (SCOPED, manage("POST", "/scopes", [scope({}, "{scope}-2"), scope({})])), instead=TOLD),
    Row("create scope", "twice in one call", manage("POST", "/scopes", [scope({}), scope({})]), 400, PROBLEM,
        instead="it is the call that is wrong, whatever is stored: 400, where S answers 409"),
    Row("update scope", "one that is there", manage("PUT", "/scopes/{scope}", scope({"a": 1})), 204, EMPTY, (SCOPED,)),
    Row("update scope", "another than the path's", manage("PUT", "/scopes/{scope}-2", scope({})), 400, PROBLEM,
        (SCOPED,), instead=TOLD),
    Row("remove scope", "one that is there", manage("DELETE", "/scopes/{scope}"), 204, EMPTY, (SCOPED,)),
    Row("remove scope", "one that is not", manage("DELETE", "/scopes/{scope}"), 204, EMPTY),
    Row("not found", "a mapping", manage("PUT", ONE, mapping()), 404, PROBLEM, instead=TOLD),
    Row("not found", "a scope", manage("PUT", "/scopes/{scope}", scope({})), 404, PROBLEM, instead=TOLD),
    Row("conflict", "a mapping", MAPPED, 409, PROBLEM, (MAPPED,), instead=TOLD),
    Row("path and body", "another context", manage("PUT", ONE, mapping(participantContext="{context}-2")), 400, PROBLEM,
        (MAPPED,), instead=TOLD),
    *(Row("reserved claim", claim, manage("POST", "/scopes", scope({claim: "x"})), 400, PROBLEM,
          instead="the text is detail of a problem, in place of error")
      for claim in ("sub", "iss", "aud", "exp", "iat", "nbf", "act", "jti")),
    Row("reserved claim", "one that the coordinator alone sets", manage("POST", "/scopes", scope({"role": "x"})), 400,
        PROBLEM, instead="role and the other claims of this cluster's tokens are reserved too, see docs/claims.md"),
    *(Row("bad names", about, manage("POST", path, body), 400, PROBLEM,
          instead="the text is detail of a problem, in place of error")
      for about, path, body in [
          ("no client", "/mappings", mapping(clientIdentifier="")),
          ("no context", "/mappings", mapping(participantContext="")),
          ("an empty audience", "/mappings", mapping(audiences=[""])),
          ("an empty scope of a mapping", "/mappings", mapping(scopes=[""])),
          ("an empty scope", "/scopes", scope({}, "")),
          ("a scope with a blank", "/scopes", scope({}, "a b")),
      ]),
    *(Row("bad json", about, manage("POST", "/mappings", body=body), 400, PROBLEM, instead=TOLD)
      for about, body in [
          ("no JSON", ("{{", "application/json")),
          ("another content type", ("{{}}", "text/plain")),
          ("no scopes", ('{{"clientIdentifier": "{client}", "participantContext": "{context}"}}', "application/json")),
          ("no object", ("7", "application/json")),
      ]),
    Row("mapping json", "no audiences", manage("GET", "/mappings?clientIdentifier={client}"), 200,
        [{"audiences": []}], (manage("POST", "/mappings", mapping()),)),
    Row("scope json", "any values", manage("GET", "/scopes"), 200,
        [scope({"a": [1, {"b": None}], "c": True, "d": "x"})],
        (manage("POST", "/scopes", scope({"a": [1, {"b": None}], "c": True, "d": "x"})),)),
    Row("scope json", "no claims", manage("POST", "/scopes", {"scope": "{scope}"}), 400, PROBLEM, instead=TOLD),
)

# Each call with who may make it, and what is answered where the row's own mapping and scope are not there.
CALLS = (
    ("reader", manage("GET", "/mappings"), 200),
    ("reader", manage("GET", "/scopes"), 200),
    ("mapper", MAPPED, 201),
    ("mapper", manage("PUT", ONE, mapping()), 404),
    ("mapper", manage("DELETE", ONE), 204),
    ("mapper", manage("DELETE", "/mappings/{client}"), 204),
    ("scoper", SCOPED, 201),
    ("scoper", manage("PUT", "/scopes/{scope}", scope({})), 404),
    ("scoper", manage("DELETE", "/scopes/{scope}"), 204),
)

# Each role, at each call.
ROLES = tuple(
    Row("roles", f"{manager}, {ask.method} {ask.path}", replace(ask, authorization=f"Bearer {{{manager}}}"),
        status if manager == allowed else 403, ANY if manager == allowed else EMPTY)
    for allowed, ask, status in CALLS for manager in MANAGERS
)

TABLE = EXCHANGE + MANAGEMENT + ROLES
