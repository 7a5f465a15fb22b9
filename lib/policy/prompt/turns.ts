// A conversation as the turns that it can be shortened by: a question of the user with all that followed
// it, calls of tools and their results included, so that neither is ever left without the other.

import type { Api } from "../../api/dialects.ts";
import { isObject, type Json } from "../../json/json.ts";

/** Elements of the list, by their indices. */
export interface Turn {
  readonly items: readonly number[];
}

export interface Turns {
  /** The system's words, wherever they stand. */
  readonly system: readonly number[];
  /** From the oldest on. */
  readonly turns: readonly Turn[];
}

/** The field that holds the conversation of a request; null where that is no list. */
export function listOf(api: Api, json: Json): { field: string; items: readonly unknown[] } | null {
  const field = api === "responses" ? "input" : "messages";
  const items = json[field];
  return Array.isArray(items) && api !== "completions" ? { field, items } : null;
}

export function turnsOf(items: readonly unknown[]): Turns {
  const system: number[] = [];
  const turns: number[][] = [];
  items.forEach((item, at) => {
    if (isSystem(item)) system.push(at);
    else if (turns.length === 0 || isQuestion(item)) turns.push([at]);
    else turns[turns.length - 1].push(at);
  });
  return { system, turns: turns.map((items) => ({ items })) };
}

/**
 * The steps of one turn behind its question: what the model said or called, with the results of that. The
 * question itself is in none of them.
 */
export function stepsOf(items: readonly unknown[], turn: Turn): Turn[] {
  const steps: number[][] = [];
  let wasModel = false;
  for (const at of turn.items) {
    if (isQuestion(items[at])) continue;
    const isModel = isOfModel(items[at]);
    if (steps.length === 0 || (isModel && !wasModel)) steps.push([at]);
    else steps[steps.length - 1].push(at);
    wasModel = isModel;
  }
  return steps.map((items) => ({ items }));
}

function isSystem(item: unknown): boolean {
  return isObject(item) && (item.role === "system" || item.role === "developer");
}

/** A user's message; of Anthropic's API not one that brings nothing but results of tools. */
function isQuestion(item: unknown): boolean {
  if (!isObject(item) || item.role !== "user") return false;
  const { content } = item;
  if (!Array.isArray(content) || content.length === 0) return true;
  return !content.every((part) => isObject(part) && part.type === "tool_result");
}

function isOfModel(item: unknown): boolean {
  if (!isObject(item)) return false;
  return item.role === "assistant" || item.type === "function_call" || item.type === "reasoning";
}
