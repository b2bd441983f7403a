"""Google's official SDK at models of providers that speak other dialects: nobody should notice."""

import asyncio
import json
import os

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

WEATHER = types.FunctionDeclaration(
    name="weather",
    description="The weather of a city",
    parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}, required=["city"]),
)
TOOLS = [types.Tool(function_declarations=[WEATHER])]
MUST_CALL = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY"))
both = pytest.mark.parametrize("model", ["gpt", "claude"])


class Person(BaseModel):
    name: str
    age: int


def google(key=os.environ["GATEWAY_KEY"], **options):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=os.environ["GATEWAY"], **options))


@pytest.fixture
def client():
    with google() as client:
        yield client


def said(client, model, told="Hello"):
    return client.models.generate_content(model=model, contents=told).text


@both
def test_text(client, model):
    config = types.GenerateContentConfig(
        system_instruction="Be brief.", temperature=0.5, top_p=0.9, max_output_tokens=100, stop_sequences=["stop"]
    )
    answer = client.models.generate_content(model=model, contents="Hello", config=config)
    assert answer.model_version == model
    assert answer.text
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count > 0


@both
def test_stream(client, model):
    whole = client.models.generate_content(model=model, contents="Hello")
    chunks = list(client.models.generate_content_stream(model=model, contents="Hello"))
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text
    assert len(chunks) > 2
    assert {chunk.model_version for chunk in chunks} == {model}
    assert [chunk.candidates[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata == whole.usage_metadata


@both
@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
def test_versions_of_the_api(model, version):
    with google(api_version=version) as client:
        assert said(client, model)
        assert len(list(client.models.generate_content_stream(model=model, contents="Hello"))) > 2


async def stream_async(model):
    async with google().aio as client:
        chunks = await client.models.generate_content_stream(model=model, contents="Hello")
        return "".join([chunk.text or "" async for chunk in chunks])


@both
def test_the_async_client_streams(client, model):
    assert asyncio.run(stream_async(model)) == said(client, model)


@both
def test_a_chat_keeps_its_turns(client, model):
    chat = client.chats.create(model=model)
    text = "".join(chunk.text or "" for chunk in chat.send_message_stream("One"))
    chat.send_message("Two")
    # The SDK keeps every piece of a stream as a turn of its own; the provider sees one.
    told = [*chat.get_history(), types.UserContent("Three")]
    seen = json.loads(said(client, f"{model}-echo", told))["messages"]
    assert [message["role"] for message in seen] == ["user", "assistant", "user", "assistant", "user"]
    assert text in str(seen[1]["content"]) and text in str(seen[3]["content"])


@both
def test_images(client, model):
    image = types.Part.from_bytes(data=b"\x89PNG\r\n\x1a\n", mime_type="image/png")
    assert "iVBORw0KGgo=" in said(client, f"{model}-echo", [image, "What is it?"])


@both
@pytest.mark.parametrize("named", [True, False], ids=["by id", "by name"])
def test_tools(client, model, named):
    asked = types.GenerateContentConfig(tools=TOOLS, tool_config=MUST_CALL)
    whole = client.models.generate_content(model=model, contents="Hello", config=asked)
    call = whole.function_calls[0]
    assert (call.name, list(call.args)) == ("weather", ["city"])
    chunks = client.models.generate_content_stream(model=model, contents="Hello", config=asked)
    streamed = [call for chunk in chunks for call in chunk.function_calls or []]
    assert [(call.name, call.args) for call in streamed] == [(call.name, call.args)]
    # What the model said goes back as it came; a result names the call, or only the function.
    id = call.id if named else None
    result = types.FunctionResponse(id=id, name="weather", response={"weather": "Sunny"})
    told = [
        types.UserContent("Hello"),
        whole.candidates[0].content,
        types.UserContent([types.Part(function_response=result)]),
    ]
    config = types.GenerateContentConfig(tools=TOOLS)
    assert client.models.generate_content(model=model, contents=told, config=config).text
    seen = json.loads(client.models.generate_content(model=f"{model}-echo", contents=told, config=config).text)
    result = seen["messages"][-1]
    result = result["content"][0] if model == "claude" else result
    assert result["tool_use_id" if model == "claude" else "tool_call_id"] in str(seen["messages"][-2])
    assert "Sunny" in str(result["content"])


@both
def test_functions_are_called_for_the_user(client, model):
    asked = []

    def weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "Sunny"

    # This model calls the function each time, so the calls have to end.
    end = types.AutomaticFunctionCallingConfig(maximum_remote_calls=2)
    config = types.GenerateContentConfig(tools=[weather], tool_config=MUST_CALL, automatic_function_calling=end)
    answer = client.chats.create(model=model, config=config).send_message("Hello")
    assert asked == [answer.function_calls[0].args["city"]] * len(asked) != []


@both
def test_structured_output(client, model):
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Person)
    answer = client.models.generate_content(model=model, contents="Hello", config=config)
    assert isinstance(answer.parsed, Person)
    schema = Person.model_json_schema()
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=schema)
    answer = client.models.generate_content(model=model, contents="Hello", config=config)
    assert Person(**answer.parsed)


