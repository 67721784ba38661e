// An adapter of OpenAI's library for Node (https://github.com/openai/openai-node), by the protocol of
// docs/adapter-protocol.md:
//
//   npm install --prefix DIR openai
//   NODE_PATH=DIR/node_modules streamgauge client -- node tests/adapters/openai_node.cjs
"use strict";

const path = require("node:path");
const readline = require("node:readline");
const OpenAI = require("openai");

const { version } = require(path.join(path.dirname(require.resolve("openai")), "package.json"));

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

say({
  type: "adapter",
  protocol: 1,
  name: "openai-node",
  version,
  title: "openai-node, chat.completions.create({stream: true})",
  dialect: "openai-chat",
  capabilities: ["async", "usage", "tools", "reasoning", "refusal", "n", "finish", "errors"],
});

let current = null;

async function stream(asked) {
  const mine = (current = { stopped: false, stream: null });
  try {
    const client = new OpenAI({
      baseURL: asked.base_url,
      apiKey: asked.api_key || "none",
      maxRetries: 0,
      timeout: asked.timeout * 1000,
    });
    mine.stream = await client.chat.completions.create(asked.request);
    if (mine.stopped) mine.stream.controller.abort();
    for await (const chunk of mine.stream) {
      if (mine.stopped) break;
      tell(chunk);
    }
    say({ type: "done" });
  } catch (error) {
    say({
      type: "raised",
      name: error?.constructor?.name ?? "Error",
      message: String(error?.message ?? error),
      library: error instanceof OpenAI.OpenAIError,
      timeout: error instanceof OpenAI.APIConnectionTimeoutError,
    });
  }
}

function tell(chunk) {
  if (chunk.id || chunk.model) say({ type: "start", id: chunk.id ?? "", model: chunk.model ?? "" });
  for (const choice of chunk.choices ?? []) {
    const { index, delta = {} } = choice;
    const thought = delta.reasoning_content || delta.reasoning;
    if (thought) say({ type: "reasoning", text: thought, choice: index });
    if (delta.content) say({ type: "text", text: delta.content, choice: index });
    if (delta.refusal) say({ type: "refusal", text: delta.refusal, choice: index });
    for (const call of delta.tool_calls ?? []) {
      const { name = "", arguments: text = "" } = call.function ?? {};
      say({ type: "tool_call", index: call.index, id: call.id ?? "", name, arguments: text, choice: index });
    }
    if (choice.finish_reason) say({ type: "finish", reason: choice.finish_reason, choice: index });
  }
  if (chunk.usage) {
    say({ type: "usage", input_tokens: chunk.usage.prompt_tokens, output_tokens: chunk.usage.completion_tokens });
  }
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  if (asked.type === "stream") stream(asked);
  if (asked.type === "stop" && current) {
    current.stopped = true;
    current.stream?.controller.abort();
  }
}).on("close", () => process.exit(0));
