// The words of the pages, in both languages.

import assert from "node:assert/strict";
import { join } from "node:path";

Deno.test("both languages have the same words with the same blanks", async () => {
  const path = join(import.meta.dirname!, "../../lib/dashboard/pages/words.js");
  const { LANGUAGES } = await import(path);
  const { en, zh } = LANGUAGES as Record<string, Record<string, string>>;
  assert.deepEqual(Object.keys(zh), Object.keys(en));
  const blanks = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const key of Object.keys(en)) {
    assert.deepEqual(blanks(zh[key]), blanks(en[key]), key);
    assert.notEqual(zh[key].trim(), "", key);
  }
});
