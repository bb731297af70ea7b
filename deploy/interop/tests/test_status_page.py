"""The status page in a browser: it is drawn as it is meant, loads nothing, and fits a telephone.

`STATUS_PAGE_PICTURE` names a file that is given the picture of the docs.
"""

import http.server
import json
import os
import pathlib
import subprocess
import threading
import time
import urllib.request

import pytest

from interop import browser as chromium
from interop import cluster as development
from interop import documents, sandbox

ANSWER_SECONDS = 60
# A telephone, and a screen beside which a terminal has room.
WIDTHS = (400, 1000)
HEIGHT = 800


@pytest.fixture(scope="module")
def browser():
    """One browser for the module."""
    with chromium.running() as started:
        yield started


@pytest.fixture
def page(browser):
    """The browser, with nothing to complain of yet."""
    browser.complaints.clear()
    browser.resize(WIDTHS[1], HEIGHT)
    browser.prefer()
    yield browser
    assert browser.complaints == []


def fits(page, width: int) -> None:
    """Nothing is wider than the window."""
    page.resize(width, HEIGHT)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wider = f"[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > {width})"
    # What is only for screen readers is clipped.
    seen = f"{wider}.filter(e => !e.closest('thead, caption')).map(e => e.outerHTML.slice(0, 80))"
    assert page.evaluate(seen) == []


def test_it_is_drawn_with_its_own_style_alone_and_fits_any_width(cluster, key_set, page):
    page.open(cluster.operations + "/")
    heading = page.evaluate("document.querySelector('h1').textContent")
    assert heading == "All is well: tokens are minted, and relying parties can verify them."
    assert page.evaluate("document.title").startswith("Good · ")
    text = page.evaluate("document.body.innerText")
    assert cluster.issuer in text
    assert key_set["keys"][0]["kid"] in text
    # Its policy lets its style through, or the verdict had no edge.
    edge = "getComputedStyle(document.querySelector('.verdict')).borderLeftStyle"
    assert page.evaluate(edge) == "solid"
    # Drawn, and as wide as there is room.
    drawn = "document.querySelector('svg.life .signs').getBoundingClientRect().width"
    assert page.evaluate(drawn) > 300
    for width in WIDTHS:
        fits(page, width)
    names = "performance.getEntriesByType('resource').map(entry => entry.name)"
    assert [name for name in page.evaluate(names) if not name.startswith("data:")] == []


def test_a_screen_reader_is_told_headings_tables_and_drawings(cluster, page):
    page.open(cluster.operations + "/")
    outline = page.outline()
    for heading in ("Keys", "What relying parties read", "Tokens", "What minting depends on",
                    "Runners", "Last warnings"):
        assert ("heading", heading) in outline
    tables = {name for role, name in outline if role == "table"}
    assert {"When each key does what", "Minted, and refused by class", "As /readyz has it",
            "Those that need somebody first"} <= tables
    drawings = [name for role, name in outline if role in ("image", "img")]
    assert any("signs since" in name for name in drawings), outline


def test_it_follows_the_scheme_and_can_be_printed(cluster, page):
    page.open(cluster.operations + "/")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.prefer(scheme="dark")
    assert page.evaluate(ground) != light
    page.prefer(media="print")
    # The width of A4 at 96 dots an inch, without margins.
    fits(page, 700)


class Careless(http.server.BaseHTTPRequestHandler):
    """A page that runs what its policy forbids, and is too wide."""

    def do_GET(self):
        body = b"<link rel=icon href=data:,><script>1</script><div style='width:2000px'>wide</div>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Silence: the suite's own output is the report."""


def test_a_page_that_breaks_its_policy_or_is_too_wide_is_noticed(browser):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    browser.complaints.clear()
    try:
        browser.open(f"http://127.0.0.1:{server.server_port}/")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert any("Content Security Policy" in complaint for complaint in browser.complaints)
    with pytest.raises(AssertionError):
        fits(browser, WIDTHS[0])


class Copy(http.server.BaseHTTPRequestHandler):
    """A public copy that does not follow: what was put there first stays."""

    def do_GET(self):
        page = self.server.pages.get(self.path)
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(page or b"")))
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, *_):
        """Silence: the suite's own output is the report."""


@pytest.fixture
def stale():
    """A cluster whose relying parties read at a copy that nobody brings up to date."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Copy)
    server.daemon_threads = True
    server.pages = {}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    moneyer = pathlib.Path(os.environ["MONEYER_BIN_DIR"]).resolve() / "moneyer"
    settings = {
        "MONEYER__PUBLISH__VERIFY_URL": f"http://127.0.0.1:{server.server_port}",
        "MONEYER__PUBLISH__VERIFY_EVERY": "200ms",
    }
    try:
        with development.running(moneyer, settings) as cluster:
            key_set = documents.discover(cluster.issuer, cluster.issuer)
            for address in (cluster.issuer + documents.DISCOVERY_PATH, key_set):
                with urllib.request.urlopen(address, timeout=ANSWER_SECONDS) as answer:
                    server.pages[address.removeprefix(cluster.issuer)] = answer.read()
            yield cluster, moneyer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def status(cluster, is_so) -> dict:
    """What programs are told, once it is so."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        with urllib.request.urlopen(cluster.operations + "/status.json", timeout=ANSWER_SECONDS) as answer:
            view = json.load(answer)
        if is_so(view):
            return view
        assert time.monotonic() < deadline, view
        time.sleep(0.05)


def test_a_rotation_that_waits_says_so_and_what_to_do(stale, page):
    cluster, moneyer = stale
    # The copy was empty at first: that is the warning at the end of the page.
    status(cluster, lambda view: view["verdict"]["state"] == "good" and view["warnings"])
    for number in range(6):
        sandbox.token_from_socket(cluster, f"https://rp-{number}.example")
    subprocess.run([moneyer, "--config", cluster.config, "key", "prepare"],
                   check=True, capture_output=True, timeout=ANSWER_SECONDS)
    view = status(cluster, lambda view: view["verdict"]["state"] == "attention")
    kid = view["keys"][1]["key_id"]
    assert view["rotations"][0]["waits_for"] == "publication"
    assert view["warnings"][0]["message"].startswith("relying parties may not be served")

    page.open(cluster.operations + "/")
    heading = page.evaluate("document.querySelector('h1').textContent")
    assert heading == f"Tokens are minted. Key {kid[:12]}… waits for the public copy."
    assert page.evaluate("document.title").startswith("Attention · ")
    assert "moneyer publish now" in page.evaluate("document.querySelector('.verdict pre').innerText")
    assert page.evaluate("document.querySelectorAll('svg.life').length") == 2
    for width in WIDTHS:
        fits(page, width)
    picture = page.picture()
    assert picture[8:12] == b"WEBP"
    if keep := os.environ.get("STATUS_PAGE_PICTURE"):
        pathlib.Path(keep).write_bytes(picture)
