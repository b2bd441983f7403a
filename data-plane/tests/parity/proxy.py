"""LiteLLM's proxy, which also writes down what each request is billed: a line of JSON in the file $BILLED."""

import json
import os

import litellm
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy.proxy_cli import run_server


class Billed(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        log = kwargs.get("standard_logging_object") or {}
        usage = (log.get("metadata") or {}).get("usage_object") or {}
        line = {
            "call_id": kwargs.get("litellm_call_id"),
            "input": log.get("prompt_tokens"),
            "output": log.get("completion_tokens"),
            "cost": log.get("response_cost"),
            "usage": usage,
        }
        with open(os.environ["BILLED"], "a") as file:
            file.write(json.dumps(line, default=str) + "\n")


litellm.callbacks = [Billed()]
run_server()
