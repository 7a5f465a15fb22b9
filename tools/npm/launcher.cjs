#!/usr/bin/env node
// Starts the gateway: the bundled program beside this file, on the Deno runtime that npm brought for this
// machine. Signals and the exit code pass through.
"use strict";

const { spawn } = require("node:child_process");
const { constants } = require("node:os");
const path = require("node:path");

/** Runtime packages by platform and processor, and the flags that the program runs with. */
const RUNTIMES = "{runtimes}";
const FLAGS = "{flags}";
/**
 * A signal like the last one, no later than this, in ms, is the same one come by another way: what Ctrl-C
 * sends to all of the terminal's processes is passed on by npm too. To the gateway a second one would mean
 * to end at once.
 */
const SAME_SIGNAL = 300;

function runtime() {
  const machine = `${process.platform}-${process.arch}`;
  const name = RUNTIMES[machine];
  if (name === undefined) fail(`there is no runtime for ${machine}`);
  const file = process.platform === "win32" ? "deno.exe" : "deno";
  try {
    return path.join(path.dirname(require.resolve(`${name}/package.json`)), file);
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    fail(
      `${name} is not installed. It is an optional dependency: install without --omit=optional. ` +
        "On a Linux with musl instead of glibc (Alpine) there is none.",
    );
  }
}

function fail(why) {
  console.error(`simple-ai-gateway: ${why}`);
  process.exit(1);
}

const env = { ...process.env, DENO_NO_UPDATE_CHECK: "1", DENO_NO_PACKAGE_JSON: "1" };
// Telemetry is the runtime's; it is on only where somebody said where it shall go.
const telemetry = ["", "TRACES_", "METRICS_"].map((kind) => `OTEL_EXPORTER_OTLP_${kind}ENDPOINT`);
if (env.OTEL_DENO === undefined && telemetry.some((name) => env[name])) env.OTEL_DENO = "true";

const program = path.join(__dirname, "..", "main.mjs");
const child = spawn(runtime(), ["run", ...FLAGS, program, ...process.argv.slice(2)], {
  stdio: "inherit",
  env,
  // A group of its own, so that a signal comes by one way only: from here.
  detached: process.platform !== "win32",
});

// Without a listener Node would open its debugger. It is nothing that the gateway knows either.
if (process.platform !== "win32") process.on("SIGUSR1", () => {});

const last = {};
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"]) {
  // Windows has no such signals between processes; there Ctrl-C reaches all processes of the console.
  if (process.platform === "win32" && signal !== "SIGINT") continue;
  process.on(signal, () => {
    const now = performance.now();
    const same = now - (last[signal] ?? -Infinity) < SAME_SIGNAL;
    last[signal] = now;
    if (!same && process.platform !== "win32") child.kill(signal);
  });
}
child.on("error", (error) => fail(error.message));
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
