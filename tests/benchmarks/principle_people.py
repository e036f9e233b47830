"""People with a planted taste, or none, who choose between replies written in several styles.

Each reply is a topic's tips put in a shape: how many tips, as a list or in prose, formal or casual
words around them, with or without emoji and a closing question. The shapes of a pair are drawn
apart, so that every pair differs in several ways at once, as replies of a language model do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona_engine.interfaces import Encoder
from persona_engine.types import FloatArray

TOPICS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("How do I keep a sourdough starter alive?", (
        "feed it flour and water once a week", "store it in the fridge between bakes",
        "discard half before each feeding", "let it bubble at room temperature before baking")),
    ("What should I check before buying a used bike?", (
        "look along the frame for cracks", "spin both wheels and watch for wobble",
        "squeeze the brakes hard", "measure the chain for wear")),
    ("How can I sleep better on night shifts?", (
        "darken the bedroom completely", "keep the same hours on days off",
        "stop drinking coffee halfway through the shift", "wear sunglasses on the way home")),
    ("How do I repot a large fern?", (
        "water it well the day before", "choose a pot one size up",
        "loosen the outer roots by hand", "keep it out of the sun for a week")),
    ("How do I prepare for a phone interview?", (
        "mark the main skills in the advert", "write three short stories about your work",
        "find a quiet room with good reception", "keep a glass of water within reach")),
    ("What is a sensible way to start saving?", (
        "move a fixed sum on payday", "keep three months of rent within reach",
        "pay off dear loans first", "review the amount twice a year")),
    ("How do I clean a cast-iron pan?", (
        "rinse it while it is still warm", "scrub it with coarse salt",
        "dry it on the stove", "rub in a thin film of oil")),
    ("How can I learn the guitar on my own?", (
        "practise fifteen minutes a day", "begin with three open chords",
        "play along with slow songs", "record yourself every week")),
    ("How should I train for a first 10 km run?", (
        "run three times a week", "lengthen one run every week",
        "keep the others easy", "rest for two days before the race")),
    ("How do I photograph the night sky?", (
        "mount the camera on a tripod", "open the aperture as far as it goes",
        "expose for about fifteen seconds", "focus by hand on a bright star")),
    ("What can I do about a noisy neighbour?", (
        "talk to them at a calm moment", "write down dates and times",
        "ask the landlord to mediate", "look up the house rules")),
    ("How do I remove a red wine stain?", (
        "blot it with a clean cloth", "cover it with salt",
        "soak it in cold water", "wash it with a little vinegar")),
    ("How do I make a good cup of filter coffee?", (
        "grind the beans just before brewing", "rinse the paper filter",
        "pour in slow circles", "use water just off the boil")),
    ("How do I back up my photos?", (
        "keep two copies at home", "keep one copy elsewhere",
        "let a program copy them every night", "open a few files now and then to test them")),
    ("How can I get rid of fruit flies?", (
        "set out a saucer of vinegar with soap", "empty the bin daily",
        "keep fruit in the fridge", "pour hot water down the drain")),
    ("How do I write a short speech for a wedding?", (
        "begin with how you know the couple", "tell one small story",
        "stop after three minutes", "raise the glass at the end")),
    ("How do I change a flat tyre on a car?", (
        "park on firm, level ground", "loosen the nuts before lifting",
        "raise the car at the marked point", "tighten the nuts crosswise")),
    ("How should I introduce a new cat to my dog?", (
        "keep them in separate rooms at first", "swap their blankets",
        "let them meet on a lead", "feed them on either side of a door")),
    ("How do I read more books?", (
        "leave the phone in another room", "carry a paperback everywhere",
        "drop books that bore you", "read ten pages before bed")),
    ("How do I descale a kettle?", (
        "fill it with water and vinegar in equal parts", "bring it to the boil",
        "leave it for half an hour", "rinse it twice")),
    ("How can I cut my heating bill?", (
        "lower the thermostat by one degree", "seal the gaps around windows",
        "bleed the radiators", "close the curtains at dusk")),
    ("How do I plan a weekend in Ghent?", (
        "stay near the old centre", "book the altarpiece in advance",
        "take a boat in the late afternoon", "have waffles at the market")),
    ("How do I start composting on a balcony?", (
        "buy a closed bin with a tap", "mix kitchen scraps with torn cardboard",
        "leave out meat and cheese", "stir it every few days")),
    ("How do I give feedback to a colleague?", (
        "talk to them in private", "describe what you saw",
        "say what effect it had", "agree on one change")),
    ("How do I iron a shirt quickly?", (
        "damp it slightly", "begin with the collar",
        "do the sleeves next", "hang it up at once")),
    ("How do I choose running shoes?", (
        "shop late in the day", "leave a thumb of space in front",
        "jog a few steps in the shop", "take the pair that you forget about")),
    ("How do I memorise a poem?", (
        "learn it line by line", "say it aloud while walking",
        "write it out from memory", "repeat it the next morning")),
    ("How do I freeze fresh herbs?", (
        "wash and dry them well", "chop them finely",
        "cover them with oil in an ice tray", "bag the cubes when hard")),
    ("How do I ask for a pay rise?", (
        "collect what you achieved this year", "find out what others pay",
        "ask for a meeting in good time", "name a figure first")),
    ("How do I keep a bonsai healthy?", (
        "water it when the soil begins to dry", "turn it every week",
        "trim new shoots to two leaves", "repot it every second spring")),
)  # fmt: skip

_OPENERS = {
    "formal": (
        "The following course of action is advisable.",
        "I would respectfully recommend the measures set out below.",
        "It is generally advisable to proceed as follows.",
        "One should observe the following considerations.",
    ),
    "casual": (
        "Okay so here's what I'd do.",
        "Right, it's dead easy, here's the gist.",
        "Yeah, so basically you'll wanna do this.",
        "No worries, that's a quick one.",
    ),
    "plain": ("Here is what helps.", "This works for most people.", "", ""),
}
_CLOSERS = {
    "formal": (
        "Adherence to these recommendations should ensure a satisfactory result.",
        "Should further assistance be required, additional guidance is available.",
        "These measures are sufficient in the majority of cases.",
    ),
    "casual": (
        "And that's pretty much it, you'll be fine.",
        "Give it a go, it's not a big deal.",
        "Dunno why folks make such a fuss about it.",
    ),
    "plain": ("That is all it takes.", "That is usually enough.", ""),
}
_LINKS = {
    "formal": ("It is recommended to {}.", "One is further advised to {}.", "Subsequently, {}."),
    "casual": ("Just {}.", "Then you'd wanna {}.", "Oh and {}, yeah."),
    "plain": ("First, {}.", "Then {}.", "Also {}."),
}
_QUESTIONS = ("Does that suit your case?", "Have you tried any of this?", "Shall I go on?")
_EMOJI = ("🙂", "✨", "👍", "🌿")


@dataclass(frozen=True)
class Shape:
    """How a reply is written."""

    tips: int
    bullets: bool
    tone: str
    emoji: bool
    question: bool


def write(topic: int, shape: Shape, *, rng: np.random.Generator) -> str:
    """Return a topic's reply in a shape."""
    tips = [TOPICS[topic][1][n] for n in sorted(rng.permutation(4)[: shape.tips])]
    links = _LINKS[shape.tone]
    body = (
        "\n".join(f"- {tip[0].upper()}{tip[1:]}." for tip in tips)
        if shape.bullets
        else " ".join(_sentence(links[n % len(links)].format(tip)) for n, tip in enumerate(tips))
    )
    opener = str(rng.choice(_OPENERS[shape.tone]))
    closer = str(rng.choice(_CLOSERS[shape.tone])) if shape.tips > 2 else ""
    question = str(rng.choice(_QUESTIONS)) if shape.question else ""
    end = " ".join(each for each in (closer, question) if each)
    if shape.emoji:
        opener = f"{opener} {rng.choice(_EMOJI)}".strip()
    gap = "\n" if shape.bullets else " "
    return gap.join(each for each in (opener, body, end) if each)


