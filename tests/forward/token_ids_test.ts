// Ids of tokens that come again: a client that asked for them has them already.

import assert from "node:assert/strict";
import { TokenIds } from "../../lib/forward/resume/token_ids.ts";

Deno.test("ids that were to come again are so behind a second break before they came", () => {
  const ids = new TokenIds(true);
  ids.answer.push(1, 2, 3, 4);
  assert.deepEqual(ids.lacking, []);
  ids.goOnFrom(2);
  assert.deepEqual([ids.answer, ids.lacking], [[1, 2], [3, 4]]);
  ids.answer.push(3);
  assert.deepEqual(ids.lacking, [4]);
  ids.goOnFrom(2);
  assert.deepEqual([ids.answer, ids.lacking], [[1, 2], [3, 4]]);
  ids.answer.push(3, 4, 5);
  assert.deepEqual(ids.lacking, []);
});
