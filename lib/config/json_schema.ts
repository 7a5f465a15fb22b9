// The JSON Schema of the config file, for editors.

import { z } from "zod";
import { configSchema } from "./schema.ts";

/** The text of config.schema.json. */
export function jsonSchemaText(): string {
  const schema = z.toJSONSchema(configSchema, { io: "input", target: "draft-2020-12" });
  return `${JSON.stringify({ title: "SimpleAIGateway configuration", ...schema }, null, 2)}\n`;
}
