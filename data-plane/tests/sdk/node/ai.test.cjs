// Vercel's AI SDK, each of its providers at models of both. For OpenAI it speaks responses unless told to use chat.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { createAnthropic } = require("@ai-sdk/anthropic");
const { createOpenAI } = require("@ai-sdk/openai");
const { APICallError, Output, embed, embedMany, generateText, jsonSchema, stepCountIs, streamText, tool } = require("ai");
const { FAULTS, GATEWAY, KEY, MODELS, PARAMETERS, Person, all, isPrefix } = require("./common.cjs");

const openai = createOpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: KEY });
const anthropic = createAnthropic({ baseURL: `${GATEWAY}/v1`, apiKey: KEY });
const PROVIDERS = { responses: openai.responses, chat: openai.chat, messages: anthropic };
const ASKED = { prompt: "Hello", maxRetries: 0, maxOutputTokens: 100 };

for (const [dialect, provider] of Object.entries(PROVIDERS)) {
  for (const name of MODELS) {
    const model = provider(name);

    test(`${dialect} at ${name}`, async () => {
      const answer = await generateText({ ...ASKED, model });
      assert.ok(answer.text && answer.usage.totalTokens > 0);
      assert.equal(answer.finishReason, "stop");
      const stream = streamText({ ...ASKED, model });
      assert.equal((await all(stream.textStream)).join(""), answer.text);
      assert.equal(await stream.finishReason, "stop");
      assert.equal((await stream.usage).outputTokens, answer.usage.outputTokens);
    });

    test(`tools of ${dialect} at ${name}`, async () => {
      const cities = [];
      const execute = ({ city }) => {
        cities.push(city);
        return "Sunny";
      };
      const weather = tool({ description: "The weather of a city", inputSchema: jsonSchema(PARAMETERS), execute });
      // The first step has to call the tool; the second gets its result.
      const asked = {
        ...ASKED,
        model,
        tools: { weather },
        stopWhen: stepCountIs(2),
        prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "auto" }),
      };
      const { steps, text } = await generateText(asked);
      assert.deepEqual(steps.map((step) => step.finishReason), ["tool-calls", "stop"]);
      assert.ok(text);
      const stream = streamText(asked);
      await stream.consumeStream();
      assert.equal(await stream.text, text);
      assert.equal(cities.length, 2);
      assert.ok(cities[0] && cities[0] === cities[1]);
    });

    test(`structured output of ${dialect} at ${name}`, async () => {
      const output = Output.object({ schema: Person });
      assert.ok(Person.parse((await generateText({ ...ASKED, model, output })).output));
    });

    test(`errors of ${dialect} at ${name}`, async () => {
      for (const status of [400, 429, 500]) {
        const refused = (error) => APICallError.isInstance(error) && error.statusCode === status;
        await assert.rejects(generateText({ ...ASKED, model: provider(`${name}-status-${status}`) }), refused);
      }
    });

    for (const fault of FAULTS) {
      test(`a stream of ${dialect} that breaks says so after a prefix of the truth: ${name}-${fault}`, async () => {
        const whole = (await generateText({ ...ASKED, model })).text;
        const broken = provider(`${name}-${fault}`);
        const parts = await all(streamText({ ...ASKED, model: broken, onError: () => {} }).fullStream);
        assert.ok(parts.some((part) => part.type === "error"), parts.map((part) => part.type).join());
        isPrefix(parts.map((part) => (part.type === "text-delta" ? part.text : "")).join(""), whole);
      });
    }
  }
}

for (const name of ["embed", "gemini-embed", "cohere-embed", "titan-embed"]) {
  test(`embeddings at ${name}`, async () => {
    const asked = { model: openai.embedding(name), maxRetries: 0, providerOptions: { openai: { dimensions: 8 } } };
    const many = await embedMany({ ...asked, values: ["One", "Two"] });
    assert.deepEqual(many.embeddings.map((vector) => vector.length), [8, 8]);
    assert.ok(many.usage.tokens > 0);
    const { embedding } = await embed({ ...asked, value: "Two" });
    assert.deepEqual(embedding, many.embeddings[1]);
  });
}
