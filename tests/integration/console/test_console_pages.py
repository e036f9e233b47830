"""The console's pages in a real browser: by keyboard and pointer, on wide and narrow screens."""

from __future__ import annotations

import json

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

PAGES = {
    "users": ("/console/users", "#map svg"),
    "user": ("/console/user?id=user-01", "#next table"),
    "models": ("/console/models", "#adapters table"),
    "evaluation": ("/console/evaluation", "#curve svg"),
}


def opened(page, name):
    """Go to a page, and wait until it shows what it is for."""
    address, sign = PAGES[name]
    page.goto(address)
    page.wait_for_selector(sign)
    return page


def status(page, scope="body"):
    """Return what the live regions say."""
    regions = page.locator(f"{scope} [role=status]")
    return " ".join(regions.all_inner_texts())


def test_a_key_opens_the_console_and_signing_out_closes_it(browse, served):
    page = browse(signed_in=False)
    page.goto("/console/user?id=user-01")
    assert page.url.endswith("/console/login?next=%2Fconsole%2Fuser%3Fid%3Duser-01")
    page.get_by_label("API key").fill("persona_wrong")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    assert "unknown" in page.get_by_role("alert").inner_text()
    chat = served.engine.store.api_keys.create("default", label="chat", scopes=["chat"])
    page.get_by_label("API key").fill(chat.secret)
    page.keyboard.press("Enter")
    page.get_by_text("lacks the scope admin").wait_for()
    page.get_by_label("API key").fill(served.key)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="user-01").wait_for()
    cookie = next(each for each in page.context.cookies() if "session" in each["name"])
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert page.locator("#tenant").inner_text().endswith("default")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/console/login*")
    page.goto("/console/models")
    assert "/console/login?next=" in page.url
    page.watch.forget("status of 40[13]")


def test_nobody_is_sent_elsewhere_after_signing_in(browse, served):
    page = browse(signed_in=False)
    page.goto("/console/login?next=https://example.com/console/")
    page.get_by_label("API key").fill(served.key)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{served.url}/console/users")


def test_users_stand_on_a_map_beside_the_list_that_leads_to_them(browse, served, picture):
    page = opened(browse(), "users")
    names = [each.name for each in served.engine.clusters().clusters]
    assert page.locator("#map .dot").count() == 20
    assert page.locator("#map .area").count() == len(names)
    assert [each.strip() for each in page.locator("#areas li span").all_inner_texts()][::2] == names
    assert "20 users" in page.locator("#map svg").get_attribute("aria-label")
    picture(page, "users-wide-light")
    page.get_by_label("Name contains").press_sequentially("R-1")
    playwright.expect(page.locator("#people li")).to_have_count(10)
    assert "10 users" in status(page)
    page.get_by_label("Name contains").press_sequentially("zzz")
    page.get_by_text("Nobody’s name contains").wait_for()
    page.get_by_label("Name contains").fill("user-07")
    playwright.expect(page.locator("#people li")).to_have_count(1)
    page.keyboard.press("Tab")  # from the field to the list
    page.wait_for_selector("#map .lit")
    assert page.locator("#map .map-name").text_content() == "user-07"
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="user-07").wait_for()


def test_a_dot_leads_to_its_user(browse):
    page = opened(browse(), "users")
    dot = page.locator("#map .dot").last  # nothing lies above it
    dot.hover()
    name = page.locator("#map .map-name").text_content()
    dot.click()
    page.get_by_role("heading", name=name).wait_for()


def test_instructions_are_added_reworded_taken_back_and_undone_by_keyboard(browse, served):
    page = opened(browse(), "user")
    user = served.engine.user("user-01")
    page.get_by_label("Add one in the person").focus()
    page.keyboard.type("Be brief <b>please</b>.")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Kept: “Be brief <b>please</b>.”").wait_for()
    page.get_by_role("button", name="Reword: Be brief").press("Enter")
    page.get_by_label("New words").fill("Be brief.")
    page.get_by_role("button", name="Save").press("Enter")
    page.get_by_text("Reworded").wait_for()
    assert [each.text for each in user.instructions()] == [
        "Answer in British English.",
        "Be brief.",
    ]
    page.get_by_role("button", name="Retract: Be brief.").press("Enter")
    page.get_by_text("Taken back").wait_for()
    page.locator("#history-box summary").press("Enter")
    page.get_by_role("button", name="Undo: Be brief.", exact=True).press("Enter")
    page.get_by_text("Undone.", exact=True).wait_for()
    assert len(user.instructions()) == 2
    assert "History (3 entries)" in page.locator("#history-box summary").inner_text()


