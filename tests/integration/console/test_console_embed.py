"""The page that a product embeds: for one user, by a short link, in frames of named origins."""

from __future__ import annotations

import http.server
import threading
from dataclasses import replace
from urllib.parse import unquote

import httpx
import pytest

from persona_engine.server.console.tokens import Sitting


@pytest.fixture
def product():
    """A product's site on another origin, which frames whatever its query names."""

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            page = (
                f'<!doctype html><title>x</title><iframe src="{unquote(self.path[2:])}"></iframe>'
            )
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def settings(product):
    """Of the server: the product may frame the page."""
    return {"embed_origins": (product,)}


def link(served, user="newcomer", **asked):
    made = httpx.post(
        f"{served.url}/api/v1/users/{user}/onboarding-link",
        json=asked,
        headers={"Authorization": f"Bearer {served.key}"},
    )
    assert made.status_code == 201, made.text
    return made.json()


def test_a_newcomer_answers_in_a_frame_of_the_product(browse, served, product, picture):
    page = browse("phone", signed_in=False, watched=False)
    page.goto(f"{product}/?{served.url}{link(served, questions=3)['path']}".replace("#", "%23"))
    frame = page.frame_locator("iframe")
    frame.get_by_text("Question 1 of at most 3").wait_for()
    frame.get_by_role("button", name="A", exact=False).first.click()
    frame.get_by_text("Question 2 of at most 3").wait_for()
    before = frame.locator("#prompt").inner_text()
    frame.get_by_role("button", name="Skip").press("Enter")
    frame.locator("#prompt", has_not_text=before).wait_for()
    frame.get_by_role("button", name="No difference").press("Enter")
    frame.get_by_text("Question 3 of at most 3").wait_for()
    frame.locator("#title").press("2")
    frame.get_by_role("heading", name="Thank you").wait_for()
    answers = served.engine.user("newcomer").comparisons()
    assert [each.tie for each in answers] == [False, True, False]


def test_it_is_framed_by_nobody_else(browse, served, product):
    page = browse(signed_in=False, watched=False)
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    elsewhere = product.replace("127.0.0.1", "localhost")  # another origin
    page.goto(f"{elsewhere}/?{served.url}/embed/onboarding")
    page.wait_for_timeout(300)
    assert any("frame-ancestors" in each for each in refused)


def test_the_page_stands_alone_too_and_tells_no_style(browse, served, picture):
    page = browse("phone", "dark", signed_in=False)
    page.goto(link(served)["path"])
    page.get_by_text("Question 1 of at most 4").wait_for()
    picture(page, "onboarding-phone-dark")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.keyboard.press("a")
    page.get_by_text("Question 2 of at most 4").wait_for()
    assert len(served.engine.user("newcomer").comparisons()) == 1


def test_a_link_is_for_one_user_for_some_minutes_and_ends_with_its_key(served):
    token = link(served, "ann")["token"]
    address = f"{served.url}/embed/api/onboarding"

    def ask(token, **body):
        return httpx.post(address, json=body, headers={"Authorization": f"Bearer {token}"})

    first = ask(token)
    assert first.status_code == 200
    question = first.json()["question"]
    assert set(question) == {"id", "prompt", "a", "b"}
    for _ in range(2):  # sent twice it is one answer
        told = ask(token, question=question["id"], choice="a").json()
        assert told["answered"] == 1
    assert ask(token, question="none", choice="a").status_code == 404
    assert ask("none", question=question["id"], choice="a").status_code == 401
    assert ask(token[:-2] + "xx").status_code == 401
    assert ask(f"{token.partition('.')[0]}.").status_code == 401
    elsewhere = f"{served.url}/api/v1/users/ann"
    assert httpx.get(elsewhere, headers={"Authorization": f"Bearer {token}"}).status_code == 401
    keys = served.engine.store.api_keys
    for each in keys.list("default"):
        keys.revoke("default", each.id)
    assert ask(token).status_code == 401


def test_a_token_says_what_it_allows_and_nobody_can_change_it():
    sitting = Sitting("t", "üser/1", "k", 4, 1.0, 60.0)
    token = sitting.token(b"secret")
    assert Sitting.of(token, b"secret", now=59.0) == sitting
    content = replace(sitting, user="other").token(b"x").partition(".")[0]
    forged = f"{content}.{token.partition('.')[2]}"
    for wrong in (forged, "", ".", "a.b", token + "=", "\udcff." + token):
        assert Sitting.of(wrong, b"secret", now=0.0) is None
    assert Sitting.of(token, b"secret", now=60.0) is None
