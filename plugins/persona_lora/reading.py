"""The base model, with its adapter, and examples as its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persona_engine.errors import WeightsError
from persona_engine.generation.chat_format import ChatFormat
from persona_engine.types import Conversation

if TYPE_CHECKING:
    from persona_lora.settings import LoraTrainer


@dataclass(frozen=True, slots=True)
class Reader:
    """A network with an adapter that is yet without effect, and its tokenizer.

    Training reads conversations as serving does: by the same chat format.

    Args:
        network: PEFT's model.
        tokenizer: The base model's.
        max_length: Tokens of a conversation with its reply.
    """

    network: Any
    tokenizer: Any
    max_length: int

    def prompt(self, conversation: Conversation) -> list[int]:
        """Return the tokens up to the assistant's header, of the newest turns."""
        return ChatFormat(self.tokenizer).prompt_ids(conversation, room=self.max_length // 2)

    def reply(self, text: str, prompt: Sequence[int]) -> list[int]:
        """Return the tokens of a reply and its end, as far as there is room after the prompt."""
        ids = [*ChatFormat(self.tokenizer).reply_ids(text), self.tokenizer.eos_token_id]
        return ids[: self.max_length - len(prompt)]


def load(weights: Path, method: LoraTrainer) -> Reader:
    """Load a copy of the base model, frozen, with a fresh adapter.

    Raises:
        WeightsError: The folder cannot be read as a language model.
    """
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    cuda = torch.cuda.is_available()
    try:
        tokenizer = AutoTokenizer.from_pretrained(weights, local_files_only=True)
        network = AutoModelForCausalLM.from_pretrained(
            weights,
            dtype=torch.bfloat16,
            # On a CPU the backward pass of the fused kernel takes a fifth of all time.
            attn_implementation="sdpa" if cuda else "eager",
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except Exception as error:  # each reader (JSON, tokenizers, safetensors) raises its own kind
        raise WeightsError(
            f"{weights} cannot be loaded as a language model: {error}",
            remedy="pull the weights again (`persona weights pull NAME`)",
        ) from error
    network.config.use_cache = False
    network.requires_grad_(False)
    network.get_output_embeddings().register_forward_pre_hook(_whole)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    network = get_peft_model(network, _configuration(network, method))
    return Reader(network.to("cuda" if cuda else "cpu"), tokenizer, method.max_length)


def _whole(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:  # noqa: ANN401
    """Give the output head its inputs as one matrix.

    The last positions are a slice, and frozen weights times a slice PyTorch computes as a batch of
    products, for which it copies the weights, the model's largest, once a row.
    """
    return (inputs[0].contiguous(), *inputs[1:])


def _configuration(network: Any, method: LoraTrainer) -> Any:  # noqa: ANN401
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules=_linear_layers(network, method.target),
        layers_to_transform=_blocks(network, method.layers),
    )


def _blocks(network: Any, layers: str) -> list[int] | None:  # noqa: ANN401
    """Return the places of the blocks that are adapted; None for all of them."""
    if layers == "all":
        return None
    depth = network.config.get_text_config().num_hidden_layers
    first = depth // 2
    return list(range(first, max(first + 1, round(depth * 5 / 6))))


def _linear_layers(network: Any, target: str) -> list[str]:  # noqa: ANN401
    """Return the last parts of the names of the linear layers that are adapted."""
    import torch

    head = network.get_output_embeddings()
    names = {
        path.rpartition(".")[2]
        for path, layer in network.named_modules()
        if isinstance(layer, torch.nn.Linear)
        and layer is not head
        and (target == "all" or ("attn" in path or "attention" in path) == (target == "attention"))
    }
    return sorted(names)
