"""Onboarding: the question bank, which question to ask next, and the default population."""

from persona_engine.onboarding.attributes import Attribute, bank_attributes
from persona_engine.onboarding.bank import (
    STYLES,
    Style,
    bank_hash,
    question,
    question_bank,
    replies,
)
from persona_engine.onboarding.bank_features import BankFeatures, content_key, encode_bank
from persona_engine.onboarding.choose import information_gain, next_question
from persona_engine.onboarding.default_population import (
    DefaultPopulation,
    fit_default,
    fit_to_bank,
)
from persona_engine.onboarding.judge import Crowd
from persona_engine.onboarding.shipped import load_shipped, write
from persona_engine.onboarding.tastes import in_words, tastes

__all__ = [
    "STYLES",
    "Attribute",
    "BankFeatures",
    "Crowd",
    "DefaultPopulation",
    "Style",
    "bank_attributes",
    "bank_hash",
    "content_key",
    "encode_bank",
    "fit_default",
    "fit_to_bank",
    "in_words",
    "information_gain",
    "load_shipped",
    "next_question",
    "question",
    "question_bank",
    "replies",
    "tastes",
    "write",
]
