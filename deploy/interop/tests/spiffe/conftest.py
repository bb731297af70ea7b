"""Two trust domains that know nothing of each other, and what their sandboxes hold."""

import os
import pathlib

import pytest

from interop import cluster as development
from interop import sandbox, workload


@pytest.fixture(scope="session")
def foreign():
    """A cluster with another trust domain."""
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    with development.running(moneyer, trust_domain=development.FOREIGN_TRUST_DOMAIN) as started:
        yield started


@pytest.fixture(scope="session")
def second(cluster):
    """One more sandbox of the first cluster."""
    development.attach(cluster, "demo-2")
    return "demo-2"


@pytest.fixture(scope="module")
def client(cluster):
    with workload.client(sandbox.environment(cluster)) as made:
        yield made


@pytest.fixture(scope="module")
def foreign_client(foreign):
    with workload.client(sandbox.environment(foreign)) as made:
        yield made
