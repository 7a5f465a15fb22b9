// Writes lib/policy/text/simplified_table.ts: which single character of traditional Chinese is written how in simplified,
// as opencc-js has it. Its phrases are left out: a filter goes by characters. Run it by hand:
//   deno run --no-lock --allow-read --allow-write --allow-env tools/simplified.ts

import * as OpenCC from "npm:opencc-js@1.4.2";

const convert = OpenCC.Converter({ from: "t", to: "cn" });
const from: string[] = [];
const to: string[] = [];
for (let code = 0x3400; code <= 0xfaff; code++) {
  if (code > 0x9fff && code < 0xf900) continue;
  const char = String.fromCharCode(code);
  const simplified = convert(char);
  if (simplified === char || simplified.length !== 1) continue;
  from.push(char);
  to.push(simplified);
}
await Deno.writeTextFile(
  new URL("../lib/policy/text/simplified_table.ts", import.meta.url),
  `// Written by tools/simplified.ts from opencc-js 1.4.2 (Apache-2.0): the n-th character of one is written as
// the n-th of the other.

export const TRADITIONAL =
  "${from.join("")}";
export const SIMPLIFIED =
  "${to.join("")}";
`,
);
