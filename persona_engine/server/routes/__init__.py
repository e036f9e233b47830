"""The routes, one module for each kind of thing; each names its scope of key."""

from fastapi import APIRouter

from persona_engine.server.routes import (
    adapters,
    audit,
    chat,
    evaluation,
    health,
    instructions,
    models,
    onboarding,
    populations,
    preferences,
    users,
)

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    models.router,
    chat.router,
    users.router,
    preferences.router,
    instructions.router,
    onboarding.router,
    populations.router,
    adapters.router,
    evaluation.router,
    audit.router,
)
"""Every router of the server, in the order in which the OpenAPI document lists them."""
