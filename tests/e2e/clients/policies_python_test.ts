// The official Python clients on answers that policies have cut, masked or written otherwise.

import assert from "node:assert/strict";
import { join } from "node:path";
import { startFleet } from "../../faults/fleet.ts";
import { environment, isReady } from "./python/environment.ts";

/** Says the text and the end of each API's answer, whole and streamed. */
const SCRIPT = `
import json, sys
from anthropic import Anthropic
from openai import ContentFilterFinishReasonError, OpenAI
client = OpenAI(base_url=sys.argv[1], api_key="EMPTY", max_retries=0)
ask = {"model": "demo", "max_tokens": 200}
chat = [{"role": "user", "content": "hi"}]
heard = {}
one = client.chat.completions.create(messages=chat, **ask).choices[0]
heard["chat"] = [one.message.content, one.finish_reason]
text, end = "", None
for chunk in client.chat.completions.create(messages=chat, stream=True, **ask):
    for choice in chunk.choices:
        text, end = text + (choice.delta.content or ""), choice.finish_reason or end
heard["chat streamed"] = [text, end]
# The client's helper has an error of its own for such an end.
try:
    with client.chat.completions.stream(messages=chat, **ask) as stream:
        stream.until_done()
        stream.get_final_completion()
    assert end == "stop"
except ContentFilterFinishReasonError:
    assert end == "content_filter"
one = client.completions.create(prompt="hi", **ask).choices[0]
heard["completions"] = [one.text, one.finish_reason]
text, end = "", None
for chunk in client.completions.create(prompt="hi", stream=True, **ask):
    for choice in chunk.choices:
        text, end = text + choice.text, choice.finish_reason or end
heard["completions streamed"] = [text, end]
asked = {"model": "demo", "max_output_tokens": 200, "input": "hi"}
end_of = lambda one: one.incomplete_details.reason if one.incomplete_details else "stop"
one = client.responses.create(**asked)
heard["responses"] = [one.output_text, end_of(one)]
# Its helper takes response.completed alone for an end, from whatever server.
for event in client.responses.create(stream=True, **asked):
    last = event
heard["responses streamed"] = [last.response.output_text, end_of(last.response)]
claude = Anthropic(base_url=sys.argv[1].removesuffix("/v1"), api_key="EMPTY", max_retries=0)
text_of = lambda one: "".join(block.text for block in one.content if block.type == "text")
one = claude.messages.create(messages=chat, **ask)
heard["messages"] = [text_of(one), one.stop_reason]
# The helper keeps account of the blocks: an index that is wrong, or one that is left open, is an error.
with claude.messages.stream(messages=chat, **ask) as stream:
    text = "".join(stream.text_stream)
    one = stream.get_final_message()
assert text == text_of(one)
assert one.usage.output_tokens > 0
heard["messages streamed"] = [text, one.stop_reason]
kinds = [event.type for event in claude.messages.create(messages=chat, stream=True, **ask)]
assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"], kinds
assert kinds.count("content_block_start") == kinds.count("content_block_stop"), kinds
print(json.dumps(heard))
`;
const SAID = "The weather is fine. The password is hunter2, and nothing more was said.";
const WORD = "password is hunter2";

/** How an answer ends in the words of Anthropic's API. */
const IN_MESSAGES: Readonly<Record<string, string>> = {
  content_filter: "refusal",
  stop: "end_turn",
};

for (
  const [action, shown, end] of [
    ["cut", SAID.slice(0, SAID.indexOf(WORD)), "content_filter"],
    ["mask", SAID.replace(WORD, "*".repeat(WORD.length)), "stop"],
    ["replace", SAID.replace(WORD, "[words]"), "stop"],
  ]
) {
  Deno.test({
    name: `49, 52: the Python clients parse what policies ${action}`,
    // tests/e2e/clients/python/prepare.sh makes it; CI does so first.
    ignore: !await isReady(),
    async fn() {
      await using fleet = await startFleet({
        count: 1,
        simulate: ["--answer", SAID],
        config: {
          policies: [{ name: "words", type: "words", words: [WORD], on: "answer", action }],
        },
      });
      const { success, stdout, stderr } = await new Deno.Command(join(environment, "bin/python"), {
        args: ["-c", SCRIPT, `${fleet.gateway.url}/v1`],
        env: { PYTHONIOENCODING: "utf-8", PYTHONDONTWRITEBYTECODE: "1" },
        stdin: "null",
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      const heard: Record<string, string[]> = JSON.parse(new TextDecoder().decode(stdout));
      assert.equal(Object.keys(heard).length, 8);
      for (const [how, [text, ended]] of Object.entries(heard)) {
        const ends = how.startsWith("messages") ? IN_MESSAGES[end] : end;
        assert.deepEqual([text, ended], [shown, ends], how);
      }
    },
  });
}
