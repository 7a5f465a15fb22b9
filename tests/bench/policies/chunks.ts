// Chunks as vLLM sends them, and the tokens of two texts.

import type { Api } from "../../../lib/api/dialects.ts";

const encoder = new TextEncoder();

const ENGLISH =
  "The proxy reads each request, looks up which server has the longest common prefix in its cache, and " +
  "sends the request there unless that server is much busier than the others. While the answer streams, " +
  "every piece is passed on as it comes, so that a reader sees the first words after a fraction of a " +
  "second. When a server stops in the middle of a sentence, another one goes on from the last token, and " +
  "the reader notices nothing but a short pause. Measurements show that most of the time is spent in the " +
  "network and in the model itself; what happens in between costs a few microseconds for each piece.\n\n";
const CHINESE =
  "网关读取每个请求，查找哪台服务器的缓存里有最长的公共前缀，除非那台服务器比其他服务器忙得多，否则就把请求发送到那里。" +
  "回答以流的方式传输时，每一段都会立即转发，读者在几分之一秒之后就能看到最初的文字。如果一台服务器在句子中间停止，" +
  "另一台会从最后一个词元继续，读者只会注意到短暂的停顿。测量表明，大部分时间花在网络和模型本身，中间的处理每段只需几微秒。\n\n";

/** Tokens of a text: words with the blank before them, or one to three characters. */
export const PROSE: Readonly<Record<string, readonly string[]>> = {
  english: (ENGLISH + ENGLISH).match(/ ?[^ ]{1,8}|\n+/g)!,
  chinese: (CHINESE + CHINESE + CHINESE).match(/[^，。；]{1,2}|[，。；]|\n+/g)!,
};

/** A chunk for each token. */
export function chunks(api: Api, tokens: readonly string[], stream: number): Uint8Array[] {
  const id = (stream * 2654435761 >>> 0).toString(16).padStart(8, "0").repeat(4);
  return tokens.map((token, at) => encoder.encode(chunk(api, JSON.stringify(token), id, at)));
}

function chunk(api: Api, token: string, id: string, at: number): string {
  switch (api) {
    case "chat":
      return `data: {"id":"chatcmpl-${id}","object":"chat.completion.chunk","created":1764200000,` +
        `"model":"Qwen/Qwen3-32B","choices":[{"index":0,"delta":{"content":${token}},` +
        `"logprobs":null,"finish_reason":null,"token_ids":null}]}\n\n`;
    case "completions":
      return `data: {"id":"cmpl-${id}","object":"text_completion","created":1764200000,` +
        `"model":"Qwen/Qwen3-32B","choices":[{"index":0,"text":${token},"logprobs":null,` +
        `"finish_reason":null,"stop_reason":null,"token_ids":null}],"usage":null}\n\n`;
    case "responses":
      return `event: response.output_text.delta\ndata: {"content_index":0,"delta":${token},` +
        `"item_id":"msg_${id}","logprobs":[],"output_index":1,"sequence_number":${at + 9},` +
        `"type":"response.output_text.delta"}\n\n`;
    case "messages":
      return `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,` +
        `"delta":{"type":"text_delta","text":${token}}}\n\n`;
  }
}
