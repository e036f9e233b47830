"""The conformance suite of reward models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from persona_engine.testing import (
    crowd_checks,
    history_checks,
    inference_checks,
    joint_checks,
    scoring_checks,
    state_checks,
    unlearning_checks,
)
from persona_engine.testing.kit import BoundCheck, Check, bind, name_of
from persona_engine.testing.source_checks import require_light_import, require_teaching_docstring
from persona_engine.testing.subjects import RewardModelFactory, RewardModelSubject


def import_is_light(subject: RewardModelSubject) -> None:
    """Import without torch, transformers, faiss and sqlalchemy."""
    require_light_import(type(subject.model))


def docstring_teaches(subject: RewardModelSubject) -> None:
    """Give formula and reference in the docstring of the class."""
    require_teaching_docstring(type(subject.model))


REWARD_MODEL_CHECKS: Mapping[str, Check[RewardModelSubject]] = MappingProxyType(
    {
        check.__name__: check
        for check in (
            inference_checks.shapes_and_types,
            inference_checks.prior_is_shared_and_finite,
            inference_checks.inference_is_repeatable,
            inference_checks.order_is_irrelevant,
            inference_checks.update_agrees_with_infer,
            inference_checks.update_keeps_what_was_learned,
            inference_checks.spread_does_not_grow,
            inference_checks.evidence_narrows_the_spread,
            inference_checks.zero_weight_is_no_evidence,
            inference_checks.strange_evidence_is_survived,
            scoring_checks.logit_is_antisymmetric,
            scoring_checks.a_reply_ties_with_itself,
            scoring_checks.logits_agree_with_logit,
            scoring_checks.score_agrees_with_logit,
            scoring_checks.shared_preference_is_found,
            scoring_checks.personal_preference_is_found,
            scoring_checks.neighbours_want_alike,
            scoring_checks.foreign_posteriors_are_refused,
            state_checks.population_survives_storage,
            state_checks.posterior_survives_storage,
            state_checks.users_do_not_leak,
            crowd_checks.crowds_agree_with_infer,
            state_checks.threads_do_not_mix_users,
            state_checks.arguments_stay_unchanged,
            state_checks.fit_is_deterministic,
            state_checks.small_data_is_survived,
            history_checks.histories_are_compared,
            unlearning_checks.unlearning_takes_the_user_out,
            joint_checks.joint_logits_agree_with_logit,
            import_is_light,
            docstring_teaches,
        )
    }
)


def reward_model_checks(
    factory: RewardModelFactory, *, checks: Iterable[str] | None = None
) -> tuple[BoundCheck[RewardModelSubject], ...]:
    """Return the checks of a reward model, each to be called; they share one fit.

    Args:
        factory: Makes an instance; called without arguments, several times.
        checks: Names of `REWARD_MODEL_CHECKS`; all of them if omitted.

    Raises:
        InvalidInputError: There is no check of such a name.
    """
    subject = RewardModelSubject(factory)
    return bind(REWARD_MODEL_CHECKS, subject, name_of(factory), checks)


def check_reward_model(factory: RewardModelFactory, *, checks: Iterable[str] | None = None) -> None:
    """Run the checks of a reward model, in order, up to the first that it does not pass.

    Raises:
        ConformanceError: A check failed; the message names it, the plugin, and what to do.
        InvalidInputError: There is no check of such a name.
    """
    for check in reward_model_checks(factory, checks=checks):
        check()
