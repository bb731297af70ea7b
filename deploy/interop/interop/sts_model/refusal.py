"""How STS refuses: a code that SDKs know, and a text for people."""


class Refusal(Exception):
    """An error of STS."""

    STATUS = {"AccessDenied": 403, "InternalFailure": 500}

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return self.STATUS.get(self.code, 400)


def invalid(message: str) -> Refusal:
    """What is said of most bad tokens."""
    return Refusal("InvalidIdentityToken", message)
