"""A key set that is not the issuer's verifies nothing; and neither does another issuer's name.

Each case is served by a mirror. The first test shows that a mirror alone changes nothing.
"""

import pytest
from joserfc.jwk import RSAKey

from interop import jws, mirror
from interop.verifiers import Refused


def doctored(kid: str, name: str, change):
    """A doctor for one member of the key that signs."""

    def doctor(key_set: dict) -> dict:
        keys = [jwk | {name: change(jwk[name])} if jwk["kid"] == kid else jwk
                for jwk in key_set["keys"]]
        assert keys != key_set["keys"]
        return {"keys": keys}

    return doctor


def flipped(share: float):
    """One bit of one byte of a number."""
    return lambda text: jws.encode(jws.flip(jws.decode(text), share))


def test_a_faithful_mirror_changes_nothing(verify, good, expect, cluster):
    with mirror.serving(cluster.issuer) as address:
        assert verify(good.text, expect(good, discover_at=address)) == jws.claims(good.text)


@pytest.mark.parametrize(("name", "change"), [
    ("n", flipped(0.0)),
    ("n", flipped(0.5)),
    ("n", flipped(1.0)),
    ("e", lambda _: jws.encode(b"\x01\x00\x03")),
    ("kid", lambda kid: kid[:-1] + ("A" if kid[-1] != "A" else "B")),
], ids=["n first byte", "n middle byte", "n last byte", "e", "kid"])
def test_a_changed_key_verifies_nothing(verify, good, expect, cluster, name, change):
    doctor = doctored(jws.header(good.text)["kid"], name, change)
    with mirror.serving(cluster.issuer, doctor=doctor) as address, pytest.raises(Refused):
        verify(good.text, expect(good, discover_at=address))


def test_a_foreign_key_under_the_same_kid_verifies_nothing(verify, good, expect, cluster):
    foreign = RSAKey.generate_key(2048).as_dict(private=False)
    doctor = doctored(jws.header(good.text)["kid"], "n", lambda _: foreign["n"])
    with mirror.serving(cluster.issuer, doctor=doctor) as address, pytest.raises(Refused):
        verify(good.text, expect(good, discover_at=address))


def test_another_issuer_with_the_same_keys_is_refused(verify, good, expect, cluster):
    """The mirror names itself as the issuer: discovery is in order, only `iss` is not."""
    with mirror.serving(cluster.issuer, claim=lambda address: address) as address:
        with pytest.raises(Refused):
            verify(good.text, expect(good, issuer=address, discover_at=address))
