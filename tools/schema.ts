// Writes config.schema.json, which gives editors completion and checks, from lib/config/schema.ts.

import { jsonSchemaText } from "../lib/config/json_schema.ts";

await Deno.writeTextFile(new URL("../config.schema.json", import.meta.url), jsonSchemaText());
