"""Official SDKs at models whose provider speaks another dialect: nobody should notice."""

import json

import anthropic
import openai
import pytest
from pydantic import BaseModel

HELLO = [{"role": "user", "content": "Hello"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOL = {"type": "function", "function": {"name": "weather", "description": "Weather", "parameters": PARAMETERS}}
RESPONSES_TOOL = {"type": "function", "strict": False, **CHAT_TOOL["function"]}
MESSAGES_TOOL = {"name": "weather", "description": "Weather", "input_schema": PARAMETERS}


class Person(BaseModel):
    name: str
    age: int


def test_chat(client):
    answer = client.chat.completions.create(model="claude", messages=HELLO)
    assert (answer.model, answer.object) == ("claude", "chat.completion")
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_chat_streams(client):
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="claude", messages=HELLO, stream=True, stream_options=options))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    whole = client.chat.completions.create(model="claude", messages=HELLO)
    assert text == whole.choices[0].message.content
    assert {chunk.model for chunk in chunks} == {"claude"}
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)
    unasked = list(client.chat.completions.create(model="claude", messages=HELLO, stream=True))
    assert all(chunk.choices for chunk in unasked)


def test_chat_tools(client):
    asked = {"model": "claude", "messages": HELLO, "tools": [CHAT_TOOL], "tool_choice": "required"}
    whole = client.chat.completions.create(**asked).choices[0]
    call = whole.message.tool_calls[0]
    assert (call.function.name, whole.finish_reason) == ("weather", "tool_calls")
    with client.chat.completions.stream(**asked) as stream:
        streamed = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert streamed.function.arguments == call.function.arguments
    told = HELLO + [whole.message, {"role": "tool", "tool_call_id": call.id, "content": "Sunny"}]
    answer = client.chat.completions.create(model="claude", messages=told, tools=[CHAT_TOOL])
    assert answer.choices[0].message.content


def test_chat_structured_output(client):
    answer = client.chat.completions.parse(model="claude", messages=HELLO, response_format=Person)
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_completions(client):
    answer = client.completions.create(model="claude", prompt="Once", max_tokens=100)
    assert (answer.model, answer.object) == ("claude", "text_completion")
    assert answer.choices[0].text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    options = {"include_usage": True}
    pieces = list(client.completions.create(model="claude", prompt="Once", stream=True, stream_options=options))
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == answer.choices[0].text
    assert (pieces[-1].choices, pieces[-1].usage) == ([], answer.usage)


def test_responses(client):
    answer = client.responses.create(model="claude", instructions="Be brief.", input="Hello", max_output_tokens=100)
    assert (answer.model, answer.object, answer.status) == ("claude", "response", "completed")
    assert answer.output_text
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0


def test_responses_stream(client):
    with client.responses.stream(model="claude", input="Hello") as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    whole = client.responses.create(model="claude", input="Hello")
    assert text == final.output_text == whole.output_text
    assert (final.status, final.model, final.usage) == ("completed", "claude", whole.usage)


def test_responses_parse(client):
    answer = client.responses.parse(model="claude", input="Hello", text_format=Person)
    assert isinstance(answer.output_parsed, Person)


def test_responses_tools(client):
    asked = {"model": "claude", "input": HELLO, "tools": [RESPONSES_TOOL], "tool_choice": "required"}
    whole = client.responses.create(**asked)
    call = next(item for item in whole.output if item.type == "function_call")
    with client.responses.stream(**asked) as stream:
        streamed = next(item for item in stream.get_final_response().output if item.type == "function_call")
    assert (call.name, call.arguments) == ("weather", streamed.arguments)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny"}
    told = [*HELLO, *whole.output, result]
    assert client.responses.create(model="claude", input=told, tools=[RESPONSES_TOOL]).output_text
    seen = json.loads(client.responses.create(model="claude-echo", input=told, tools=[RESPONSES_TOOL]).output_text)
    assert [call.call_id in str(message) for message in seen["messages"]] == [False, True, True]


def test_responses_take_their_reasoning_back(client):
    answer = client.responses.create(model="claude-reasoning", input="Hello", include=["reasoning.encrypted_content"])
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    told = [*HELLO, *answer.output, {"role": "user", "content": "Go on"}]
    seen = json.loads(client.responses.create(model="claude-echo", input=told).output_text)["messages"]
    assert [block["type"] for block in seen[1]["content"]] == ["thinking", "text"]
    assert seen[1]["content"][0]["signature"]


def test_messages(claude):
    answer = claude.messages.create(model="gpt", max_tokens=100, messages=HELLO, system="Be brief.")
    assert (answer.model, answer.type, answer.role) == ("gpt", "message", "assistant")
    assert answer.content[0].text
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > 0 < answer.usage.output_tokens