@both
def test_thoughts_are_parts_of_their_own(client, model):
    answer = client.models.generate_content(model=f"{model}-reasoning", contents="Hello")
    parts = answer.candidates[0].content.parts
    assert [bool(part.thought) for part in parts] == [True, False]
    assert answer.text == said(client, model)
    chunks = client.models.generate_content_stream(model=f"{model}-reasoning", contents="Hello")
    streamed = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    assert "".join(part.text or "" for part in streamed if part.thought) == parts[0].text
    told = [types.UserContent("Hello"), answer.candidates[0].content, types.UserContent("Go on")]
    assert said(client, f"{model}-echo", told)


@pytest.mark.parametrize(
    ("model", "error", "code", "status"),
    [
        ("gpt-status-400", errors.ClientError, 400, "INVALID_ARGUMENT"),
        ("gpt-status-401", errors.ServerError, 502, "UNAVAILABLE"),
        ("gpt-status-404", errors.ClientError, 404, "NOT_FOUND"),
        ("gpt-status-429", errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        ("gpt-status-500", errors.ServerError, 500, "INTERNAL"),
        ("gpt-context-window", errors.ClientError, 400, "INVALID_ARGUMENT"),
        ("claude-status-400", errors.ClientError, 400, "INVALID_ARGUMENT"),
        ("claude-status-429", errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        ("claude-529", errors.ServerError, 503, "UNAVAILABLE"),
        ("claude-error-first", errors.ServerError, 503, "UNAVAILABLE"),
        ("nobody-has-this", errors.ClientError, 400, "INVALID_ARGUMENT"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_sdks_own(client, model, error, code, status, stream):
    with pytest.raises(error) as raised:
        if stream:
            list(client.models.generate_content_stream(model=model, contents="Hello"))
        else:
            client.models.generate_content(model=model, contents="Hello")
    assert (raised.value.code, raised.value.status) == (code, status)
    assert raised.value.message


@pytest.mark.parametrize("key", ["sk-nobody-has-this-key", "not-a-key"])
def test_a_wrong_key(key):
    with google(key) as client, pytest.raises(errors.ClientError) as raised:
        client.models.generate_content(model="gpt", contents="Hello")
    assert (raised.value.code, raised.value.status) == (401, "UNAUTHENTICATED")


@both
@pytest.mark.parametrize("fault", ["cut", "clean-end", "error-mid"])
def test_a_stream_that_breaks_raises_after_a_prefix_of_the_truth(client, model, fault):
    text = ""
    with pytest.raises(errors.ServerError):
        for chunk in client.models.generate_content_stream(model=f"{model}-{fault}", contents="Hello"):
            text += chunk.text or ""
    whole = said(client, model)
    assert text and whole.startswith(text) and text != whole


@both
def test_what_the_provider_lacks_is_named(client, model):
    config = types.GenerateContentConfig(top_k=3, cached_content="cachedContents/x")
    with pytest.raises(errors.ClientError, match="cachedContent"):
        client.models.generate_content(model=model, contents="Hello", config=config)


@pytest.mark.parametrize("model", ["gemini-embed", "embed", "cohere-embed", "titan-embed"])
def test_embeddings(client, model):
    config = types.EmbedContentConfig(output_dimensionality=8)
    # The SDK makes one content of several texts where a model's name sounds multimodal.
    contents = [types.UserContent("One"), types.UserContent("Two")]
    answer = client.models.embed_content(model=model, contents=contents, config=config)
    assert [len(vector.values) for vector in answer.embeddings] == [8, 8]
    one = client.models.embed_content(model=model, contents="One", config=config)
    assert one.embeddings[0].values == answer.embeddings[0].values != answer.embeddings[1].values


@pytest.mark.parametrize("model", ["gemini-embed", "claude", "gpt"])
def test_tokens_are_counted(client, model):
    assert client.models.count_tokens(model=model, contents="Hello").total_tokens > 0


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_models(version):
    with google(api_version=version) as client:
        names = [model.name for model in client.models.list(config={"page_size": 5})]
        assert {"models/gpt", "models/claude", "models/gemini-embed"} <= set(names)
        assert len(names) == len(set(names)) > 5
        model = client.models.get(model="gemini-embed")
        assert (model.name, model.supported_actions[0]) == ("models/gemini-embed", "embedContent")
        with pytest.raises(errors.ClientError) as raised:
            client.models.get(model="nobody-has-this")
        assert raised.value.code == 404
