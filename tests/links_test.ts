// Every link of every document leads somewhere: to a file that is there, to a heading that is in it, or by
// a proper https address out of the repository, where nothing is fetched.

import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import { ROOT } from "./support/processes.ts";

/** Addresses that are no public page: what a reader has on his own machine. */
const OWN = /^http:\/\/(localhost|127\.0\.0\.1)(:\d+)?(\/|$)/;

async function* markdown(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    if (/^(\.git|\.cache|dist|data|coverage|node_modules)$/.test(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory) yield* markdown(path);
    else if (entry.isFile && path.endsWith(".md")) yield path;
  }
}

/** The text without code, in which brackets are no links. */
function prose(text: string): string {
  return text.replace(/^(```+)[^\n]*\n[\s\S]*?^\1\s*$/gm, "").replace(/`[^`\n]+`/g, "code");
}

/** As GitHub names the headings of a page. */
function anchors(text: string): Set<string> {
  const seen = new Map<string, number>();
  const found = new Set<string>();
  const withoutBlocks = text.replace(/^(```+)[^\n]*\n[\s\S]*?^\1\s*$/gm, "");
  for (const [, heading] of withoutBlocks.matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const slug = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, "").replaceAll(" ", "-");
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    found.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return found;
}

interface Link {
  path: string;
  target: string;
}

function linksOf(path: string, text: string): Link[] {
  const plain = prose(text);
  const inline = [...plain.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
  const angled = [...plain.matchAll(/<(https?:[^>\s]+)>/g)];
  return [...inline, ...angled].map(([, target]) => ({ path, target }));
}

/** What is wrong with a link; null where it leads somewhere. */
async function problemOf({ path, target }: Link): Promise<string | null> {
  if (/^[a-z]+:/i.test(target)) {
    if (OWN.test(target)) return null;
    return URL.canParse(target) && new URL(target).protocol === "https:"
      ? null
      : "no https address";
  }
  const [file, anchor] = target.split("#");
  const to = file === "" ? path : join(dirname(path), decodeURIComponent(file));
  if (relative(ROOT, to).startsWith("..")) return "outside of the repository";
  try {
    await Deno.stat(to);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "no such file";
    throw error;
  }
  if (anchor === undefined) return null;
  const known = anchors(await Deno.readTextFile(to));
  return known.has(decodeURIComponent(anchor)) ? null : `no heading #${anchor}`;
}

Deno.test("every link of the documents leads somewhere", async () => {
  const wrong: string[] = [];
  let seen = 0;
  for await (const path of markdown(ROOT)) {
    for (const link of linksOf(path, await Deno.readTextFile(path))) {
      seen++;
      const problem = await problemOf(link);
      if (problem !== null) wrong.push(`${relative(ROOT, path)}: ${link.target}: ${problem}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(seen > 100, `${seen} links`);
});

Deno.test("links that lead nowhere are told of, each with its reason", async () => {
  const path = join(ROOT, "README.md");
  const text = "# A b, `c`!\n[x](docs/none.md) [y](#none) [z](http://a.example) [u](../up.md)\n" +
    "[v](#a-b-c) ![w](LICENSE) <http://localhost:9999/x> `[k](none.md)`\n```\n[t](none.md)\n```\n";
  const problems = await Promise.all(
    linksOf(path, text).filter(({ target }) => target !== "#a-b-c").map(problemOf),
  );
  assert.deepEqual(problems, [
    "no such file",
    "no heading #none",
    "no https address",
    "outside of the repository",
    null,
    null,
  ]);
  assert.deepEqual([...anchors(`${text}# A b, c!\n`)], ["a-b-c", "a-b-c-1"]);
  assert.deepEqual([...anchors("## 命令\n")], ["命令"]);
});

Deno.test("every guide is reached from the README", async () => {
  const linked = new Set(
    linksOf("README.md", await Deno.readTextFile(join(ROOT, "README.md")))
      .map(({ target }) => target.split("#")[0]),
  );
  for await (const { name } of Deno.readDir(join(ROOT, "docs/guides"))) {
    if (name.endsWith("_zh.md")) continue;
    assert.ok(linked.has(`docs/guides/${name}`), name);
  }
});
