"""What an account knows: one OIDC provider, and roles with their trust policies."""

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .refusal import Refusal

MAXIMUM_CLIENT_IDS = 100
MAXIMUM_CLIENT_ID_CHARACTERS = 255


@dataclass(frozen=True)
class Account:
    """One provider is enough for one issuer."""

    issuer: str
    client_ids: list[str]
    roles: Mapping[str, dict] = field(default_factory=dict)

    def __post_init__(self):
        assert len(self.client_ids) <= MAXIMUM_CLIENT_IDS
        assert all(len(name) <= MAXIMUM_CLIENT_ID_CHARACTERS for name in self.client_ids)

    @property
    def provider(self) -> str:
        """The issuer as condition keys and ARNs name it."""
        return self.issuer.partition("://")[2]

    def authorize(self, role: str, actions: set[str], keys: Mapping[str, str]) -> None:
        """Every action has to be allowed, each by a statement whose conditions all hold."""
        policy = self.roles.get(role, {"Statement": []})
        for action in actions:
            if not any(self._allows(one, role, action, keys) for one in policy["Statement"]):
                raise Refusal("AccessDenied", f"Not authorized to perform {action}")

    def _allows(self, statement: dict, role: str, action: str, keys: Mapping[str, str]) -> bool:
        arn = f"arn:aws:iam::{role.split(':')[4]}:oidc-provider/{self.provider}"
        allowed = statement["Action"]
        return (
            statement["Effect"] == "Allow"
            and statement["Principal"] == {"Federated": arn}
            and action in ([allowed] if isinstance(allowed, str) else allowed)
            and all(
                _holds(operator, keys.get(key), _listed(wanted))
                for operator, wanted_of in statement.get("Condition", {}).items()
                for key, wanted in wanted_of.items()
            )
        )


def _listed(wanted) -> list[str]:
    return wanted if isinstance(wanted, list) else [wanted]


def _holds(operator: str, found: str | None, wanted: list[str]) -> bool:
    """A key that the request does not have meets no condition."""
    if found is None:
        return False
    match operator:
        case "StringEquals" | "Bool":
            return found in wanted
        case "StringLike":
            return any(re.fullmatch(_pattern(text), found) for text in wanted)
        case _:
            raise NotImplementedError(f"the model knows no {operator}")


def _pattern(text: str) -> str:
    """`*` and `?` alone are special; a bracket is itself."""
    return fnmatch.translate(text.replace("[", "[[]"))
