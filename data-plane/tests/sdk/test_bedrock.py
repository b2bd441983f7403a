"""Amazon's official SDK at models of providers that speak other dialects: nobody should notice.

It takes the key from the environment and sends it over TLS only."""

import json
import os

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"toolSpec": {"name": "weather", "description": "The weather of a city", "inputSchema": {"json": PARAMETERS}}}
both = pytest.mark.parametrize("model", ["gpt", "claude"])


@pytest.fixture
def bedrock(monkeypatch):
    def with_key(key):
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", key)
        # Nothing of what the user has configured for Amazon counts here.
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        return boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=f"{os.environ['GATEWAY']}/bedrock",
            verify=os.environ["GATEWAY_CA"],
            config=Config(retries={"total_max_attempts": 1}),
        )

    return with_key


@pytest.fixture
def client(bedrock):
    return bedrock(os.environ["GATEWAY_KEY"])


def said(client, model, messages=HELLO, **asked):
    message = client.converse(modelId=model, messages=messages, **asked)["output"]["message"]
    return "".join(block.get("text", "") for block in message["content"])


def events(client, model, **asked):
    """Pairs of an event's name and what it holds."""
    stream = client.converse_stream(modelId=model, messages=HELLO, **asked)["stream"]
    return [pair for event in stream for pair in event.items()]


def deltas(events):
    return [held["delta"] for name, held in events if name == "contentBlockDelta"]


@both
def test_converse(client, model):
    limits = {"maxTokens": 100, "temperature": 0.5, "topP": 0.9, "stopSequences": ["stop"]}
    answer = client.converse(modelId=model, messages=HELLO, system=[{"text": "Be brief."}], inferenceConfig=limits)
    message = answer["output"]["message"]
    assert message["role"] == "assistant"
    assert message["content"][0]["text"]
    assert answer["stopReason"] == "end_turn"
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"] > 0
    assert "latencyMs" in answer["metrics"]


@both
def test_converse_tells_cost_in_headers(client, model):
    headers = client.converse(modelId=model, messages=HELLO)["ResponseMetadata"]["HTTPHeaders"]
    assert float(headers["x-litellm-response-cost"]) > 0


@both
def test_converse_stream(client, model):
    whole = client.converse(modelId=model, messages=HELLO)
    seen = events(client, model)
    assert "".join(delta["text"] for delta in deltas(seen)) == whole["output"]["message"]["content"][0]["text"]
    assert len(deltas(seen)) > 1
    assert seen[0] == ("messageStart", {"role": "assistant"})
    assert seen[-2] == ("messageStop", {"stopReason": "end_turn"})
    assert (seen[-1][0], seen[-1][1]["usage"]) == ("metadata", whole["usage"])


@both
def test_images_and_files(client, model):
    image = {"image": {"format": "png", "source": {"bytes": b"\x89PNG\r\n\x1a\n"}}}
    file = {"document": {"format": "pdf", "name": "paper", "source": {"bytes": b"%PDF-1.4"}}}
    content = [{"text": "What are they?"}, image, file]
    seen = said(client, f"{model}-echo", [{"role": "user", "content": content}])
    assert "iVBORw0KGgo=" in seen and "JVBERi0xLjQ=" in seen


@both
def test_tools(client, model):
    asked = {"toolConfig": {"tools": [TOOL], "toolChoice": {"any": {}}}}
    whole = client.converse(modelId=model, messages=HELLO, **asked)
    message = whole["output"]["message"]
    call = next(block["toolUse"] for block in message["content"] if "toolUse" in block)
    assert (call["name"], list(call["input"]), whole["stopReason"]) == ("weather", ["city"], "tool_use")
    seen = events(client, model, **asked)
    starts = [held["start"]["toolUse"]["name"] for name, held in seen if name == "contentBlockStart"]
    streamed = "".join(delta["toolUse"]["input"] for delta in deltas(seen))
    assert (starts, json.loads(streamed)) == (["weather"], call["input"])
    result = {"toolUseId": call["toolUseId"], "content": [{"text": "Sunny"}], "status": "success"}
    told = [*HELLO, message, {"role": "user", "content": [{"toolResult": result}]}]
    assert said(client, model, told, toolConfig={"tools": [TOOL]})
    sent = json.loads(said(client, f"{model}-echo", told, toolConfig={"tools": [TOOL]}))["messages"]
    assert [call["toolUseId"] in str(message) for message in sent] == [False, True, True]
    assert "Sunny" in str(sent[-1])


@both
def test_structured_output(client, model):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    structure = {"jsonSchema": {"name": "person", "schema": json.dumps(schema)}}
    asked = {"outputConfig": {"textFormat": {"type": "json_schema", "structure": structure}}}
    assert json.loads(said(client, model, **asked)).keys() == {"name", "age"}


@both
def test_thoughts_are_blocks_of_their_own(client, model):
    answer = client.converse(modelId=f"{model}-reasoning", messages=HELLO)
    message = answer["output"]["message"]
    assert [list(block) for block in message["content"]] == [["reasoningContent"], ["text"]]
    seen = events(client, f"{model}-reasoning")
    thought = "".join(delta.get("reasoningContent", {}).get("text", "") for delta in deltas(seen))
    assert thought == message["content"][0]["reasoningContent"]["reasoningText"]["text"]
    told = [*HELLO, message, {"role": "user", "content": [{"text": "Go on"}]}]
    assert said(client, f"{model}-echo", told)


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("gpt-status-400", "ValidationException", 400),
        ("gpt-status-401", "InternalServerException", 502),
        ("gpt-status-404", "ResourceNotFoundException", 404),
        ("gpt-status-429", "ThrottlingException", 429),
        ("gpt-status-500", "InternalServerException", 500),
        ("gpt-status-503", "ServiceUnavailableException", 503),
        ("gpt-context-window", "ValidationException", 400),
        ("claude-status-400", "ValidationException", 400),
        ("claude-status-429", "ThrottlingException", 429),
        ("claude-529", "ServiceUnavailableException", 503),
        ("claude-error-first", "ServiceUnavailableException", 503),
        ("nobody-has-this", "ValidationException", 400),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_sdks_own(client, model, error, status, stream):
    with pytest.raises(getattr(client.exceptions, error)) as raised:
        if stream:
            events(client, model)
        else:
            client.converse(modelId=model, messages=HELLO)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert raised.value.response["Error"]["Message"]


def test_a_wrong_key(bedrock):
    client = bedrock("sk-nobody-has-this-key")
    with pytest.raises(client.exceptions.AccessDeniedException):
        client.converse(modelId="gpt", messages=HELLO)


@both
@pytest.mark.parametrize(
    ("fault", "errors"),
    [
        ("cut", {"internalServerException"}),
        ("clean-end", {"internalServerException"}),
        ("error-mid", {"internalServerException", "serviceUnavailableException"}),
    ],
)
def test_a_stream_that_breaks_raises_after_a_prefix_of_the_truth(client, model, fault, errors):
    text = ""
    with pytest.raises(ClientError) as raised:
        for event in client.converse_stream(modelId=f"{model}-{fault}", messages=HELLO)["stream"]:
            text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
    assert raised.value.response["Error"]["Code"] in errors
    whole = said(client, model)
    assert text and whole.startswith(text) and text != whole


@both
def test_what_the_provider_lacks_is_named(client, model):
    guardrail = {"guardrailIdentifier": "abcdef", "guardrailVersion": "1"}
    with pytest.raises(client.exceptions.ValidationException, match="guardrailConfig"):
        client.converse(modelId=model, messages=HELLO, guardrailConfig=guardrail)
