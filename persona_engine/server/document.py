"""The OpenAPI document of the server."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI


class Described(FastAPI):
    """An app whose document says of each route what that answers.

    Bad input under ``/v1`` is 400, as OpenAI's API has it; FastAPI takes it for 422.
    """

    def openapi(self) -> dict[str, Any]:
        """Return the document."""
        document = super().openapi()
        for path, methods in document["paths"].items():
            if path.startswith("/v1/"):
                for method in methods.values():
                    method["responses"].pop("422", None)
        return document
