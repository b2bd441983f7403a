"""A gateway with a mock provider behind it; the test that runs pytest started both and says where they are."""

import os

import anthropic
import openai
import pytest

GATEWAY = os.environ["GATEWAY"]
KEY = os.environ["GATEWAY_KEY"]


@pytest.fixture
def client():
    with openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def claude():
    with anthropic.Anthropic(base_url=GATEWAY, api_key=KEY, max_retries=0) as client:
        yield client
