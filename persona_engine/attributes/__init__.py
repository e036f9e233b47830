"""Named attributes: the bank's styles and the host's own, in words, as evidence and as features."""

from persona_engine.attributes.catalogue import Attributes
from persona_engine.attributes.features import labelled_pairs, tastes_of
from persona_engine.attributes.files import read_attributes
from persona_engine.attributes.wishes import wishes

__all__ = ["Attributes", "labelled_pairs", "read_attributes", "tastes_of", "wishes"]
