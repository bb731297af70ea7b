"""The issuer's documents, as STS reads them, and the signature.

Both documents are fetched for each token. The token's `alg` says which hash; that of the key is not looked
at. Of two keys with one `kid` the later one counts.
"""

import base64
import json
import urllib.error
import urllib.request

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509 import load_der_x509_certificate

from .. import documents, jws
from .refusal import Refusal, invalid

ISSUER_SECONDS = 5
MAXIMUM_KEYS_OF_A_TYPE = 100
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
ALGORITHMS = {
    **{f"RS{size}": ("RSA", hashed) for size, hashed in HASHES.items()},
    **{f"ES{size}": ("EC", hashed) for size, hashed in HASHES.items()},
}
CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
METADATA = ("issuer", "jwks_uri", "response_types_supported", "subject_types_supported",
            "id_token_signing_alg_values_supported", "claims_supported")
NO_KEY = "Couldn't retrieve verification key from your identity provider"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def check_signature(token: str, issuer: str) -> None:
    """Refuses a token that no key of the issuer signed."""
    header = jws.header(token)
    if header.get("alg") not in ALGORITHMS:
        raise invalid("The algorithm of the token is not supported")
    kind, hashed = ALGORITHMS[header["alg"]]
    jwk = _key(_usable(_key_set(issuer), kind), header.get("kid"))
    signing_input, _, signature = token.rpartition(".")
    try:
        _verify(jwk, hashed, signing_input.encode(), jws.decode(signature))
    except (InvalidSignature, ValueError, KeyError) as error:
        raise invalid("The token's signature is not the key's") from error


def _fetch(url: str) -> dict:
    try:
        with _opener.open(url, timeout=ISSUER_SECONDS) as response:
            return json.load(response)
    except TimeoutError as error:
        raise Refusal("IDPCommunicationError", NO_KEY) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise Refusal("IDPCommunicationError", NO_KEY) from error
        raise invalid(NO_KEY) from error
    except ValueError as error:
        raise invalid(NO_KEY) from error


def _key_set(issuer: str) -> list[dict]:
    metadata = _fetch(issuer + documents.DISCOVERY_PATH)
    if any(name not in metadata for name in METADATA) or metadata["issuer"] != issuer:
        raise invalid(NO_KEY)
    return _fetch(metadata["jwks_uri"]).get("keys", [])


def _usable(keys: list[dict], kind: str) -> list[dict]:
    """Too many keys of a type spoil that type alone."""
    of_kind = [key for key in keys if key.get("kty") == kind]
    if not 1 <= len(of_kind) <= MAXIMUM_KEYS_OF_A_TYPE:
        raise invalid(NO_KEY)
    return [key for key in of_kind if _is_usable(key)]


def _is_usable(key: dict) -> bool:
    return (
        isinstance(key.get("kid"), str)
        and key.get("use", "sig") == "sig"
        # Even ["verify"].
        and "key_ops" not in key
        and ("x5c" not in key or _agrees(key))
    )


def _agrees(key: dict) -> bool:
    certificate = load_der_x509_certificate(base64.b64decode(key["x5c"][0]))
    return certificate.public_key() == _public(key)


def _key(keys: list[dict], kid: str | None) -> dict:
    if kid is None:
        if len(keys) != 1:
            raise invalid(NO_KEY)
        return keys[0]
    found = [key for key in keys if key["kid"] == kid]
    if not found:
        raise invalid(NO_KEY)
    return found[-1]


def _number(text: str) -> int:
    return int.from_bytes(jws.decode(text), "big")


def _public(jwk: dict):
    if jwk["kty"] == "RSA":
        return rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
    numbers = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), CURVES[jwk["crv"]])
    return numbers.public_key()


def _verify(jwk: dict, hashed: hashes.HashAlgorithm, message: bytes, signature: bytes) -> None:
    public = _public(jwk)
    if jwk["kty"] == "RSA":
        public.verify(signature, message, padding.PKCS1v15(), hashed)
        return
    half = len(signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    public.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashed))