def test_a_user_page_tells_tastes_comparisons_and_what_to_ask(browse, picture):
    page = opened(browse(), "user")
    assert "±" in page.locator("#tastes td.number").first.inner_text()
    assert page.locator("#tastes th[scope=row]").count() > 3
    assert page.locator("#comparisons .duels > li").count() == 5
    page.get_by_role("button", name="Show more").click()
    playwright.expect(page.locator(".duels > li")).to_have_count(8)
    assert page.locator("#next tbody tr").count() > 0
    assert "expects to be right about" in page.locator("#next").inner_text()
    picture(page, "user-wide-light")


def test_what_is_kept_is_exported_and_the_person_forgotten_with_a_receipt(browse, served, picture):
    page = opened(browse(), "user")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    exported = json.loads(download.value.path().read_text())
    assert exported["user"] == "user-01"
    page.get_by_role("button", name="Forget").first.press("Enter")
    page.get_by_label("Type the user’s name").fill("user-1")
    page.keyboard.press("Enter")
    page.get_by_text("That is not the name").wait_for()
    assert served.engine.user("user-01").is_known()
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0
    page.get_by_role("button", name="Forget").first.press("Enter")
    page.get_by_label("Type the user’s name").fill("user-01")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="user-01 is forgotten").wait_for()
    assert not served.engine.user("user-01").is_known()
    picture(page, "receipt-wide-light")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the receipt").click()
    receipt = json.loads(download.value.path().read_text())
    assert receipt["rows"]["comparison"] == 8
    assert receipt["sha256"] in page.locator("main").inner_text()


def test_a_user_who_is_not_there_is_said_to_be(browse):
    page = browse()
    page.goto("/console/user?id=nobody")
    page.get_by_text("no user 'nobody'").wait_for()
    assert page.locator("#page").is_hidden()
    page.watch.forget("status of 404")


def test_populations_and_adapters_are_published_and_rolled_back(browse, served, picture):
    engine = served.engine
    (first,) = engine.populations()
    engine.user("user-03").compare("What?", "warm", "cold")
    second = engine.fit()
    page = opened(browse(), "models")
    rows = page.locator("#populations tbody tr")
    assert second.population in rows.first.inner_text()
    assert "in use" in rows.first.inner_text()
    assert "%" in rows.first.locator("td").nth(1).inner_text()
    picture(page, "models-wide-light")
    page.get_by_role("button", name=f"Roll back the population {second.population}").press("Enter")
    page.get_by_role("button", name="Cancel").press("Enter")
    assert [each.published for each in engine.populations()] == [False, True]
    page.get_by_role("button", name=f"Roll back the population {second.population}").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Roll back").press("Enter")
    page.locator("#status").get_by_text("The version before it is in use").wait_for()
    assert [each.version for each in engine.populations() if each.published] == [first.version]
    new, old = (each.version for each in reversed(engine.adapters().versions()))
    page.get_by_role("button", name=f"Roll back the adapter {new}").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    page.locator("#status").get_by_text("before it serves again").wait_for()
    assert [each.version for each in engine.adapters().versions() if each.published] == [old]
    page.get_by_role("button", name=f"Unpublish the adapter {old}").click()
    page.get_by_role("dialog").get_by_role("button", name="Unpublish").click()
    page.locator("#status").get_by_text("The base model serves").wait_for()
    assert not any(each.published for each in engine.adapters().versions())


def test_the_report_is_drawn_and_told(browse, served, picture):
    page = opened(browse(), "evaluation")
    assert page.locator("#curve polyline").count() == 2
    assert page.locator("#rows tbody tr").count() == 4
    assert "0.680 ± 0.010" in page.locator("#rows").inner_text()
    picture(page, "evaluation-wide-light")


def test_a_tenant_without_anything_sees_what_to_do(browse, served, picture):
    other = served.engine.store.api_keys.create("empty", label="other", scopes=["admin"])
    served.key = other.secret
    page = browse("phone")
    page.get_by_text("No users yet.").wait_for()
    page.get_by_text("no population is published").wait_for()
    picture(page, "empty-phone-light")
    page.goto("/console/models")
    for words in ("No population yet", "No clusters in use", "No adapters yet"):
        page.get_by_text(words).wait_for()
    page.goto("/console/user?id=user-01")  # somebody of the other tenant
    page.get_by_text("no user 'user-01'").wait_for()
    page.watch.forget("status of 404")


def test_without_a_language_model_the_chat_says_so(browse):
    page = browse()
    page.goto("/console/chat?user=user-01")
    page.get_by_text("without a language model").wait_for()


def test_the_frame_leads_by_keyboard(browse):
    page = opened(browse(), "users")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    current = page.locator("nav [aria-current=page]")
    assert current.inner_text().strip() == "Users"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [("phone", "light"), (320, "dark"), ("wide", "dark")])
def test_pages_fit_their_screen_in_both_schemes(browse, picture, name, width, scheme):
    page = opened(browse(width, scheme), name)
    reach = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert reach <= 0
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = sum(int(each) for each in ground[4:-1].split(",")) / 3
    assert (lightness > 128) == (scheme == "light")
    picture(page, f"{name}-{width}-{scheme}")
