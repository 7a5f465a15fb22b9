// Fields of a form found in its bytes; FormData as the judge of what is well-formed.

import assert from "node:assert/strict";
import { boundaryOf, formFields } from "../../lib/server/multipart.ts";

const encoder = new TextEncoder();
const wanted = new Set(["model", "stream"]);

async function encode(form: FormData): Promise<{ body: Uint8Array; boundary: string }> {
  const request = new Request("http://x", { method: "POST", body: form });
  return {
    boundary: boundaryOf(request.headers.get("content-type")!)!,
    body: new Uint8Array(await request.arrayBuffer()),
  };
}

function values(body: Uint8Array, boundary: string) {
  const found = formFields(body, boundary, wanted);
  return found && Object.fromEntries(
    [...found].map(([name, spans]) => [
      name,
      spans.map(({ start, end }) => new TextDecoder().decode(body.subarray(start, end))),
    ]),
  );
}

Deno.test("text fields are found beside files of any bytes", async () => {
  const form = new FormData();
  form.set("file", new File([new Uint8Array(70_000).map((_, i) => i)], "model", {}));
  form.set("model", "whisper 你好");
  form.set("stream", "true");
  const { body, boundary } = await encode(form);
  assert.deepEqual(values(body, boundary), { model: ["whisper 你好"], stream: ["true"] });
});

Deno.test("a file that is named model is no model", async () => {
  const form = new FormData();
  form.set("model", new File(["evil"], "x"));
  const { body, boundary } = await encode(form);
  assert.deepEqual(values(body, boundary), {});
});

Deno.test("a boundary inside a file's line does not end its part", async () => {
  const form = new FormData();
  form.set("model", "m");
  const { body, boundary } = await encode(form);
  const text = new TextDecoder().decode(body);
  const with_ = text.replace(
    `--${boundary}--`,
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n` +
      `x--${boundary}\r\n--${boundary}--`,
  );
  assert.deepEqual(values(new TextEncoder().encode(with_), boundary), { model: ["m"] });
});

Deno.test("a body that was cut anywhere is refused", async () => {
  const form = new FormData();
  form.set("model", "m");
  form.set("file", new File(["abc"], "f"));
  const { body, boundary } = await encode(form);
  const end = new TextDecoder().decode(body).lastIndexOf("--");
  for (let cut = 0; cut <= end; cut++) {
    assert.equal(values(body.subarray(0, cut), boundary), null, `cut at ${cut}`);
  }
});

Deno.test("boundaries are read from content types, quoted or not", () => {
  assert.equal(boundaryOf("multipart/form-data; boundary=abc"), "abc");
  assert.equal(boundaryOf('multipart/form-data; charset=UTF-8; boundary="a b";'), "a b");
  assert.equal(boundaryOf("application/json"), null);
  assert.equal(boundaryOf("multipart/form-data"), null);
});

Deno.test("a part's name is the first that its head says, in its own line", () => {
  const part = (head: string) => `--b\r\n${head}\r\n\r\nm\r\n`;
  const named = (head: string) => values(new TextEncoder().encode(part(head) + "--b--"), "b");
  assert.deepEqual(
    named(`content-disposition: form-data; name="model"; note="; name=other"`),
    { model: ["m"] },
  );
  assert.deepEqual(
    named(`content-type: text/plain\r\nContent-Disposition: form-data; name=model`),
    { model: ["m"] },
  );
  for (const more of ['note="; filename=x"', 'note="\\"; name=b; x="', ""]) {
    const found = named(`content-disposition: form-data; Name = model ; ${more}`);
    assert.deepEqual(found, { model: ["m"] }, more);
  }
  const repeated = "content-disposition:".repeat(200);
  assert.deepEqual(named(repeated), {});
  assert.deepEqual(named(`x: ${repeated} form-data; name="model"`), {});
});

Deno.test("a form that servers read in different ways is refused", () => {
  for (
    const type of [
      'multipart/form-data; boundary=a; x="; boundary=b"; boundary=c',
      "multipart/form-data; boundary=a; boundary*=utf-8''b",
      "multipart/form-data; charset=utf-7; boundary=a",
      'multipart/form-data; x="; boundary=a',
      'multipart/form-data; boundary="a\\b"',
    ]
  ) assert.equal(boundaryOf(type), null, type);
  assert.equal(boundaryOf('multipart/form-data; boundary=a; x="; boundary=b"'), "a");
  const field = "content-disposition: form-data; name=model";
  const other = "content-disposition: form-data; name=other";
  for (
    const head of [
      `${other}\r\n${field}`,
      `${field}\r\n${other}`,
      `${field}; name=other`,
      `${other}; name=model`,
      `${field}; filename*=utf-8''x`,
      "content-disposition: form-data; name*=utf-8''model",
      `${field}; x="`,
      `x: ${"y".repeat(5000)}\r\n${field}`,
    ]
  ) {
    const body = encoder.encode(`--b\r\n${head}\r\n\r\nm\r\n--b--`);
    assert.equal(values(body, "b"), null, head.slice(0, 200));
  }
  // The delimiter of the second part is what the first holds, to some.
  const inside = encoder.encode(`--b\r\n${other}\r\n\r\n--b\r\n${field}\r\n\r\nm\r\n--b--`);
  assert.equal(values(inside, "b"), null);
});
