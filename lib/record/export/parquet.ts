// A data set as a Parquet file: its types stand in the file, so that no loader has to guess them.

import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import type { Json } from "../../json/json.ts";
import type { Encoder } from "./encoder.ts";

type SchemaElement = ConstructorParameters<typeof ParquetWriter>[0]["schema"][number];

const ROWS = 1000;
/** Text after which a group of rows is closed, so that memory stays bounded. */
const GROUP_CHARS = 16 * 1024 * 1024;

const text = (name: string): SchemaElement[] => [
  { name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "REQUIRED" },
];

const struct = (name: string, ...fields: SchemaElement[][]): SchemaElement[] => [
  { name, num_children: fields.length, repetition_type: "REQUIRED" },
  ...fields.flat(),
];

/** `element` is called "element". */
const list = (name: string, element: SchemaElement[]): SchemaElement[] => [
  { name, num_children: 1, converted_type: "LIST", repetition_type: "REQUIRED" },
  { name: "list", num_children: 1, repetition_type: "REPEATED" },
  ...element,
];

const call = struct(
  "element",
  text("id"),
  text("type"),
  struct("function", text("name"), text("arguments")),
);
const message = struct(
  "element",
  text("role"),
  text("content"),
  text("reasoning_content"),
  list("tool_calls", call),
  text("tool_call_id"),
  text("name"),
);

const COLUMNS: Readonly<Record<string, SchemaElement[]>> = {
  id: text("id"),
  conversations: list("conversations", struct("element", text("from"), text("value"))),
  messages: list("messages", message),
  tools: text("tools"),
  model: text("model"),
  created: [{ name: "created", type: "INT64", repetition_type: "REQUIRED" }],
  meta: text("meta"),
  images: list("images", text("element")),
  audios: list("audios", text("element")),
  videos: list("videos", text("element")),
};

const names = Object.keys(COLUMNS);

export function parquet(): Encoder {
  const writer = new ByteWriter();
  const file = new ParquetWriter({
    writer,
    schema: [{ name: "root", num_children: names.length }, ...Object.values(COLUMNS).flat()],
    // Smallest and largest texts of a group are of no use to anyone.
    statistics: false,
    createdBy: "simple-ai-gateway",
  });
  let rows: Json[] = [];
  let chars = 0;

  /** What was written since the last time. */
  const taken = (): Uint8Array => {
    const bytes = writer.getBytes().slice();
    writer.index = 0;
    return bytes;
  };
  const closeGroup = (): Uint8Array => {
    const columnData = names.map((name) => ({
      name,
      data: rows.map((row) => name === "created" ? BigInt(row.created as number) : row[name]),
    }));
    file.write({ columnData, rowGroupSize: rows.length });
    rows = [];
    chars = 0;
    return taken();
  };
  return {
    begin: () => null,
    entry(entry) {
      rows.push(entry);
      chars += JSON.stringify(entry).length;
      return rows.length >= ROWS || chars >= GROUP_CHARS ? closeGroup() : null;
    },
    end() {
      const last = rows.length > 0 ? closeGroup() : new Uint8Array(0);
      file.finish();
      const footer = taken();
      const whole = new Uint8Array(last.length + footer.length);
      whole.set(last);
      whole.set(footer, last.length);
      return whole;
    },
  };
}
