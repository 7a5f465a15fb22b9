// The files that ship: the annotated config and the schema for editors.

import assert from "node:assert/strict";
import { join } from "node:path";
import { z } from "zod";
import { jsonSchemaText } from "../../lib/config/json_schema.ts";
import { loadConfig } from "../../lib/config/load.ts";
import { parseText } from "../../lib/config/parse.ts";
import { configSchema } from "../../lib/config/schema.ts";

const root = join(import.meta.dirname!, "..", "..");

Deno.test("config.schema.json is what the schema says today (deno task schema)", async () => {
  const onDisk = await Deno.readTextFile(join(root, "config.schema.json"));
  assert.deepEqual(JSON.parse(onDisk), JSON.parse(jsonSchemaText()));
});

Deno.test("config.jsonc shows every option, with its default", async () => {
  const text = await Deno.readTextFile(join(root, "config.jsonc"));
  const parsed = parseText("config.jsonc", text);
  assert.ok(!Array.isArray(parsed));
  const shown = parsed.value as Record<string, unknown>;
  const { instances } = shown;
  const defaults: Record<string, unknown> = configSchema.parse({ instances });
  for (const [name, value] of Object.entries(defaults)) {
    if (name === "instances") continue;
    assert.deepEqual(shown[name], value, name);
  }
  for (const name of Object.keys(configSchema.shape.instances.unwrap().element.shape)) {
    assert.ok(text.includes(`"${name}"`), `instances[].${name} is not shown`);
  }
  const plain = loadConfig("x", JSON.stringify({ instances }), () => undefined);
  const annotated = loadConfig("x", text, () => undefined);
  assert.ok(plain.ok && annotated.ok);
  assert.deepEqual(annotated.config, plain.config);
  assert.ok(z.toJSONSchema(configSchema, { io: "input" }).properties);
});
