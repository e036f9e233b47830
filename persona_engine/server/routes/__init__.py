"""The routes, one module for each kind of thing; each names its scope of key."""

from fastapi import APIRouter

from persona_engine.server.routes import chat, health, models

ROUTERS: tuple[APIRouter, ...] = (health.router, models.router, chat.router)
"""Every router of the server, in the order in which the OpenAPI document lists them."""
