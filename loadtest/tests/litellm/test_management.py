"""LiteLLM's own management client against a data plane that forwards to its control plane: one base URL for all.

The test that runs pytest started both planes and says where they are. They have a model `demo` that a file declares.
"""

import os
import time

import pytest
import requests
from litellm.proxy.client import Client
from litellm.proxy.client.exceptions import NotFoundError, UnauthorizedError

GATEWAY = os.environ["GATEWAY"]
MASTER_KEY = os.environ["GATEWAY_MASTER_KEY"]
PROVIDER = os.environ["GATEWAY_PROVIDER"]


@pytest.fixture
def client():
    return Client(base_url=GATEWAY, api_key=MASTER_KEY)


def ask(key, model="demo"):
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    headers = {"Authorization": f"Bearer {key}"}
    return requests.post(f"{GATEWAY}/v1/chat/completions", json=body, headers=headers, timeout=10).status_code


def soon(condition):
    """A change is in force everywhere well within a second; this waits for much longer before it gives up."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_key_is_made_used_changed_and_deleted(client):
    made = client.keys.generate(models=["demo"], key_alias="from-litellm", duration="1h")
    key, token = made["key"], made["token"]
    assert key.startswith("sk-") and len(token) == 64 and made["expires"]
    soon(lambda: ask(key) == 200)

    info = client.keys.info(key)
    assert info["info"]["key_alias"] == "from-litellm" and info["info"]["models"] == ["demo"]
    assert client.keys.info(token)["info"]["key_name"] == info["info"]["key_name"]

    listed = client.keys.list(key_alias="from-litellm", return_full_object=True)
    assert [entry["token"] for entry in listed["keys"]] == [token] and listed["total_count"] == 1
    assert token in client.keys.list(size=100)["keys"]

    client.keys.update(key, models=["another"])
    soon(lambda: ask(key) == 403)
    assert client.keys.info(key)["info"]["key_alias"] == "from-litellm"

    assert client.keys.delete(key_aliases=["from-litellm"])["deleted_keys"]
    soon(lambda: ask(key) == 401)
    with pytest.raises((NotFoundError, requests.exceptions.HTTPError)):
        client.keys.info(key)


def test_a_model_is_made_used_changed_and_deleted(client):
    params = {"model": "openai/ok", "api_base": PROVIDER, "api_key": "sk-provider-0123456789"}
    client.models.new("made", params, model_info={"id": "made-1"})
    soon(lambda: ask(MASTER_KEY, "made") == 200)

    found = client.models.get(model_id="made-1")
    assert found["model_name"] == "made" and found["model_info"]["id"] == "made-1"
    assert "sk-provider-0123456789" not in str(client.models.info())
    assert "made" in [model["id"] for model in client.models.list()]
    assert "made" in [group["model_group"] for group in client.model_groups.info()]

    client.models.update("made-1", {"model": "openai/status-404", "api_base": PROVIDER})
    soon(lambda: ask(MASTER_KEY, "made") == 404)
    client.models.delete("made-1")
    soon(lambda: ask(MASTER_KEY, "made") == 400)
    with pytest.raises(NotFoundError):
        client.models.delete("made-1")


def test_credentials_are_kept_and_never_shown(client):
    values = {"api_key": "sk-credential-0123456789", "api_base": PROVIDER}
    client.credentials.create("shared", {"custom_llm_provider": "openai"}, values)
    listed = client.credentials.list()
    assert "shared" in [entry["credential_name"] for entry in listed["credentials"]]
    assert "sk-credential-0123456789" not in str(listed) + str(client.credentials.get("shared"))

    client.models.new("by-credential", {"model": "openai/ok", "litellm_credential_name": "shared"})
    soon(lambda: ask(MASTER_KEY, "by-credential") == 200)
    [model] = [entry for entry in client.models.info() if entry["model_name"] == "by-credential"]
    client.models.delete(model["model_info"]["id"])
    client.credentials.delete("shared")
    assert "shared" not in str(client.credentials.list())


def test_teams_are_listed(client):
    made = client.http.request("POST", "/team/new", json={"team_alias": "red", "models": ["demo"]})
    assert made["team_id"] in [team["team_id"] for team in client.teams.list()]
    page = client.teams.list_v2(team_alias="red")
    assert [team["team_id"] for team in page["teams"]] == [made["team_id"]] and page["total"] == 1

    key = client.keys.generate(team_id=made["team_id"])["key"]
    soon(lambda: ask(key) == 200)
    client.http.request("POST", "/team/block", json={"team_id": made["team_id"]})
    soon(lambda: ask(key) == 401)
    client.http.request("POST", "/team/delete", json={"team_ids": [made["team_id"]]})
    assert client.teams.list_v2(team_alias="red")["total"] == 0


def test_strangers_are_told_so():
    with pytest.raises(UnauthorizedError):
        Client(base_url=GATEWAY, api_key="sk-nobody-0123456789abcdef").keys.list()
