// The official Anthropic SDK for Node, at models of both providers.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { Anthropic } = require("@anthropic-ai/sdk");
const { FAULTS, GATEWAY, HELLO, KEY, MODELS, PARAMETERS, isPrefix } = require("./common.cjs");

const client = new Anthropic({ baseURL: GATEWAY, apiKey: KEY, maxRetries: 0 });
const tools = [{ name: "weather", description: "The weather of a city", input_schema: PARAMETERS }];

for (const model of MODELS) {
  const asked = { model, max_tokens: 100 };

  test(`messages at ${model}`, async () => {
    const answer = await client.messages.create({ ...asked, messages: HELLO, system: "Be brief." });
    assert.deepEqual([answer.model, answer.stop_reason], [model, "end_turn"]);
    assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
    const final = await client.messages.stream({ ...asked, messages: HELLO }).finalMessage();
    assert.equal(final.content[0].text, answer.content[0].text);
    assert.deepEqual([final.model, final.stop_reason], [model, "end_turn"]);
    assert.equal(final.usage.output_tokens, answer.usage.output_tokens);
  });

  test(`tools at ${model}`, async () => {
    const forced = { ...asked, tools, messages: HELLO, tool_choice: { type: "any" } };
    const { content, stop_reason } = await client.messages.create(forced);
    assert.equal(stop_reason, "tool_use");
    const call = content.find((block) => block.type === "tool_use");
    const final = await client.messages.stream(forced).finalMessage();
    assert.deepEqual(final.content.find((block) => block.type === "tool_use").input, call.input);
    const result = { type: "tool_result", tool_use_id: call.id, content: "Sunny" };
    const messages = [...HELLO, { role: "assistant", content }, { role: "user", content: [result] }];
    assert.ok((await client.messages.create({ ...asked, tools, messages })).content[0].text);
  });

  for (const stream of [false, true]) {
    test(`errors of ${model}${stream ? ", streaming" : ""}`, async () => {
      const ask = (status) =>
        client.messages.create({ ...asked, model: `${model}-status-${status}`, messages: HELLO, stream });
      await assert.rejects(ask(400), (error) => error instanceof Anthropic.BadRequestError && error.status === 400);
      await assert.rejects(ask(429), (error) => error instanceof Anthropic.RateLimitError && error.status === 429);
      await assert.rejects(ask(500), (error) => error instanceof Anthropic.InternalServerError && error.status === 500);
    });
  }

  for (const fault of FAULTS) {
    test(`a stream that breaks throws after a prefix of the truth: ${model}-${fault}`, async () => {
      const whole = (await client.messages.create({ ...asked, messages: HELLO })).content[0].text;
      const stream = await client.messages.create({
        ...asked,
        model: `${model}-${fault}`,
        messages: HELLO,
        stream: true,
      });
      let text = "";
      await assert.rejects(async () => {
        for await (const event of stream) text += event.delta?.text ?? "";
      }, Anthropic.APIError);
      isPrefix(text, whole);
    });
  }
}
