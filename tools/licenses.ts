// `deno task licenses`: gathers the licence texts of everything that a bundle or an executable has in it, from
// the packages themselves. A test holds the file to them; `simple-ai-gateway licenses` prints it.

import { join } from "node:path";
import { deno, ROOT } from "./bundle.ts";

export const FILE = "lib/cli/licenses/third_party.txt";

/** Bundled with the dashboard's pages (tools/vendor.ts). */
const VENDORED = "lib/dashboard/vendor_entry.js";
/** A table of its data is in the program (tools/simplified.ts). */
const DATA_OF = ["tools/simplified.ts"];
/** Files of a package that are its licence. */
const LICENSE_FILE = /^(licen[cs]e|copying|notice|third_party_licenses)([.-](md|txt|mit))?$/i;
const RULE = "=".repeat(80);

export interface Package {
  readonly name: string;
  readonly version: string;
}

const HEAD = `Licences of what Simple AI Gateway has in it

The program is under the licence in LICENSE. What follows are the packages that its bundle and its
executables contain, with their own licences. An executable also holds the Deno runtime (MIT,
https://github.com/denoland/deno), whose notices are published with it.
`;

/** The packages that the program, its pages and its tables are made of, in the order of their names. */
export async function packages(): Promise<Package[]> {
  const ran = await deno(["info", "--json", "main.ts"]);
  if (!ran.success) throw new Error(`deno info failed:\n${ran.said}`);
  const { npmPackages } = JSON.parse(ran.said);
  const found = new Map<string, Package>();
  for (const { name, version } of Object.values<Package>(npmPackages)) {
    found.set(`${name}@${version}`, { name, version });
  }
  for (const file of [VENDORED, ...DATA_OF]) {
    const text = await Deno.readTextFile(join(ROOT, file));
    for (const [, name, version] of text.matchAll(/"npm:((?:@[^/"]+\/)?[^@"]+)@([^/"]+)/g)) {
      found.set(`${name}@${version}`, { name, version });
    }
  }
  return [...found.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}

/** The text of the file. Throws where a package has no licence that can be told. */
export async function thirdParty(): Promise<string> {
  const cache = JSON.parse((await deno(["info", "--json"])).said).npmCache;
  /** Packages by their text: many have the same one, word for word. */
  const byText = new Map<string, string[]>();
  for (const one of await packages()) {
    const folder = await folderOf(cache, one);
    const { license } = JSON.parse(await Deno.readTextFile(join(folder, "package.json")));
    if (typeof license !== "string") throw new Error(`${one.name} names no licence`);
    const text = await textIn(folder) ?? await standardText(cache, one, license);
    byText.set(text, [...byText.get(text) ?? [], `${one.name} ${one.version} (${license})`]);
  }
  const parts = [...byText].map(([text, names]) =>
    `${RULE}\n${names.join("\n")}\n${RULE}\n\n${text}`
  );
  return [HEAD, ...parts].join("\n");
}

/** Where Deno has unpacked it, whatever the registry is called. */
async function folderOf(cache: string, { name, version }: Package): Promise<string> {
  for await (const registry of Deno.readDir(cache)) {
    const folder = join(cache, registry.name, name, version);
    const { isDirectory } = await Deno.stat(folder).catch(() => ({ isDirectory: false }));
    if (isDirectory) return folder;
  }
  throw new Error(`${name} ${version} is not in ${cache}: deno task lock fetches it`);
}

/** null where the package brings no text. */
async function textIn(folder: string): Promise<string | null> {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile && LICENSE_FILE.test(name)) names.push(name);
  }
  if (names.length === 0) return null;
  const texts = await Promise.all(
    names.sort().map((name) => Deno.readTextFile(join(folder, name))),
  );
  return tidy(texts.join("\n\n"));
}

/** Packages that forget to bring the text of Apache-2.0, which is the same for all; it names no holder. */
async function standardText(cache: string, one: Package, license: string): Promise<string> {
  if (license !== "Apache-2.0") {
    throw new Error(`${one.name} brings no text of its licence, ${license}`);
  }
  const same = (await packages()).find(({ name }) => name === "@opentelemetry/api");
  if (same === undefined) throw new Error(`no package brings the text of ${license}`);
  return (await textIn(await folderOf(cache, same)))!;
}

/** Without what differs by the tool that wrote it: ends of lines, spaces before them. */
function tidy(text: string): string {
  return `${text.replaceAll("\r\n", "\n").replaceAll(/[ \t]+\n/g, "\n").trim()}\n`;
}

if (import.meta.main) {
  const text = await thirdParty();
  await Deno.writeTextFile(join(ROOT, FILE), text);
  console.log(`${FILE} (${Math.round(text.length / 1000)} kB)`);
}
