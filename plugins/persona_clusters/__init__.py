"""Groups of users with shared taste, from what each said and how sure that is."""

from collections.abc import Callable, Mapping

from persona_clusters.gaussian_mixture import GaussianMixture
from persona_clusters.kmeans import KMeans
from persona_engine.hookspecs import hookimpl
from persona_engine.interfaces import Clusterer

__all__ = ["GaussianMixture", "KMeans"]


@hookimpl
def persona_clusterers() -> Mapping[str, Callable[..., Clusterer]]:
    """Register ``gaussian_mixture`` and ``kmeans``."""
    return {GaussianMixture.name: GaussianMixture, KMeans.name: KMeans}
