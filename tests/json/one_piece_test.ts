// Texts in one piece are the texts that they were.

import assert from "node:assert/strict";
import { FewTexts, inOnePiece, joinedInOnePiece } from "../../lib/json/one_piece.ts";

const TEXTS = [
  "",
  "a",
  "all in small letters, and longer",
  "With Capitals, 12345",
  'quo"ted \\ and \n broken',
  "ungerade ÄÖÜ ß, İstanbul ςΣ",
  "half a pair \ud83d and a whole one \u{1f600}",
];

for (const text of TEXTS) {
  Deno.test(`${JSON.stringify(text)} is the same in one piece`, () => {
    const cut = `<${text}>`.slice(1, -1);
    const joined = [...text].reduce((sum, char) => sum + char, "");
    for (const one of [text, cut, joined]) {
      assert.equal(inOnePiece(one), text);
      assert.equal(joinedInOnePiece(one), text);
    }
  });
}

Deno.test("of few texts each is itself, however many come", () => {
  const texts = new FewTexts();
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < 5000; n++) {
      assert.equal(texts.inOnePiece(`client number ${n}`), `client number ${n}`);
    }
  }
  for (const text of TEXTS) assert.equal(texts.inOnePiece(text), text);
});
