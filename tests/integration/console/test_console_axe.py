"""What axe-core finds on the console's pages: nothing serious, in light and in dark."""

from __future__ import annotations

import pytest

PAGES = {
    "users": ("/console/users", "#areas li"),
    "user": ("/console/user?id=user-01", "#next table"),
    "chat": ("/console/chat?user=user-01", "#status .message"),
    "models": ("/console/models", "#adapters table"),
    "evaluation": ("/console/evaluation", "#curve svg"),
    "login": ("/console/login", "form"),
    "onboarding": ("/embed/onboarding", "#status .message"),
}


@pytest.fixture
def axe():
    """The checks, put into a page past its policy, which forbids just that."""
    found = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core")
    return found.Axe()


@pytest.mark.parametrize(("width", "scheme"), [("wide", "light"), ("phone", "dark")])
def test_no_page_has_a_serious_violation(browse, axe, width, scheme):
    page = browse(width, scheme, bypass_csp=True)
    faults = {}
    for name, (address, sign) in PAGES.items():
        page.goto(address)
        page.wait_for_selector(sign)
        for each in page.query_selector_all("details"):
            each.evaluate("node => (node.open = true)")
        found = axe.run(page).response["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        if serious:
            faults[name] = [
                (each["id"], [node["html"] for node in each["nodes"]][:3]) for each in serious
            ]
    assert faults == {}
    page.watch.forget("status of 401")  # the onboarding page without a link


def test_dialogs_have_none_either(browse, axe):
    page = browse("phone", bypass_csp=True)
    page.goto("/console/user?id=user-01")
    page.wait_for_selector("#next table")
    page.get_by_role("button", name="Forget").first.click()
    page.get_by_label("Type the user’s name").wait_for()
    found = axe.run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
