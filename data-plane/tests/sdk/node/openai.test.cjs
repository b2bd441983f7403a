// The official OpenAI SDK for Node, at models of both providers.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { OpenAI } = require("openai");
const { zodResponseFormat, zodTextFormat } = require("openai/helpers/zod");
const { FAULTS, GATEWAY, HELLO, KEY, MODELS, PARAMETERS, Person, all, isPrefix } = require("./common.cjs");

const client = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: KEY, maxRetries: 0 });
const FUNCTION = { name: "weather", description: "The weather of a city", parameters: PARAMETERS };

for (const model of MODELS) {
  test(`chat at ${model}`, async () => {
    const answer = await client.chat.completions.create({ model, messages: HELLO });
    assert.equal(answer.model, model);
    assert.equal(answer.choices[0].finish_reason, "stop");
    const stream_options = { include_usage: true };
    const chunks = await all(
      await client.chat.completions.create({ model, messages: HELLO, stream: true, stream_options }),
    );
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
    assert.equal(text, answer.choices[0].message.content);
    assert.deepEqual(chunks.at(-1).usage, answer.usage);
  });

  test(`tools of chat at ${model}`, async () => {
    const asked = { model, tools: [{ type: "function", function: FUNCTION }] };
    const forced = { ...asked, messages: HELLO, tool_choice: "required" };
    const { message, finish_reason } = (await client.chat.completions.create(forced)).choices[0];
    assert.equal(finish_reason, "tool_calls");
    const call = message.tool_calls[0];
    const streamed = (await client.chat.completions.stream(forced).finalChatCompletion()).choices[0].message;
    assert.equal(streamed.tool_calls[0].function.arguments, call.function.arguments);
    const messages = [...HELLO, message, { role: "tool", tool_call_id: call.id, content: "Sunny" }];
    assert.ok((await client.chat.completions.create({ ...asked, messages })).choices[0].message.content);
  });

  test(`responses at ${model}`, async () => {
    const answer = await client.responses.create({ model, input: "Hello" });
    assert.deepEqual([answer.model, answer.status], [model, "completed"]);
    const stream = client.responses.stream({ model, input: "Hello" });
    const deltas = (await all(stream)).filter((event) => event.type === "response.output_text.delta");
    assert.equal(deltas.map((event) => event.delta).join(""), answer.output_text);
    assert.equal((await stream.finalResponse()).output_text, answer.output_text);
  });

  test(`tools of responses at ${model}`, async () => {
    const asked = { model, tools: [{ type: "function", strict: false, ...FUNCTION }] };
    const forced = { ...asked, input: HELLO, tool_choice: "required" };
    const answer = await client.responses.create(forced);
    const call = answer.output.find((item) => item.type === "function_call");
    const final = await client.responses.stream(forced).finalResponse();
    assert.equal(final.output.find((item) => item.type === "function_call").arguments, call.arguments);
    const result = { type: "function_call_output", call_id: call.call_id, output: "Sunny" };
    assert.ok((await client.responses.create({ ...asked, input: [...HELLO, ...answer.output, result] })).output_text);
  });

  test(`structured output at ${model}`, async () => {
    const response_format = zodResponseFormat(Person, "person");
    const answer = await client.chat.completions.parse({ model, messages: HELLO, response_format });
    assert.ok(Person.parse(answer.choices[0].message.parsed));
    const text = { format: zodTextFormat(Person, "person") };
    assert.ok(Person.parse((await client.responses.parse({ model, input: "Hello", text })).output_parsed));
  });

  for (const stream of [false, true]) {
    test(`errors of ${model}${stream ? ", streaming" : ""}`, async () => {
      const messages = HELLO;
      const ask = (status) => client.chat.completions.create({ model: `${model}-status-${status}`, messages, stream });
      await assert.rejects(ask(400), (error) => error instanceof OpenAI.BadRequestError && error.status === 400);
      await assert.rejects(ask(429), (error) => error instanceof OpenAI.RateLimitError && error.status === 429);
      await assert.rejects(ask(500), (error) => error instanceof OpenAI.InternalServerError && error.status === 500);
    });
  }

  for (const fault of FAULTS) {
    test(`a stream of chat that breaks throws after a prefix of the truth: ${model}-${fault}`, async () => {
      const whole = (await client.chat.completions.create({ model, messages: HELLO })).choices[0].message.content;
      const stream = await client.chat.completions.create({ model: `${model}-${fault}`, messages: HELLO, stream: true });
      let text = "";
      await assert.rejects(async () => {
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
      }, OpenAI.APIError);
      isPrefix(text, whole);
    });

    test(`a stream of responses that breaks throws: ${model}-${fault}`, async () => {
      await assert.rejects(client.responses.stream({ model: `${model}-${fault}`, input: "Hello" }).finalResponse());
    });
  }
}
