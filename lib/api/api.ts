// The APIs whose answers the gateway understands: it reads, resumes and records them.

export type { Api } from "./dialects.ts";
