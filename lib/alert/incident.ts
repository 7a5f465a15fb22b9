// What a single finished request gives reason to tell people.

import type { Report } from "../observe/report.ts";
import type { AlertKind } from "./alert.ts";

export interface Incident {
  kind:
    & AlertKind
    & ("request_kills_engines" | "answer_truncated" | "no_instance" | "fallback_in_use");
  subject: string;
  message: string;
}

/** null for the usual request. */
export function incidentOf(report: Report, fallbacks: ReadonlySet<string>): Incident | null {
  const { outcome, instance, model, error } = report;
  // The instances were there, and whoever is there still shall not be asked.
  if (report.killed !== undefined) {
    return {
      kind: "request_kills_engines",
      subject: model,
      message: `request ${report.id}: ${error}`,
    };
  }
  if (outcome === "truncated") {
    return { kind: "answer_truncated", subject: instance, message: error };
  }
  if (outcome === "failed") return { kind: "no_instance", subject: model, message: error };
  if (fallbacks.has(instance)) {
    const message = `model ${model} is answered by a fallback instance`;
    return { kind: "fallback_in_use", subject: instance, message };
  }
  return null;
}

/** Names of the fallback instances. */
export function fallbacksOf(
  config: { instances: readonly { readonly name: string; readonly fallback: boolean }[] },
): Set<string> {
  return new Set(config.instances.filter(({ fallback }) => fallback).map(({ name }) => name));
}
