// Options of what is kept on disk and for how long, in the file's words.

import { z } from "zod";

/** For a hundred years. */
const days = z.number().positive().max(36_500).nullable();
const bytes = z.int().positive().nullable();

/** Of records; beside the others of `record`. */
export const recordKeepOptions = {
  keep_days: days.default(null).describe("Records of older hours are deleted; null for any age."),
  keep_bytes: bytes.default(null)
    .describe(
      "Above it the oldest hours of records are deleted, never the one that is written; null for any size.",
    ),
  incomplete_keep_days: days.default(null).describe("The same for data/incomplete."),
  incomplete_keep_bytes: bytes.default(null).describe("The same for data/incomplete."),
  compress: z.enum(["none", "gzip"]).default("none").describe(
    "gzip packs hours that are over for a day, those of data/requests too; export, logs and the dashboard read both.",
  ),
};

export const requestsOptions = z.strictObject({
  enabled: z.boolean().default(true)
    .describe("Keeps a line of each request, without what was said, for the page Requests."),
  keep: z.strictObject({
    days: days.default(7).describe("Older hours are deleted; null for any age."),
    bytes: bytes.default(268_435_456)
      .describe("Above it the oldest hours are deleted; null for any size."),
  }).prefault({}).describe("How long they are kept; the hour that is being written always stays."),
});
