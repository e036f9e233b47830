"""A product that has OpenAI's client already gets to know its users, in one line.

    pip install 'persona-engine[openai]'
    OPENAI_API_KEY=… python openai_wrap.py
    python openai_wrap.py --base-url http://127.0.0.1:8000/v1 --model smollm2   # vLLM, Ollama, …

Alice says once how she wants to be answered and answers six questions. From then on the request
carries her instruction, four replies are asked for, and she gets the one that she would like best;
her thumb goes back by the reply's id.
"""

import argparse
import os

from openai import OpenAI

from persona_engine import EngineConfig, PersonaEngine
from persona_engine.integrations.openai import personalize_client, reply_id

ASK = [{"role": "user", "content": "How do I start running?"}]


def main() -> None:
    arguments = read_arguments()
    key = os.environ.get("OPENAI_API_KEY", "none")
    # Rewards read hidden states of a small model here, for which a population comes with the
    # package: they mean something from the first answer on. The replies are drawn elsewhere.
    config = EngineConfig(
        database=arguments.database,
        generator=None,
        feature_encoder="hidden-state",
        feature_weights=os.environ.get("PERSONA_GENERATOR", "smollm2-135m-instruct"),
    )
    with (
        PersonaEngine(config=config) as engine,
        OpenAI(base_url=arguments.base_url, api_key=key) as plain,
    ):
        client = personalize_client(plain, engine, candidates=4)  # the one line
        alice = engine.user("alice")
        if not alice.instructions():
            alice.instruct("Answer in British English.")
            for question in alice.onboard(questions=6):
                alice.prefer(question, "a")

        asked = {"model": arguments.model, "messages": ASK, "max_tokens": arguments.max_tokens}
        reply = client.chat.completions.create(**asked, user="alice")
        print("for alice:", reply.choices[0].message.content)
        print(f"  {reply.usage.completion_tokens} tokens for all candidates" if reply.usage else "")

        found = reply_id(reply)
        if found is not None:
            alice.feedback(found, rating=1)
            print(alice.explain(found).text)

        print("streamed: ", end="")
        for chunk in client.chat.completions.create(**asked, user="alice", stream=True):
            for choice in chunk.choices:
                print(choice.delta.content or "", end="", flush=True)

        off = client.chat.completions.create(**asked, user="alice", personal=False)
        print("\nwithout persona:", off.choices[0].message.content)
        print("counted:", dict(client.persona.counts))


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", help="server; OpenAI's if omitted")
    parser.add_argument("--model", default="gpt-4.1-mini")
    parser.add_argument("--database", default="sqlite:///persona.db")
    parser.add_argument("--max-tokens", type=int, default=120)
    return parser.parse_args()


if __name__ == "__main__":
    main()
