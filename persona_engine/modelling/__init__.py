"""What reward models have in common: the likelihood of comparisons, and how it is fitted.

Public to plugins. Every likelihood here takes a strength and a soft target for each comparison, so
that a plugin built on it handles ties, label noise and weighted sources without a line of its own.
"""

from persona_engine.modelling.attribute_heads import AttributeHeads, fit_attribute_heads
from persona_engine.modelling.checks import (
    require_at_least,
    require_fit,
    require_share,
    require_width,
)
from persona_engine.modelling.crowd import CrowdPosteriors, infer_in_span
from persona_engine.modelling.differences import Differences, Doubles, principal_differences
from persona_engine.modelling.head_mixture import HeadMixtureModel
from persona_engine.modelling.heads import head_log_likelihood, head_metric, mix_heads
from persona_engine.modelling.labels import with_label_noise
from persona_engine.modelling.large_k_means import k_means_of_many
from persona_engine.modelling.leave_out import WithoutRows, leave_out, without_user
from persona_engine.modelling.linear_latent import LinearLatentModel
from persona_engine.modelling.logistic import (
    RIDGES,
    choose_ridge,
    fit_ridge,
    folds_of_users,
    held_out_loss,
    laplace_covariance,
    minimise,
    pair_loss,
    residual,
    sigmoid,
    softmax,
)
from persona_engine.modelling.training import Schedule, Trained, train
from persona_engine.modelling.user_mixture import (
    Crowd,
    FittedGroups,
    Groups,
    crowd_of,
    expectation_maximisation,
    fit_groups,
    k_means,
    log_sum,
    responsibilities,
)

__all__ = [
    "RIDGES",
    "AttributeHeads",
    "Crowd",
    "CrowdPosteriors",
    "Differences",
    "Doubles",
    "FittedGroups",
    "Groups",
    "HeadMixtureModel",
    "LinearLatentModel",
    "Schedule",
    "Trained",
    "WithoutRows",
    "choose_ridge",
    "crowd_of",
    "expectation_maximisation",
    "fit_attribute_heads",
    "fit_groups",
    "fit_ridge",
    "folds_of_users",
    "head_log_likelihood",
    "head_metric",
    "held_out_loss",
    "infer_in_span",
    "k_means",
    "k_means_of_many",
    "laplace_covariance",
    "leave_out",
    "log_sum",
    "minimise",
    "mix_heads",
    "pair_loss",
    "principal_differences",
    "require_at_least",
    "require_fit",
    "require_share",
    "require_width",
    "residual",
    "responsibilities",
    "sigmoid",
    "softmax",
    "train",
    "with_label_noise",
    "without_user",
]
