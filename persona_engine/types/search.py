"""Values of a search: limits, what was considered at each choice, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from persona_engine.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Budget:
    """What one reply may cost; when it is spent, what has been said by then is the reply.

    At least one token is said. The token that spends it is finished, so that a reply may exceed
    ``seconds`` by two steps, and what scoring the finished candidates takes.

    Args:
        seconds: Wall time from the reading of the prompt on; None for no limit.
        tokens: Tokens read after the prompt, over all branches and everything looked ahead at;
            None for no limit.

    Raises:
        InvalidInputError: A limit is not above 0.
    """

    seconds: float | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("seconds", self.seconds), ("tokens", self.tokens)):
            if value is None:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or value <= 0:
                raise InvalidInputError(f"{name} is {value!r}, expected a finite number above 0")


@dataclass(frozen=True, slots=True)
class Considered:
    """One branch, or one token or look-ahead of it, at a choice.

    Args:
        branch: Its number before the choice.
        text: What is judged: the branch's new words, or the token.
        reward: What the search climbs, relative to the mean of those considered; None if unscored.
        spread: Standard deviation of the person's reward in it; None if unscored.
        kept: How many branches go on from it.
    """

    branch: int
    text: str
    reward: float | None = None
    spread: float | None = None
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """One choice of a search.

    Args:
        tokens: How many tokens the longest branch had.
        candidates: What was chosen among, in the order of the branches.
        note: Why this was kept, in words; may be empty.
    """

    tokens: int
    candidates: tuple[Considered, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Compute:
    """What a search cost.

    Args:
        prompts: Prompts that were read.
        forwards: Runs of the network after that.
        token_steps: Tokens that these read, over all branches and look-aheads.
        seconds: Wall time, from the reading of the prompt to the choice of the reply.
    """

    prompts: int = 0
    forwards: int = 0
    token_steps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Search:
    """How a reply was searched for.

    Args:
        decoder: Name of the decoder.
        blocks: Its choices, in order; the last, among finished candidates, is not one of them.
        compute: What it cost.
        plan: Why this decoder and size, in words; empty where the host named them.
        ended: Which limit ended it, in words; empty if it came to its own end.
        left_out: Choices that were made after the most that are written down.
    """

    decoder: str
    blocks: tuple[Block, ...] = ()
    compute: Compute = Compute()
    plan: str = ""
    ended: str = ""
    left_out: int = 0


Record = Callable[[Block], None]
