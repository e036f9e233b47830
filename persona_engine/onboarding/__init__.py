"""Onboarding: the question bank, which question to ask next, and the default population."""

from persona_engine.onboarding.attributes import Attribute, bank_attributes
from persona_engine.onboarding.bank import (
    STYLES,
    Style,
    bank_hash,
    question_bank,
    replies,
)
from persona_engine.onboarding.bank_features import BankFeatures, content_key, encode_bank
from persona_engine.onboarding.blend_features import load_blend_features
from persona_engine.onboarding.blends import all_questions, blends, question
from persona_engine.onboarding.choose import (
    LEAST_GAIN,
    Chosen,
    check_least_gain,
    choose,
    confidence,
    next_question,
)
from persona_engine.onboarding.criteria import (
    Criterion,
    check_criterion,
    d_optimality,
    information_gain,
    pref_score,
)
from persona_engine.onboarding.default_population import (
    DefaultPopulation,
    fit_default,
    fit_to_bank,
)
from persona_engine.onboarding.generated import draw_replies, most_telling
from persona_engine.onboarding.interview import PATIENCE, QUESTIONS, Interview, Material, Plan
from persona_engine.onboarding.judge import Crowd
from persona_engine.onboarding.pools import OWN, Pool, answered, questions_of
from persona_engine.onboarding.shipped import load_shipped, write
from persona_engine.onboarding.synthetic_users import draw_tastes, probability_of_a
from persona_engine.onboarding.tastes import in_words, tastes

__all__ = [
    "LEAST_GAIN",
    "OWN",
    "PATIENCE",
    "QUESTIONS",
    "STYLES",
    "Attribute",
    "BankFeatures",
    "Chosen",
    "Criterion",
    "Crowd",
    "DefaultPopulation",
    "Interview",
    "Material",
    "Plan",
    "Pool",
    "Style",
    "all_questions",
    "answered",
    "bank_attributes",
    "bank_hash",
    "blends",
    "check_criterion",
    "check_least_gain",
    "choose",
    "confidence",
    "content_key",
    "d_optimality",
    "draw_replies",
    "draw_tastes",
    "encode_bank",
    "fit_default",
    "fit_to_bank",
    "in_words",
    "information_gain",
    "load_blend_features",
    "load_shipped",
    "most_telling",
    "next_question",
    "pref_score",
    "probability_of_a",
    "question",
    "question_bank",
    "questions_of",
    "replies",
    "tastes",
    "write",
]
