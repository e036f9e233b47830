"""Three comparisons that the tests of trainers share."""

from persona_engine.types import TrainingPair


def asked(text):
    return ({"role": "user", "content": text},)


PAIRS = (
    TrainingPair(asked("How do I make tea?"), "Boil water first.", "You could buy some.", "ann"),
    TrainingPair(asked("What is rust?"), "Iron and oxygen.", "A kind of red dust, I think.", "bob"),
    TrainingPair(asked("Is it late?"), "No.", "It depends on what you call late.", "ann"),
)
