"""Faults of providers as a user of the official SDK named in the first argument sees them: a line of JSON for each call.

Reads lines {"model", "stream", "call_id"}; answers {"text", "complete", "error": {"class", "status"}}."""

import json
import os
import sys

import anthropic
import openai

GATEWAY = os.environ["GATEWAY"]
KEY = os.environ["GATEWAY_KEY"]
HELLO = [{"role": "user", "content": "Hello"}]


def ask_openai(client, model, stream, headers, seen):
    if not stream:
        answer = client.chat.completions.create(model=model, messages=HELLO, extra_headers=headers)
        seen["text"] = answer.choices[0].message.content
        return answer.choices[0].finish_reason is not None
    complete = False
    for chunk in client.chat.completions.create(model=model, messages=HELLO, stream=True, extra_headers=headers):
        for choice in chunk.choices:
            seen["text"] += choice.delta.content or ""
            complete |= choice.finish_reason is not None
    return complete


def ask_anthropic(client, model, stream, headers, seen):
    if not stream:
        answer = client.messages.create(model=model, max_tokens=64, messages=HELLO, extra_headers=headers)
        seen["text"] = answer.content[0].text
        return answer.stop_reason is not None
    complete = False
    for event in client.messages.create(
        model=model, max_tokens=64, messages=HELLO, stream=True, extra_headers=headers
    ):
        if event.type == "content_block_delta":
            seen["text"] += event.delta.text
        complete |= event.type == "message_stop"
    return complete


def main():
    if sys.argv[1] == "openai":
        client, ask = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=KEY, max_retries=0), ask_openai
    else:
        client, ask = anthropic.Anthropic(base_url=GATEWAY, api_key=KEY, max_retries=0), ask_anthropic
    for line in sys.stdin:
        call = json.loads(line)
        seen = {"text": "", "complete": False, "error": None}
        try:
            headers = {"x-litellm-call-id": call["call_id"]}
            seen["complete"] = ask(client, call["model"], call["stream"], headers, seen)
        except Exception as error:
            seen["error"] = {"class": type(error).__name__, "status": getattr(error, "status_code", None)}
        print(json.dumps(seen), flush=True)


main()
