"""The console: the engine in a browser, served by the same process, with nothing from elsewhere.

Its pages are static; what they show they read from the REST routes and, where a page needs a shape
of its own, from ``/console/api``. One page is for products to embed, ``/embed/onboarding``.
"""

from persona_engine.server.console import api, embed, pages

ROUTERS = (pages.router, api.router, embed.router, embed.links)
"""Every router of the console; only what programs call is in the OpenAPI document."""

__all__ = ["ROUTERS"]
