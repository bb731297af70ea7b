"""What a token says, as STS reads it: times, audiences, and what it says of roles, tags and identity."""

from collections.abc import Mapping
from dataclasses import dataclass

from .refusal import Refusal, invalid

SKEW_SECONDS = 300
MAXIMUM_TAGS = 50
MAXIMUM_TAG_KEY = 128
MAXIMUM_TAG_VALUE = 256
ROLES = "https://aws.amazon.com/roles"
TAGS = "https://aws.amazon.com/tags"
SOURCE_IDENTITY = "https://aws.amazon.com/source_identity"


@dataclass(frozen=True)
class Session:
    """What a session is made of."""

    subject: str
    audience: str
    actions: set[str]
    # Condition keys of the trust policy, and their values.
    keys: Mapping[str, str]


def check(claims: dict, provider: str, client_ids: list[str], role: str, now: int) -> Session:
    """Reads the claims of a token whose signature is good."""
    for name in ("iss", "sub", "aud", "iat", "exp"):
        if name not in claims:
            raise invalid(f"Missing a required claim: {name}")
    if claims["sub"] is None:
        raise Refusal("InternalFailure", "We encountered an internal error. Please try again.")
    _check_times(claims, now)
    audience = _audience(claims)
    if audience not in client_ids:
        raise invalid("Incorrect token audience")
    subject = str(claims["sub"])
    actions = {"sts:AssumeRoleWithWebIdentity"}
    keys = {f"{provider}:aud": audience, f"{provider}:sub": subject}
    keys["sts:RoleAuthorizedByIdp"] = str(_is_authorized(claims, role)).lower()
    if tags := _tags(claims):
        actions.add("sts:TagSession")
        keys |= {f"aws:RequestTag/{name}": value for name, value in tags.items()}
    if identity := claims.get(SOURCE_IDENTITY):
        actions.add("sts:SetSourceIdentity")
        keys["sts:SourceIdentity"] = identity
    return Session(subject, audience, actions, keys)


def _check_times(claims: dict, now: int) -> None:
    exp, iat = _time(claims["exp"]), _time(claims["iat"])
    if now >= exp + SKEW_SECONDS:
        raise Refusal("ExpiredTokenException", "Token expired")
    if iat > now + SKEW_SECONDS or _time(claims.get("nbf", iat)) > now + SKEW_SECONDS:
        raise invalid("The token is not valid yet")


def _time(value) -> int:
    """Whole seconds, as a number or a text; a fraction fails."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise invalid("A time of the token is not a whole number")
    try:
        return int(value)
    except ValueError as error:
        raise invalid("A time of the token is not a whole number") from error


def _audience(claims: dict) -> str:
    """`azp` where there is one; several audiences need it."""
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if "azp" in claims:
        return claims["azp"]
    if len(audiences) != 1:
        raise invalid("A token with several audiences needs azp")
    return audiences[0]


def _is_authorized(claims: dict, role: str) -> bool:
    """Whether the token names roles; one that names others is refused before any policy is read."""
    named = claims.get(ROLES)
    if named is None:
        return False
    listed = named if isinstance(named, list) else named.split(";")
    if role not in listed:
        raise invalid("The target role ARN is not present in the roles claim")
    return True


def _tags(claims: dict) -> dict[str, str]:
    """Nested, or flattened into claims of their own."""
    nested = claims.get(TAGS, {}).get("principal_tags", {})
    tags = {name: values if isinstance(values, list) else [values] for name, values in nested.items()}
    prefix = f"{TAGS}/principal_tags/"
    tags |= {name.removeprefix(prefix): [value] for name, value in claims.items()
             if name.startswith(prefix)}
    if len(tags) > MAXIMUM_TAGS:
        raise invalid(f"More than {MAXIMUM_TAGS} tags")
    for name, values in tags.items():
        if len(name) > MAXIMUM_TAG_KEY or len(values) != 1 or len(values[0]) > MAXIMUM_TAG_VALUE:
            raise invalid("A tag is too long, or has not exactly one value")
    return {name: values[0] for name, values in tags.items()}
