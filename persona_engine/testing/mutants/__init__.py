"""Wrong reward models, made from a right one, to see whether the kit catches each.

Mutation testing (DeMillo, Lipton & Sayward 1978, "Hints on test data selection"): a check that no
mutant fails proves nothing. `MUTANTS` names, for each mutant, the check that must catch it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from persona_engine.interfaces import RewardModel
from persona_engine.testing.mutants import beliefs, histories, joint, replies, state, unlearning
from persona_engine.testing.mutants.wrapper import Unchanged

__all__ = ["MUTANTS", "Unchanged", "mutate"]

MUTANTS: Mapping[type[Unchanged], str] = MappingProxyType(
    {
        beliefs.FlipsTheEvidence: "personal_preference_is_found",
        beliefs.LearnsTheOpposite: "shared_preference_is_found",
        beliefs.IgnoresEvidence: "personal_preference_is_found",
        beliefs.TrustsTheLatest: "order_is_irrelevant",
        beliefs.IgnoresWeights: "zero_weight_is_no_evidence",
        beliefs.DrawsAtRandom: "inference_is_repeatable",
        beliefs.PriorOfWhoeverCameFirst: "prior_is_shared_and_finite",
        beliefs.UndefinedPrior: "prior_is_shared_and_finite",
        beliefs.GrowsUnsure: "spread_does_not_grow",
        beliefs.NeverGetsSurer: "evidence_narrows_the_spread",
        beliefs.ForgetsOnUpdate: "update_keeps_what_was_learned",
        beliefs.CountsUpdatesTwice: "update_agrees_with_infer",
        beliefs.CountsNothing: "shapes_and_types",
        beliefs.DividesByTheDifference: "strange_evidence_is_survived",
        replies.FlipsTheSign: "personal_preference_is_found",
        replies.FavoursTheFirst: "logit_is_antisymmetric",
        replies.JudgesAllAlike: "logits_agree_with_logit",
        replies.AddsSpreads: "a_reply_ties_with_itself",
        replies.ScoresOnAnotherScale: "score_agrees_with_logit",
        replies.ScoresPairsBackwards: "score_agrees_with_logit",
        replies.AnswersInDoubles: "shapes_and_types",
        replies.AcceptsForeigners: "foreign_posteriors_are_refused",
        replies.EmbedsAllAlike: "neighbours_want_alike",
        replies.EmbedsByChance: "neighbours_want_alike",
        replies.SaysNothing: "docstring_teaches",
        state.LeaksBetweenUsers: "users_do_not_leak",
        state.PadsWithTheNextUser: "users_do_not_leak",
        state.ShiftsTheCrowd: "crowds_agree_with_infer",
        state.ScoresTheAverageUser: "users_do_not_leak",
        state.RemembersTheLastUser: "inference_is_repeatable",
        state.WorksOnTheInstance: "threads_do_not_mix_users",
        state.ChangesEvidence: "arguments_stay_unchanged",
        state.ChangesTheData: "arguments_stay_unchanged",
        state.UpdatesInPlace: "arguments_stay_unchanged",
        state.KeepsThePopulation: "population_survives_storage",
        state.KeepsObjects: "population_survives_storage",
        state.KeepsBeliefs: "posterior_survives_storage",
        state.FitsAtRandom: "fit_is_deterministic",
        state.SpoilsTheGlobalGenerator: "fit_is_deterministic",
        state.BreaksOnLittle: "small_data_is_survived",
        histories.FindsAllAnswersLikely: "histories_are_compared",
        histories.RemembersBeforeTheStart: "histories_are_compared",
        unlearning.UnlearnsNobody: "unlearning_takes_the_user_out",
        unlearning.UnlearnsEverybody: "unlearning_takes_the_user_out",
        joint.ForgetsTheSharedDoubt: "joint_logits_agree_with_logit",
        joint.LosesTheSign: "joint_logits_agree_with_logit",
    }
)


def mutate(
    mutant: type[Unchanged], factory: Callable[[], RewardModel]
) -> Callable[[], RewardModel]:
    """Return a factory of the mutant of what another factory makes, named after both."""

    def make() -> RewardModel:
        return mutant(factory())

    make.__name__ = f"{mutant.__name__}({getattr(factory, '__name__', factory)})"
    return make
