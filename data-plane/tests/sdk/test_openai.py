"""The official OpenAI SDK against a running gateway."""

import os

import openai
import pytest
from pydantic import BaseModel

HELLO = [{"role": "user", "content": "Hello"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Person(BaseModel):
    name: str
    age: int


def test_chat(client):
    answer = client.chat.completions.create(model="gpt", messages=HELLO)
    assert answer.model == "gpt"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_chat_tells_cost_and_deployment_in_headers(client):
    raw = client.chat.completions.with_raw_response.create(model="gpt", messages=HELLO)
    assert float(raw.headers["x-litellm-response-cost"]) > 0
    assert raw.headers["x-litellm-model-group"] == "gpt"
    assert raw.headers["x-litellm-model-id"]
    assert raw.headers["x-litellm-call-id"]
    assert "set-cookie" not in raw.headers
    assert raw.parse().model == "gpt"


def test_chat_streams_without_a_usage_chunk_that_nobody_asked_for(client):
    chunks = list(client.chat.completions.create(model="gpt", messages=HELLO, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    whole = client.chat.completions.create(model="gpt", messages=HELLO).choices[0].message.content
    assert text == whole
    assert all(chunk.model == "gpt" for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_chat_streams_usage_when_asked(client):
    chunks = list(
        client.chat.completions.create(model="gpt", messages=HELLO, stream=True, stream_options={"include_usage": True})
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens > 0


def test_several_choices(client):
    answer = client.chat.completions.create(model="gpt", messages=HELLO, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]


def test_tools(client):
    answer = client.chat.completions.create(model="gpt", messages=HELLO, tools=[TOOL], tool_choice="required")
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "weather"
    assert answer.choices[0].finish_reason == "tool_calls"


def test_tools_stream_in_pieces_that_add_up(client):
    with client.chat.completions.stream(model="gpt", messages=HELLO, tools=[TOOL], tool_choice="required") as stream:
        final = stream.get_final_completion()
    streamed = final.choices[0].message.tool_calls[0].function
    whole = client.chat.completions.create(model="gpt", messages=HELLO, tools=[TOOL], tool_choice="required")
    assert streamed.arguments == whole.choices[0].message.tool_calls[0].function.arguments


def test_structured_output(client):
    answer = client.chat.completions.parse(model="gpt", messages=HELLO, response_format=Person)
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_completions(client):
    assert client.completions.create(model="gpt", prompt="Once").choices[0].text
    pieces = list(client.completions.create(model="gpt", prompt="Once", stream=True))
    assert "".join(piece.choices[0].text for piece in pieces)


def test_embeddings(client):
    answer = client.embeddings.create(model="embed", input=["one", "two"])
    assert [item.index for item in answer.data] == [0, 1]
    assert len(answer.data[0].embedding) > 1
    assert answer.model == "embed"


def test_responses(client):
    answer = client.responses.create(model="gpt", input="Hello")
    assert answer.output_text
    assert answer.model == "gpt"
    assert answer.usage.total_tokens > 0


def test_responses_stream(client):
    with client.responses.stream(model="gpt", input="Hello") as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert text == final.output_text
    assert final.status == "completed"
    assert final.model == "gpt"


def test_responses_parse(client):
    assert isinstance(client.responses.parse(model="gpt", input="Hello", text_format=Person).output_parsed, Person)


def test_models(client):
    ids = [model.id for model in client.models.list()]
    assert {"gpt", "embed", "claude"} <= set(ids)
    assert client.models.retrieve("gpt").id == "gpt"


def test_azure_client():
    with openai.AzureOpenAI(
        azure_endpoint=os.environ["GATEWAY"], api_key=os.environ["GATEWAY_KEY"], api_version="2024-10-21", max_retries=0
    ) as client:
        assert client.chat.completions.create(model="gpt", messages=HELLO).model == "gpt"


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("gpt-status-400", openai.BadRequestError, 400),
        ("gpt-status-401", openai.InternalServerError, 502),
        ("gpt-status-404", openai.NotFoundError, 404),
        ("gpt-status-422", openai.UnprocessableEntityError, 422),
        ("gpt-status-429", openai.RateLimitError, 429),
        ("gpt-status-500", openai.InternalServerError, 500),
        ("gpt-status-503", openai.InternalServerError, 503),
        ("gpt-context-window", openai.BadRequestError, 400),
        ("nobody-has-this", openai.BadRequestError, 400),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_sdks_own(client, model, error, status, stream):
    with pytest.raises(error) as raised:
        client.chat.completions.create(model=model, messages=HELLO, stream=stream)
    assert raised.value.status_code == status
    assert raised.value.body["message"]
    assert raised.value.body["code"] == str(status)


def test_no_key_and_a_wrong_key():
    for key in ["sk-nobody-has-this-key", "not-a-key"]:
        with openai.OpenAI(base_url=f"{os.environ['GATEWAY']}/v1", api_key=key, max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError):
                client.models.list()


@pytest.mark.parametrize("model", ["gpt-cut", "gpt-clean-end", "gpt-error-mid"])
def test_a_stream_that_breaks_raises_after_a_prefix_of_the_truth(client, model):
    whole = client.chat.completions.create(model="gpt", messages=HELLO).choices[0].message.content
    text = ""
    with pytest.raises((openai.APIError, openai.APIConnectionError)):
        for chunk in client.chat.completions.create(model=model, messages=HELLO, stream=True):
            text += chunk.choices[0].delta.content or ""
    assert text
    assert whole.startswith(text)


def test_a_bad_type_names_the_field(client):
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="gpt", messages=HELLO, extra_body={"stream": "yes"})
    assert raised.value.body["param"] == "stream"


async def ask_async():
    async with openai.AsyncOpenAI(
        base_url=f"{os.environ['GATEWAY']}/v1", api_key=os.environ["GATEWAY_KEY"], max_retries=0
    ) as client:
        stream = await client.chat.completions.create(model="gpt", messages=HELLO, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


def test_the_async_client_streams():
    import asyncio

    assert asyncio.run(ask_async())