def draw_shape(rng: np.random.Generator) -> Shape:
    """Return any shape."""
    return Shape(
        tips=int(rng.choice([2, 4])),
        bullets=bool(rng.random() < 0.5),
        tone=str(rng.choice(["formal", "casual"])),
        emoji=bool(rng.random() < 0.3),
        question=bool(rng.random() < 0.3),
    )


@dataclass(frozen=True)
class Pool:
    """Pairs of replies to choose from, ``P`` of them, with features.

    Args:
        texts: Prompt and the two replies.
        shapes: Of the two replies.
        features: ``(P, 2, D)``.
    """

    texts: Sequence[tuple[str, str, str]]
    shapes: Sequence[tuple[Shape, Shape]]
    features: FloatArray


def make_pool(encoder: Encoder, *, pairs_a_topic: int, seed: int) -> Pool:
    """Return pairs whose shapes differ in two of tips, bullets and tone, or in all three."""
    rng = np.random.default_rng(seed)
    texts, shapes = [], []
    for topic, (prompt, _) in enumerate(TOPICS):
        for _ in range(pairs_a_topic):
            both = (draw_shape(rng), draw_shape(rng))
            while _differences(*both) < 2:
                both = (draw_shape(rng), draw_shape(rng))
            texts.append((prompt, *(write(topic, each, rng=rng) for each in both)))
            shapes.append(both)
    asked = [[{"role": "user", "content": prompt}] for prompt, *_ in texts for _ in range(2)]
    features = encoder.encode(asked, [reply for _, *two in texts for reply in two])  # type: ignore[arg-type]
    return Pool(texts, shapes, features.reshape(len(texts), 2, -1))


def _differences(a: Shape, b: Shape) -> int:
    return (a.tips != b.tips) + (a.bullets != b.bullets) + (a.tone != b.tone)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
