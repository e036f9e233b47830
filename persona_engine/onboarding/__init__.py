"""Onboarding: the question bank, which question to ask next, and the default population."""

from persona_engine.onboarding.bank import (
    STYLES,
    Style,
    bank_hash,
    question,
    question_bank,
    replies,
)

__all__ = ["STYLES", "Style", "bank_hash", "question", "question_bank", "replies"]
