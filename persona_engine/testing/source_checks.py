"""Checks of how a plugin is written: a light import, and a docstring that teaches."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from persona_engine.testing.kit import require

HEAVY = ("torch", "transformers", "faiss", "sqlalchemy")
_REFERENCE = re.compile(r"\b(1[89]|20)\d\d\b|\b\d{4}\.\d{4,5}\b")
_FORMULA = re.compile(r"[\w)\]ᵀ²]\s*[=~∝≈]\s*[\w(‖√Σσ½−-]")


def require_light_import(plugin: type) -> None:
    """Raise unless the module of a class imports without anything heavy, in a fresh interpreter."""
    module = plugin.__module__
    remedy = f"import what is heavy inside the functions of {module} that use it"
    require(
        module != "__main__",
        "it is defined in __main__, which no other process can import",
        remedy="move it to a module",
    )
    code = (
        f"import sys; before = set(sys.modules); import {module}; "
        f"print(*sorted(({set(HEAVY)!r} & set(sys.modules)) - before))"
    )
    path = os.pathsep.join(each for each in sys.path if each)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    require(
        done.returncode == 0,
        f"importing {module} alone fails: {(done.stderr.splitlines() or [''])[-1]}",
        remedy="let the module import by itself",
    )
    require(not done.stdout.strip(), f"importing it loads {done.stdout.strip()}", remedy=remedy)


def require_teaching_docstring(plugin: type) -> None:
    """Raise unless the docstring of a class has a formula and a reference."""
    text = plugin.__doc__ or ""
    require(
        bool(_FORMULA.search(text)),
        f"the docstring of {plugin.__name__} has no formula",
        remedy="write the model as an equation, such as logit(a, b) = w·(a - b)",
    )
    require(
        bool(_REFERENCE.search(text)),
        f"the docstring of {plugin.__name__} has no reference",
        remedy="name authors and year, and the arXiv id where there is one",
    )
