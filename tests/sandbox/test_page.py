"""The sandbox's page for trying the action, in a real browser and over HTTP."""

import json
import re
import signal
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from sandbox.github.server import GitHub
from sandbox.page.markdown import as_github_shows
from sandbox.page.pull_request import PUSHES
from sandbox.page.server import PageServer
from sandbox.stormkit.builds import Build, Step
from sandbox.stormkit.server import Stormkit
from tools.pictures.browser import CHROMIUM, Browser

_ATTRIBUTE = re.compile(r'[\w-]+="[^"]*"')

in_a_browser = pytest.mark.skipif(not CHROMIUM, reason="Chromium is needed: apt-get install chromium")


@pytest.fixture
def page(monkeypatch):
    for button in ("push", "push-failing"):
        monkeypatch.setitem(PUSHES, button, replace(PUSHES[button], seconds=2.0))
    with Stormkit() as stormkit, GitHub() as github, PageServer(stormkit, github) as server:
        yield server


@pytest.fixture
def browser(page):
    with Browser() as browser:
        browser.open(page.url)
        yield browser


def press(browser, button):
    browser.press(f"[data-press={button}]")


def conclusion(browser, run):
    """Wait until a run (the first is 1) has ended, and return its conclusion."""
    browser.wait_for(
        "!document.querySelector('[data-press=rerun]').disabled"
        f" && document.getElementById('run').textContent.includes('run {run}')"
    )
    return browser.evaluate("document.querySelector('#run .badge').textContent")


def comment(browser):
    return browser.evaluate("document.getElementById('comments').innerText")


@in_a_browser
def test_a_pull_request_gets_a_comment_with_a_working_preview_link(browser):
    press(browser, "open")
    browser.wait_for("document.getElementById('log').textContent.includes('Started deployment')")
    browser.wait_for("document.getElementById('comments').innerText.includes('Building')")
    assert conclusion(browser, "1") == "success"
    assert "Ready" in comment(browser)
    assert "View deployment" in browser.text()
    assert "preview-url" in browser.evaluate("document.getElementById('outputs').innerText")
    assert "Stormkit deployment" in browser.evaluate("document.getElementById('summary').innerText")
    link = browser.evaluate("[...document.querySelectorAll('#comments a')].find(a => /preview/.test(a.innerText)).href")
    browser.open(link)
    browser.wait_for("document.querySelector('h1') && document.querySelector('h1').innerText === 'Hello, world!'")


@in_a_browser
def test_a_job_log_link_leads_to_the_log_on_the_page(page, browser):
    press(browser, "open")
    assert conclusion(browser, "1") == "success"
    browser.evaluate("[...document.querySelectorAll('#comments a')].find(a => a.innerText === 'Job log').click()")
    assert browser.evaluate("document.activeElement.id") == "log"
    assert browser.evaluate("location.href") == f"{page.url}/"


@in_a_browser
def test_a_page_whose_sandbox_has_ended_says_so_and_disables_its_buttons(serve):
    server = serve("--stormkit-port", "0", "--github-port", "0", "--page-port", "0")
    address = re.match(r"Open (\S+) ", server.stdout.readline())[1]
    with Browser() as browser:
        browser.open(address)
        browser.wait_for("document.querySelectorAll('button:enabled').length")
        server.send_signal(signal.SIGINT)
        browser.wait_for("document.getElementById('about').innerText.includes('start it again')")
        assert not browser.evaluate("document.querySelectorAll('button:enabled').length")


@in_a_browser
def test_one_comment_shows_a_failure_a_cancel_and_the_removal(browser):
    press(browser, "open")
    assert conclusion(browser, "1") == "success"
    press(browser, "push-failing")
    assert conclusion(browser, "2") == "failure"
    assert "Failed" in comment(browser)
    assert "Last good preview" in comment(browser)
    press(browser, "push-slow")
    browser.wait_for("document.getElementById('run').textContent.includes('run 3')")
    browser.wait_for("document.getElementById('log').textContent.includes('Started deployment')")
    press(browser, "cancel")
    assert conclusion(browser, "3") == "cancelled"
    assert "Cancelled" in comment(browser)
    press(browser, "close")
    assert conclusion(browser, "4") == "success"
    assert "Removed" in comment(browser)
    assert browser.evaluate("document.querySelectorAll('#comments article').length") == 1
    assert "View deployment" not in browser.text()


