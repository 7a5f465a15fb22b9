// The scripts of `completion` in real shells: what they offer is what the program knows.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ROOT } from "../support/processes.ts";

const text = new TextDecoder();

async function ran(command: string, args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    env: { NO_COLOR: "1", TERM: "dumb" },
    stdin: "null",
  }).output();
  return { code, out: text.decode(stdout), err: text.decode(stderr) };
}

async function program(...args: string[]) {
  return await ran(Deno.execPath(), ["run", "-A", join(ROOT, "main.ts"), ...args]);
}

function has(shell: string): boolean {
  try {
    return new Deno.Command(shell, { args: ["--version"], stdin: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A file with the shell's script, gone at the end. */
async function script(shell: string) {
  const { code, out, err } = await program("completion", shell);
  assert.equal(code, 0, err);
  const path = await Deno.makeTempFile({ prefix: "gateway-completion-" });
  await Deno.writeTextFile(path, out);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path) };
}

/** Tests with a shell that is not installed are skipped by name; CI installs all. */
function shellTest(shell: string, run: () => Promise<void>): void {
  Deno.test({
    name: `${shell} completes commands, flags and files`,
    ignore: !has(shell) && Deno.env.get("CI") === undefined,
    fn: run,
  });
}

shellTest("bash", async () => {
  using file = await script("bash");
  const complete = async (...words: string[]) => {
    const { out, err } = await ran("bash", [
      "--norc",
      "-c",
      `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _simple_ai_gateway
       printf '%s\\n' "\${COMPREPLY[@]}"`,
      "bash",
      file.path,
      "simple-ai-gateway",
      ...words,
    ]);
    assert.equal(err, "");
    return out.trim().split("\n");
  };
  assert.deepEqual(await complete("ser"), ["serve"]);
  assert.deepEqual(await complete("serve", "--wo"), ["--workers"]);
  assert.deepEqual(await complete("--wo"), ["--workers"], "of the command that needs no name");
  assert.deepEqual(await complete("serve", "--log-level", "deb"), ["debug"]);
  assert.deepEqual(await complete("completion", "z"), ["zsh"]);
  assert.deepEqual(await complete("serve", "-c", join(ROOT, "config.j")), [
    join(ROOT, "config.jsonc"),
  ]);
  assert.deepEqual(await complete("serve", "--config", join(ROOT, "config.j")), [
    join(ROOT, "config.jsonc"),
  ]);
});

shellTest("fish", async () => {
  using file = await script("fish");
  const complete = async (line: string) => {
    const code = "source $argv[1]; complete -C $argv[2]";
    const { out, err } = await ran("fish", ["--no-config", "-c", code, file.path, line]);
    assert.equal(err, "");
    return out.trim().split("\n").map((one) => one.split("\t")[0]);
  };
  assert.deepEqual(await complete("simple-ai-gateway ser"), ["serve"]);
  assert.deepEqual(await complete("simple-ai-gateway serve --wo"), ["--workers"]);
  assert.deepEqual(await complete("simple-ai-gateway serve --log-level deb"), ["debug"]);
  assert.deepEqual(await complete("simple-ai-gateway completion z"), ["zsh"]);
});

shellTest("zsh", async () => {
  using file = await script("zsh");
  // A shell at a terminal of its own, since only one that is typed into completes.
  const driver = `
    zmodload zsh/zpty
    zpty -b shell zsh -f -i
    until() { while [[ $seen != *$1* ]]; do zpty -r shell piece || exit 1; seen+=$piece; done; seen= }
    zpty -w shell 'PS1=; autoload -U compinit; compinit -u -D; source '$1'; print ready-''now'
    until ready-now
    zpty -w -n shell $'simple-ai-gateway serve --wor\\t'
    until --workers
    zpty -w -n shell $'\\x15simple-ai-gateway serve --log-level deb\\t'
    until 'debug '
    zpty -w -n shell $'\\x15simple-ai-gateway comp\\t'
    until completion
    zpty -w -n shell $'z\\t'
    until zsh
    print whole`;
  const { out, err } = await ran("timeout", ["20", "zsh", "-f", "-c", driver, "zsh", file.path]);
  assert.equal(out.trim(), "whole", err);
});

Deno.test("completion names the shells that there are for another one", async () => {
  for (const args of [[], ["tcsh"], ["bash", "zsh"], ["constructor"]]) {
    const { code, err } = await program("completion", ...args);
    assert.equal(code, 2);
    assert.match(err, /expected one of bash, zsh, fish, got/);
  }
});

Deno.test("each flag that a command explains is completed, and each command", async () => {
  const { out: whole } = await program("completion", "bash");
  const { out: overview } = await program("--help");
  const names = [...overview.matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, name]) => name);
  assert.ok(names.length > 8);
  for (const name of names) {
    const offered = whole.match(new RegExp(`^ +${name}\\) words="(.*)"`, "m"))![1].split(" ");
    const { out: help } = await program(name, "--help");
    for (const [, flag] of help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)) {
      assert.ok(offered.includes(flag), `${name} ${flag}`);
    }
  }
});
