// A body under another name of its model.

import assert from "node:assert/strict";
import type { Api } from "../../lib/api/dialects.ts";
import { readFields } from "../../lib/server/read.ts";
import { withModel } from "../../lib/server/request_fields.ts";

const BOUNDARY = "multipart/form-data; boundary=x";
const FORM = [
  '--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nold\r\n',
  '--x\r\ncontent-disposition: form-data; name="stream"\r\n\r\ntrue\r\n--x--\r\n',
].join("");

async function read(body: Uint8Array, api: Api | null, type = "application/json") {
  const request = { method: "POST", target: "/", headers: [["content-type", type]] as const };
  return { body, fields: await readFields(request, body, api) };
}

for (const name of ["m", "a-longer-name", 'quo"ted é']) {
  Deno.test(`a body whose model is called ${name} has its fields where they would be read`, async () => {
    const bodies: [string, Api | null, string?][] = [
      ['{"model":"old","messages":[{"role":"user","content":"hi"}],"stream":true}', "chat"],
      ['{"messages":[],"stream_options":{"include_usage":true},"tools":[],"model":"old"}', "chat"],
      [
        '{ "stream_options" : {}, "model" : "older", "prompt": ["a","b"], "model":"old" ,"n":2}',
        "completions",
      ],
      ['{"model":"old","instructions":"be brief","input":"hi","store":false}', "responses"],
      ['{"model":"old","system":"s","messages":[],"max_tokens":7}', "messages"],
      [FORM, null, BOUNDARY],
      [FORM.replace("old", ""), null, BOUNDARY],
    ];
    for (const [text, api, type] of bodies) {
      const before = await read(new TextEncoder().encode(text), api, type);
      const renamed = withModel(before, name);
      const again = await read(renamed.body, api, type);
      assert.deepEqual(placed(renamed.fields), placed(again.fields));
      assert.equal(renamed.fields.model, name);
    }
  });
}

/** Spans by where they are alone. */
function placed(fields: Awaited<ReturnType<typeof readFields>>) {
  const places = (list: readonly { start: number; end: number }[]) =>
    list.map(({ start, end }) => [start, end]);
  return {
    ...fields,
    modelSpans: places(fields.modelSpans),
    streamOptions: places(fields.streamOptions),
    prompt: { ...fields.prompt, parts: places(fields.prompt.parts) },
  };
}