@in_a_browser
def test_a_preview_is_published_and_rolled_back(browser):
    for run, button in enumerate(("open", "publish", "push", "publish", "rollback"), start=1):
        press(browser, button)
        assert conclusion(browser, run) == "success"
        # A rollback makes an older commit live, which is not the branch's newest.
        matches = re.search(r"commit-matches\s+(\w+)", browser.text())[1]
        assert matches == ("false" if button == "rollback" else "true")
    assert "Live" in comment(browser)
    live, outputs = browser.evaluate("['live', 'outputs'].map((id) => document.getElementById(id).innerText)")
    assert live == f"deployment {re.search(r'deployment-id.(.+)', outputs, re.DOTALL)[1].split()[0]}"


@in_a_browser
def test_a_rerun_is_a_second_attempt_of_the_same_run(browser):
    press(browser, "open")
    assert conclusion(browser, "1") == "success"
    press(browser, "rerun")
    assert conclusion(browser, "1, attempt 2") == "success"


def send(page, path, *, method="GET", **headers):
    request = urllib.request.Request(f"{page.url}{path}", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_other_websites_can_neither_press_buttons_nor_read_the_page(page):
    assert send(page, "/press/open", method="POST", Origin="https://evil.example")[0] == 403
    assert send(page, "/press/open", method="POST", Host="evil.example")[0] == 403
    assert send(page, "/state", Host="evil.example")[0] == 403
    assert "not opened" in json.loads(send(page, "/state")[1])["parts"]["about"]


def test_the_page_can_be_opened_as_localhost(page):
    localhost = page.url.replace("127.0.0.1", "localhost").removeprefix("http://")
    assert send(page, "/press/open", method="POST", Host=localhost, Origin=page.url)[0] == 403
    assert send(page, "/press/open", method="POST", Host=localhost, Origin=f"http://{localhost}")[0] == 204


def test_a_button_that_is_not_available_is_refused(page):
    assert send(page, "/press/close", method="POST")[0] == 409
    assert send(page, "/press/nothing", method="POST")[0] == 409


def test_hostile_text_does_not_become_html_on_the_page(page, monkeypatch):
    hostile = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
    steps = (Step(title=hostile, message=f"{hostile}\n##[error]{hostile}\n"),)
    monkeypatch.setitem(PUSHES, "push", Build(seconds=0.2, steps=steps))
    page.pull_request.press("open")
    page.pull_request.content.title = hostile
    page.pull_request.runs[0].title = hostile
    assert page.pull_request.runs[0].ended.wait(60)
    parts = page.parts()
    assert "alert(1)" in parts["log"]
    assert [name for name, html in parts.items() if "<img" in html or "<script" in html] == []


def test_the_page_shows_no_secret(page):
    page.pull_request.press("open")
    assert page.pull_request.runs[0].ended.wait(60)
    shown = json.dumps(page.parts())
    assert "Started deployment" in shown
    assert "SK_sandbox" not in shown
    assert "ghs_sandbox" not in shown


def test_a_running_workflow_is_cancelled_when_the_page_is_closed():
    with Stormkit() as stormkit, GitHub() as github:
        with PageServer(stormkit, github) as page:
            page.pull_request.press("open")
        assert page.pull_request.runs[0].state == "cancelled"


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**bold** <b>too</b>", "<p><strong>bold</strong> <b>too</b></p>"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ('<b onclick="alert(1)">x</b>', "<p><b>x</b></p>"),
        ('<a href="javascript:alert(1)">x</a>', '<p><a rel="noopener noreferrer" target="_blank">x</a></p>'),
        ("<style>p {}</style>", "&lt;style&gt;p {}&lt;/style&gt;"),
    ],
)
def test_the_page_keeps_only_the_html_that_github_keeps(markdown, html):
    shown = as_github_shows(markdown)
    assert _with_sorted_attributes(shown.strip()) == _with_sorted_attributes(html)


def _with_sorted_attributes(html):
    """The HTML with each element's attributes in alphabetical order, which is not defined otherwise."""

    def sort_attributes(tag):
        return f"<{tag[1]} {' '.join(sorted(_ATTRIBUTE.findall(tag[2])))}>"

    return re.sub(r'<(\w+)((?: [\w-]+="[^"]*")+)>', sort_attributes, html)
