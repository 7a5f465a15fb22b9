// `deno task npm`: the npm package in dist/npm. It has the bundled program and a launcher; the runtime comes
// from Deno's own packages, of which npm installs the one for the machine (docs/decisions/npm.md).

import { join } from "node:path";
import { parseArgs } from "node:util";
import project from "../deno.json" with { type: "json" };
import { bundle, BUNDLE_FLAGS, ROOT } from "./bundle.ts";
import { FILE as THIRD_PARTY } from "./licenses.ts";
import launcher from "./npm/launcher.cjs" with { type: "text" };

const USAGE = `Usage: deno task npm [--output FOLDER] [--repository OWNER/NAME]

Makes the npm package in dist/npm: \`npm publish dist/npm\` or \`npm pack dist/npm\`.

  --output FOLDER          another folder; an older package in it is replaced
  --repository OWNER/NAME  where on GitHub the source is, for the package's page and its provenance
`;

/** Runtime packages by Node's names of platform and processor. */
const RUNTIMES: Record<string, string> = {
  "linux-x64": "@deno/linux-x64-glibc",
  "linux-arm64": "@deno/linux-arm64-glibc",
  "darwin-x64": "@deno/darwin-x64",
  "darwin-arm64": "@deno/darwin-arm64",
  "win32-x64": "@deno/win32-x64",
  "win32-arm64": "@deno/win32-arm64",
};

/** What the folder of a package holds. */
const PARTS = ["package.json", "bin", "main.mjs", "README.md", "LICENSE", "THIRD_PARTY.txt"];

function manifest(repository: string | undefined): Record<string, unknown> {
  const optional = Object.values(RUNTIMES).map((name) => [name, Deno.version.deno]);
  return {
    name: project.name,
    version: project.version,
    description: "A gateway in front of vLLM servers: balancing, failover in mid-stream, records",
    keywords: ["llm", "gateway", "vllm", "openai", "load-balancer", "proxy"],
    license: project.license,
    ...(repository === undefined
      ? {}
      : { repository: { type: "git", url: `git+https://github.com/${repository}.git` } }),
    bin: { [project.name]: "bin/launcher.cjs" },
    files: ["bin", "main.mjs", "THIRD_PARTY.txt"],
    engines: { node: ">=18" },
    optionalDependencies: Object.fromEntries(optional),
  };
}

/** The launcher with this version's runtimes and flags in it. */
function launcherText(): string {
  return launcher
    .replace('"{runtimes}"', JSON.stringify(RUNTIMES))
    .replace('"{flags}"', JSON.stringify(BUNDLE_FLAGS));
}

/** Takes away an older package in `folder`. Throws where it holds anything else. */
async function clear(folder: string): Promise<void> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  });
  const other = names.find((name) => !PARTS.includes(name));
  if (other !== undefined) {
    throw new Error(`${folder} holds something else than a package: ${other}`);
  }
  if (names.length > 0) await Deno.remove(folder, { recursive: true });
}

/** Writes the package into `folder`, which must be empty, not there, or an older package. */
export async function makePackage(folder: string, repository?: string): Promise<void> {
  await clear(folder);
  const program = await bundle();
  await Deno.mkdir(join(folder, "bin"), { recursive: true });
  await Deno.writeFile(join(folder, "main.mjs"), program);
  await Deno.writeTextFile(join(folder, "bin/launcher.cjs"), launcherText(), { mode: 0o755 });
  await Deno.writeTextFile(
    join(folder, "package.json"),
    JSON.stringify(manifest(repository), null, 2) + "\n",
  );
  for (const name of ["README.md", "LICENSE"]) {
    await Deno.copyFile(join(ROOT, name), join(folder, name));
  }
  await Deno.copyFile(join(ROOT, THIRD_PARTY), join(folder, "THIRD_PARTY.txt"));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      output: { type: "string", default: join(ROOT, "dist/npm") },
      repository: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    console.log(USAGE);
  } else {
    await makePackage(values.output, values.repository);
    console.log(values.output);
  }
}
