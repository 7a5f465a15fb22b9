// `deno task compile`: one executable a target, in dist/. Where the base runtime that `deno compile`
// downloads cannot be had, a self-extracting one for this machine's own platform is made instead.

import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import project from "../deno.json" with { type: "json" };
import { bundle, BUNDLE_FLAGS, deno, ROOT } from "./bundle.ts";
import { assemble } from "./launcher/assemble.ts";
import { PERMISSION_FLAGS, V8_FLAGS } from "./runtime_flags.ts";

const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];

const USAGE = `Usage: deno task compile [--target TARGET]... [--self-extracting]

Makes dist/${project.name}, or dist/${project.name}-TARGET for each target named.

  --target TARGET    one of ${TARGETS.join(", ")}, or all
  --self-extracting  do not try deno compile: runtime, program and launcher in one file, for this
                     machine's own platform
`;

const DIST = join(ROOT, "dist");

/** Where a file is made before it is renamed to `path`: the old one may be running. */
function beside(path: string): string {
  return join(dirname(path), `new-${basename(path)}`);
}

/** What came of one `deno compile`; `missing` says why its base runtime could not be had. */
type Compiled = { path: string } | { missing: string };

/** The file for a target; without one, for this machine's own platform. */
function outputPath(target: string | null): string {
  const windows = target === null ? Deno.build.os === "windows" : target.includes("windows");
  const suffix = target === null ? "" : `-${target}`;
  return join(DIST, `${project.name}${suffix}${windows ? ".exe" : ""}`);
}

async function compile(target: string | null): Promise<Compiled> {
  const path = outputPath(target);
  const ran = await deno(
    [
      "compile",
      "--frozen",
      "--exclude-unused-npm",
      V8_FLAGS,
      ...PERMISSION_FLAGS,
      ...(target === null ? [] : ["--target", target]),
      "--output",
      // A name of its own: deno compile refuses to overwrite a file that it did not make.
      beside(path),
      "main.ts",
    ],
    // Whether the executable can export telemetry is settled here; where to is settled when it runs.
    { OTEL_DENO: "true" },
  );
  if (ran.success) {
    await Deno.rename(beside(path), path);
    return { path };
  }
  if (!ran.said.includes("Setting up base binary")) {
    throw new Error(`deno compile failed:\n${ran.said}`);
  }
  const cause = ran.said.match(/^\s*1: (.*)$/m)?.[1] ?? "deno compile could not set it up";
  return { missing: cause };
}

/** Runtime, bundled program and launcher in one file for this machine's own platform. */
async function assembleOwn(path: string): Promise<void> {
  if (Deno.build.os === "windows") {
    throw new Error(
      "a self-extracting executable needs a POSIX system: its launcher is for /bin/sh",
    );
  }
  const file = assemble({
    name: project.name,
    version: project.version,
    platform: Deno.build.target,
    program: await bundle(),
    runtime: await Deno.readFile(Deno.execPath()),
    flags: BUNDLE_FLAGS,
  });
  await Deno.mkdir(DIST, { recursive: true });
  await Deno.writeFile(beside(path), file, { mode: 0o755 });
  await Deno.rename(beside(path), path);
}

/** Tells of a finished executable, with its size in MB. */
async function announce(path: string): Promise<void> {
  const { size } = await Deno.stat(path);
  console.log(`${path} (${Math.round(size / 1e6)} MB)`);
}

/** The targets asked for; null stands for this machine's platform under the plain name. */
function wanted(targets: readonly string[]): (string | null)[] {
  if (targets.length === 0) return [null];
  if (targets.includes("all")) return [...TARGETS];
  const unknown = targets.filter((target) => !TARGETS.includes(target));
  if (unknown.length > 0) {
    throw new Error(`unknown target ${unknown.join(", ")}; known are ${TARGETS.join(", ")}, all`);
  }
  return [...new Set(targets)];
}

/** The exit code: 0 when there is an executable for every platform asked for, however it was made. */
async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      target: { type: "string", multiple: true },
      "self-extracting": { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const targets = wanted(values.target ?? []);
  if (values["self-extracting"]) {
    await assembleOwn(outputPath(null));
    await announce(outputPath(null));
    return 0;
  }

  const missing: string[] = [];
  let cause = "";
  for (const target of targets) {
    const compiled = await compile(target);
    if ("path" in compiled) {
      await announce(compiled.path);
      continue;
    }
    missing.push(target ?? Deno.build.target);
    cause = compiled.missing;
  }
  if (missing.length === 0) return 0;

  console.error(
    `No base runtime for ${missing.join(", ")} (${cause}); ` +
      `making a self-extracting executable for ${Deno.build.target} instead.`,
  );
  const own = targets.includes(Deno.build.target) ? Deno.build.target : null;
  await assembleOwn(outputPath(own));
  await announce(outputPath(own));
  // The file in place of a foreign one is no such file: whoever publishes it must not go on.
  return missing.some((target) => target !== Deno.build.target) ? 1 : 0;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
