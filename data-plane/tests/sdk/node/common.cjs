// A gateway with a mock provider behind it; the test that runs these files started both and says where they are.
"use strict";

const assert = require("node:assert/strict");
const { z } = require("zod");

const PARAMETERS = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

// What of a stream's text was told before it broke is the beginning of the whole, and not all of it.
function isPrefix(text, whole) {
  assert.ok(text && whole.startsWith(text) && text !== whole, `${JSON.stringify(text)} of ${JSON.stringify(whole)}`);
}

async function all(stream) {
  const seen = [];
  for await (const event of stream) seen.push(event);
  return seen;
}

module.exports = {
  GATEWAY: process.env.GATEWAY,
  KEY: process.env.GATEWAY_KEY,
  HELLO: [{ role: "user", content: "Hello" }],
  MODELS: ["gpt", "claude"],
  FAULTS: ["cut", "clean-end", "error-mid"],
  PARAMETERS,
  Person: z.object({ name: z.string(), age: z.number() }),
  all,
  isPrefix,
};
