// Google's official SDK for Node, at models of both providers.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { ApiError, FunctionCallingConfigMode, GoogleGenAI, createUserContent } = require("@google/genai");
const { FAULTS, GATEWAY, KEY, MODELS, PARAMETERS, all, isPrefix } = require("./common.cjs");

const { models, chats } = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: GATEWAY } });
const contents = "Hello";
const tools = [
  { functionDeclarations: [{ name: "weather", description: "The weather of a city", parametersJsonSchema: PARAMETERS }] },
];

test("embeddings, counts and models", async () => {
  for (const model of ["gemini-embed", "embed"]) {
    const config = { outputDimensionality: 8 };
    const { embeddings } = await models.embedContent({ model, contents: ["One", "Two"], config });
    assert.deepEqual(embeddings.map((vector) => vector.values.length), [8, 8]);
    assert.ok((await models.countTokens({ model, contents })).totalTokens > 0);
    assert.equal((await models.get({ model })).name, `models/${model}`);
  }
  const names = (await all(await models.list({ config: { pageSize: 5 } }))).map((model) => model.name);
  assert.ok(names.includes("models/gpt") && new Set(names).size === names.length && names.length > 5);
});

for (const model of MODELS) {
  test(`text at ${model}`, async () => {
    const answer = await models.generateContent({ model, contents });
    assert.deepEqual([answer.modelVersion, answer.candidates[0].finishReason], [model, "STOP"]);
    const chunks = await all(await models.generateContentStream({ model, contents }));
    assert.equal(chunks.map((chunk) => chunk.text ?? "").join(""), answer.text);
    assert.deepEqual(chunks.at(-1).usageMetadata, answer.usageMetadata);
  });

  test(`a chat at ${model}`, async () => {
    const chat = chats.create({ model });
    await all(await chat.sendMessageStream({ message: "One" }));
    assert.ok((await chat.sendMessage({ message: "Two" })).text);
  });

  test(`tools at ${model}`, async () => {
    const toolConfig = { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } };
    const forced = { model, contents, config: { tools, toolConfig } };
    const answer = await models.generateContent(forced);
    const [call] = answer.functionCalls;
    assert.equal(call.name, "weather");
    const streamed = (await all(await models.generateContentStream(forced))).flatMap((it) => it.functionCalls ?? []);
    assert.deepEqual(streamed.map((it) => it.args), [call.args]);
    const functionResponse = { id: call.id, name: call.name, response: { weather: "Sunny" } };
    const turns = [
      createUserContent(contents),
      answer.candidates[0].content,
      { role: "user", parts: [{ functionResponse }] },
    ];
    assert.ok((await models.generateContent({ model, contents: turns, config: { tools } })).text);
  });

  test(`structured output at ${model}`, async () => {
    const schema = { type: "object", properties: { name: { type: "string" } }, required: ["name"] };
    const config = { responseMimeType: "application/json", responseJsonSchema: schema };
    assert.ok(JSON.parse((await models.generateContent({ model, contents, config })).text).name);
  });

  for (const ask of ["generateContent", "generateContentStream"]) {
    test(`errors of ${model}, ${ask}`, async () => {
      for (const status of [400, 429, 500]) {
        const refused = (error) => error instanceof ApiError && error.status === status;
        await assert.rejects(models[ask]({ model: `${model}-status-${status}`, contents }), refused);
      }
    });
  }

  for (const fault of FAULTS) {
    test(`a stream that breaks throws after a prefix of the truth: ${model}-${fault}`, async () => {
      const whole = (await models.generateContent({ model, contents })).text;
      const stream = await models.generateContentStream({ model: `${model}-${fault}`, contents });
      let text = "";
      await assert.rejects(async () => {
        for await (const chunk of stream) text += chunk.text ?? "";
      }, ApiError);
      isPrefix(text, whole);
    });
  }
}