def test_messages_stream(claude):
    with claude.messages.stream(model="gpt", max_tokens=100, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    whole = claude.messages.create(model="gpt", max_tokens=100, messages=HELLO)
    assert text == final.content[0].text == whole.content[0].text
    assert (final.stop_reason, final.model) == ("end_turn", "gpt")
    assert final.usage.output_tokens == whole.usage.output_tokens


def test_messages_tools(claude):
    asked = {"model": "gpt", "max_tokens": 100, "tools": [MESSAGES_TOOL], "tool_choice": {"type": "any"}}
    whole = claude.messages.create(messages=HELLO, **asked)
    call = next(block for block in whole.content if block.type == "tool_use")
    assert (call.name, whole.stop_reason) == ("weather", "tool_use")
    with claude.messages.stream(messages=HELLO, **asked) as stream:
        streamed = next(block for block in stream.get_final_message().content if block.type == "tool_use")
    assert streamed.input == call.input
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "Sunny"}
    told = HELLO + [{"role": "assistant", "content": whole.content}, {"role": "user", "content": [result]}]
    assert claude.messages.create(model="gpt", max_tokens=100, messages=told, tools=[MESSAGES_TOOL]).content[0].text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("claude-status-400", openai.BadRequestError, 400),
        ("claude-status-429", openai.RateLimitError, 429),
        ("claude-529", openai.InternalServerError, 503),
        ("claude-error-first", openai.InternalServerError, 503),
    ],
)
def test_errors_of_messages_are_those_of_chat(client, model, error, status, stream):
    with pytest.raises(error) as raised:
        client.chat.completions.create(model=model, messages=HELLO, stream=stream)
    assert raised.value.status_code == status
    assert raised.value.body["message"].startswith("litellm.")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("gpt-status-400", anthropic.BadRequestError, 400),
        ("gpt-status-429", anthropic.RateLimitError, 429),
        ("gpt-context-window", anthropic.BadRequestError, 400),
        ("gpt-status-503", anthropic.InternalServerError, 503),
    ],
)
def test_errors_of_chat_are_those_of_messages(claude, model, error, status, stream):
    with pytest.raises(error) as raised:
        claude.messages.create(model=model, max_tokens=100, messages=HELLO, stream=stream)
    assert raised.value.status_code == status
    assert raised.value.body["error"]["message"].startswith("litellm.")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("claude-status-400", openai.BadRequestError, 400),
        ("claude-status-429", openai.RateLimitError, 429),
        ("claude-529", openai.InternalServerError, 503),
    ],
)
def test_errors_of_messages_are_those_of_responses(client, model, error, status, stream):
    with pytest.raises(error) as raised:
        client.responses.create(model=model, input="Hello", stream=stream)
    assert raised.value.status_code == status
    assert raised.value.body["message"].startswith("litellm.")


@pytest.mark.parametrize("model", ["claude-cut", "claude-clean-end", "claude-error-mid"])
def test_a_stream_that_breaks_raises_after_a_prefix_of_the_truth(client, model):
    whole = client.chat.completions.create(model="claude", messages=HELLO).choices[0].message.content
    text = ""
    with pytest.raises((openai.APIError, openai.APIConnectionError)):
        for chunk in client.chat.completions.create(model=model, messages=HELLO, stream=True):
            text += chunk.choices[0].delta.content or ""
    assert text and whole.startswith(text) and text != whole


@pytest.mark.parametrize("model", ["claude-cut", "claude-clean-end", "claude-error-mid"])
def test_a_stream_that_breaks_says_so_to_responses(client, model):
    whole = client.responses.create(model="claude", input="Hello").output_text
    seen = list(client.responses.create(model=model, input="Hello", stream=True))
    # The SDK hands such events to its user, and so that nobody takes the text for the whole, its helper raises.
    assert "error" in {event.type for event in seen}
    assert "response.completed" not in {event.type for event in seen}
    with client.responses.stream(model=model, input="Hello") as stream, pytest.raises(RuntimeError):
        stream.get_final_response()
    text = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    assert text and whole.startswith(text) and text != whole


@pytest.mark.parametrize("model", ["gpt-cut", "gpt-clean-end", "gpt-error-mid"])
def test_a_stream_that_breaks_raises_for_messages_too(claude, model):
    whole = claude.messages.create(model="gpt", max_tokens=100, messages=HELLO).content[0].text
    text = ""
    with pytest.raises((anthropic.APIError, anthropic.APIConnectionError)):
        with claude.messages.stream(model=model, max_tokens=100, messages=HELLO) as stream:
            for piece in stream.text_stream:
                text += piece
    assert text and whole.startswith(text) and text != whole


@pytest.mark.parametrize("model", ["gemini-embed", "cohere-embed", "titan-embed", "bedrock-cohere", "nova-embed"])
def test_embeddings(client, model):
    asked = {"model": model, "input": ["One", "Two"], "dimensions": 8}
    # The SDK asks for base64 of its own accord, and shows numbers in any case.
    packed = client.embeddings.create(**asked)
    plain = client.embeddings.create(**asked, encoding_format="float")
    for one, other in zip(packed.data, plain.data, strict=True):
        # Base64 is of floats of 32 bits.
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert [(item.index, len(item.embedding)) for item in plain.data] == [(0, 8), (1, 8)]
    assert (plain.model, plain.object) == (model, "list")
    assert plain.usage.total_tokens == plain.usage.prompt_tokens > 0
    with pytest.raises(openai.BadRequestError, match="not tokens"):
        client.embeddings.create(model=model, input=[[1, 2]])
