"""The official OpenAI SDK with answers that a provider keeps: a group of two deployments, each with a store of its own."""

import openai
import pytest


def test_a_conversation_goes_on_by_its_last_answer(client):
    last = client.responses.create(model="gpt", input="Hello")
    for _ in range(5):
        answer = client.responses.create(model="gpt", input="And?", previous_response_id=last.id)
        assert answer.previous_response_id == last.id != answer.id
        last = answer


def test_a_streamed_conversation_goes_on(client):
    previous = openai.omit
    for _ in range(3):
        with client.responses.stream(model="gpt", input="Hello", previous_response_id=previous) as stream:
            ids = {event.response.id for event in stream if hasattr(event, "response")}
            previous = stream.get_final_response().id
        assert ids == {previous}


def test_an_answer_is_retrieved_cancelled_and_deleted(client):
    answer = client.responses.create(model="gpt", input="Hello")
    found = client.responses.retrieve(answer.id, include=["reasoning.encrypted_content"])
    assert (found.id, found.model, found.output_text) == (answer.id, "gpt", "Hi")
    items = client.responses.input_items.list(answer.id, limit=1, order="asc")
    assert items.data[0].encrypted_content.startswith("bulkhead-sealed.")
    assert client.responses.cancel(answer.id).status == "cancelled"
    assert client.responses.delete(answer.id) is None
    with pytest.raises(openai.NotFoundError) as error:
        client.responses.retrieve(answer.id)
    assert answer.id in error.value.message


def test_an_id_of_nobody_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as error:
        client.responses.create(model="gpt", input="x", previous_response_id="resp_0123456789")
    assert error.value.code == "previous_response_not_found"


def test_an_agent_that_stores_nothing_sends_its_reasoning_back(client):
    """As Codex does it: the items of every answer go into the next input, encrypted reasoning included."""
    items = [{"role": "user", "content": "Hello"}]
    for turn in range(5):
        with client.responses.stream(
            model="gpt", input=items, store=False, include=["reasoning.encrypted_content"]
        ) as stream:
            answer = stream.get_final_response()
        assert answer.output[0].encrypted_content.startswith("bulkhead-sealed.")
        items += [item.model_dump(exclude_none=True) for item in answer.output]
        items.append({"role": "user", "content": f"turn {turn}"})
