// `deno task vendor`: bundles the libraries of the dashboard's pages into files that are checked in, so
// that the pages need neither a build step nor the network. A test holds the files to the packages.

import { join } from "node:path";

const ROOT = join(import.meta.dirname!, "..");
const FOLDER = "lib/dashboard/pages/vendor";
const ENTRY = "lib/dashboard/vendor_entry.js";

/** License of each package; the notice stands at the head of the bundle. */
const LICENSES = { preact: "MIT", htm: "Apache-2.0", uplot: "MIT" } as const;

export interface VendorFile {
  /** Path from the root. */
  path: string;
  text: string;
}

/** The files as the pinned packages give them. Throws when the bundler fails. */
export async function vendorFiles(): Promise<VendorFile[]> {
  const entry = await Deno.readTextFile(join(ROOT, ENTRY));
  const names = Object.entries(LICENSES).map(([name, license]) => {
    const pinned = entry.match(new RegExp(`"npm:(${name}@[^/"]+)`));
    if (pinned === null) throw new Error(`${ENTRY} does not import ${name}`);
    return `${pinned[1]} (${license})`;
  });
  const script = await bundle();
  const css = await Deno.readTextFile(
    new URL(import.meta.resolve("npm:uplot@1.6.32/dist/uPlot.min.css")),
  );
  const notice = `Made by \`deno task vendor\` of ${names.join(", ")}; do not edit.`;
  return [
    { path: `${FOLDER}/libraries.js`, text: `// ${notice}\n${script.trim()}\n` },
    { path: `${FOLDER}/uplot.css`, text: `/* ${notice} */\n${css.trim()}\n` },
  ];
}

async function bundle(): Promise<string> {
  const output = await Deno.makeTempFile({ suffix: ".js" });
  try {
    const args = [
      "bundle",
      "--frozen",
      "--lock=tests/deno.lock",
      "--platform",
      "browser",
      "--minify",
      "--output",
      output,
      ENTRY,
    ];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args,
      cwd: ROOT,
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
    }).output();
    if (!success) throw new Error(`deno bundle failed:\n${new TextDecoder().decode(stderr)}`);
    return await Deno.readTextFile(output);
  } finally {
    await Deno.remove(output);
  }
}

if (import.meta.main) {
  await Deno.mkdir(join(ROOT, FOLDER), { recursive: true });
  for (const { path, text } of await vendorFiles()) {
    await Deno.writeTextFile(join(ROOT, path), text);
    console.log(`${path} (${Math.round(text.length / 1000)} kB)`);
  }
}
