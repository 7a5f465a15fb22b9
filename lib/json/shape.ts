// What JSON of somebody else has to look like before its fields are read: small questions that larger ones are made of.

import { isObject, type Json } from "./json.ts";

/** Whether a value is of a shape. */
export type Shape = (value: unknown) => boolean;

export const isText: Shape = (value) => typeof value === "string";
export const isFlag: Shape = (value) => typeof value === "boolean";
export const isNumber: Shape = (value) => Number.isFinite(value);
/** ISO 8601, or what else a Date is made of. */
export const isTime: Shape = (value) =>
  typeof value === "string" && !Number.isNaN(Date.parse(value));

export function orNull(shape: Shape): Shape {
  return (value) => value === null || shape(value);
}

/** For a field that may be missing. */
export function optional(shape: Shape): Shape {
  return (value) => value === undefined || shape(value);
}

export function listOf(shape: Shape): Shape {
  return (value) => Array.isArray(value) && value.every(shape);
}

/** An object with these fields, and any others. */
export function having(fields: Readonly<Record<string, Shape>>): (value: unknown) => value is Json {
  const shapes = Object.entries(fields);
  return (value): value is Json =>
    isObject(value) && shapes.every(([name, shape]) => shape(value[name]));
}
