"""A model of AWS STS: it is not AWS. It knows AssumeRoleWithWebIdentity, and refuses what STS was seen to refuse.

Made from observations others published of the real one: five minutes of skew, five seconds for the issuer
to answer, at most 100 keys of a type, no `key_ops`, whole seconds, `azp` with several audiences, roles,
session tags and source identity, and the role's trust policy. What it does not look at: https, port and
certificate of the issuer, which a development cluster has not, and quotas. Where the real one may differ,
nothing here says so: the RADOS Gateway is the real STS of this suite.
"""

from .account import Account
from .refusal import Refusal
from .server import serving

__all__ = ["Account", "Refusal", "serving"]
