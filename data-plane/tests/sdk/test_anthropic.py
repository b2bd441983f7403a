"""The official Anthropic SDK against a running gateway."""

import os

import anthropic
import pytest

HELLO = [{"role": "user", "content": "Hello"}]
TOOL = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def test_messages(claude):
    answer = claude.messages.create(model="claude", max_tokens=64, messages=HELLO)
    assert answer.model == "claude"
    assert answer.content[0].text
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0


def test_messages_tell_cost_in_headers(claude):
    raw = claude.messages.with_raw_response.create(model="claude", max_tokens=64, messages=HELLO)
    assert float(raw.headers["x-litellm-response-cost"]) > 0
    assert raw.headers["request-id"]


def test_messages_stream(claude):
    whole = claude.messages.create(model="claude", max_tokens=64, messages=HELLO).content[0].text
    with claude.messages.stream(model="claude", max_tokens=64, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole
    assert final.model == "claude"
    assert final.usage.output_tokens > 0


def test_tools(claude):
    choice = {"type": "any"}
    answer = claude.messages.create(model="claude", max_tokens=64, messages=HELLO, tools=[TOOL], tool_choice=choice)
    used = [block for block in answer.content if block.type == "tool_use"][0]
    with claude.messages.stream(
        model="claude", max_tokens=64, messages=HELLO, tools=[TOOL], tool_choice=choice
    ) as stream:
        streamed = [block for block in stream.get_final_message().content if block.type == "tool_use"][0]
    assert used.name == streamed.name == "weather"
    assert used.input == streamed.input


def test_a_beta_feature_reaches_the_provider(claude):
    answer = claude.beta.messages.create(
        model="claude", max_tokens=64, messages=HELLO, betas=["context-1m-2025-08-07"]
    )
    assert answer.content[0].text


def test_count_tokens(claude):
    assert claude.messages.count_tokens(model="claude", messages=HELLO).input_tokens > 0


def test_models(claude):
    page = claude.models.list()
    assert "claude" in [model.id for model in page.data]
    assert claude.models.retrieve("claude").id == "claude"


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("claude-status-400", anthropic.BadRequestError, 400),
        ("claude-status-401", anthropic.InternalServerError, 502),
        ("claude-status-429", anthropic.RateLimitError, 429),
        ("claude-529", anthropic.InternalServerError, 503),
        ("claude-status-500", anthropic.InternalServerError, 500),
        ("claude-error-first", anthropic.InternalServerError, 503),
        ("nobody-has-this", anthropic.BadRequestError, 400),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_sdks_own(claude, model, error, status, stream):
    with pytest.raises(error) as raised:
        if stream:
            with claude.messages.stream(model=model, max_tokens=64, messages=HELLO) as running:
                running.until_done()
        else:
            claude.messages.create(model=model, max_tokens=64, messages=HELLO)
    assert raised.value.status_code == status
    assert raised.value.body["type"] == "error"
    assert raised.value.body["error"]["message"]


def test_a_wrong_key():
    with anthropic.Anthropic(base_url=os.environ["GATEWAY"], api_key="sk-nobody-has-this", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError):
            client.messages.create(model="claude", max_tokens=64, messages=HELLO)


@pytest.mark.parametrize("model", ["claude-cut", "claude-clean-end", "claude-error-mid"])
def test_a_stream_that_breaks_raises_after_a_prefix_of_the_truth(claude, model):
    whole = claude.messages.create(model="claude", max_tokens=64, messages=HELLO).content[0].text
    text = ""
    with pytest.raises(anthropic.APIError):
        with claude.messages.stream(model=model, max_tokens=64, messages=HELLO) as stream:
            for piece in stream.text_stream:
                text += piece
    assert text
    assert whole.startswith(text)
