// Config texts, good and bad, as people write them.

import assert from "node:assert/strict";
import { loadConfig, readConfig } from "../../lib/config/load.ts";
import { formatProblem } from "../../lib/config/parse.ts";

const noEnv = () => undefined;

function problems(text: string, env: (name: string) => string | undefined = noEnv): string[] {
  const loaded = loadConfig("config.jsonc", text, env);
  return loaded.ok ? [] : loaded.problems.map(formatProblem);
}

function config(text: string, env: (name: string) => string | undefined = noEnv) {
  const loaded = loadConfig("config.jsonc", text, env);
  assert.ok(loaded.ok, loaded.ok ? "" : loaded.problems.map(formatProblem).join("\n"));
  return loaded.config;
}

const one = (fields: string) =>
  `{"instances":[{"url":"http://10.0.0.1:8080/v1","model_name":"m"${fields}}]}`;

Deno.test("the original's file loads unchanged", () => {
  const { instances, strategy, errorThreshold } = config(`{
    "instances": [ // private instances for inference
      { "url": "http://10.82.1.1:8080/v1", "api_key": "empty", "model_name": "deepseek-r1", "weight": 1 },
      { "url": "http://10.82.1.2:8080/v1", "api_key": "empty", "model_name": "deepseek-r1", "weight": 1 }
    ],
    "fallback_instances":[  // optional
      { "url": "https://cloud.example.com/maas/v1", "api_key":"your_api_key", "model_name": "deepseek-r1", "weight": 1 }

    ],
    "data_dir": "./data",
    "load_balancing_strategy": "round_robin", // options: round_robin, least_connections
    "error_threshold": 10,  // number of consecutive errors
    "error_window": 300, // time window for error count
    "alert_cooldown": 300 // time window for alerting
  }`);
  assert.deepEqual(instances.map((i) => [i.name, i.origin, i.pathPrefix, i.fallback, i.apiKey]), [
    ["10.82.1.1:8080", "http://10.82.1.1:8080", "", false, "empty"],
    ["10.82.1.2:8080", "http://10.82.1.2:8080", "", false, "empty"],
    ["cloud.example.com", "https://cloud.example.com", "/maas", true, "your_api_key"],
  ]);
  assert.equal(strategy, "round_robin");
  assert.equal(errorThreshold, 10);
});

Deno.test("JSON5 is read: bare keys, single quotes, trailing commas, a byte order mark", () => {
  const loaded = config(
    "\ufeff{ instances: [ { url: 'http://a:8000', model_name: ['x', 'y',], weight: +0.5, }, ], }",
  );
  assert.deepEqual(loaded.instances[0].models, ["x", "y"]);
  assert.equal(loaded.instances[0].weight, 0.5);
});

Deno.test("every problem is reported in one go, with its place, value and what was expected", () => {
  const found = problems(`{
  "instances": [
    { "url": "ftp://x", "model_name": "m", "weigth": 2 }
  ],
  "port": "x",
  "timeouts": { "conect": 1 },
  "load_balancing_strategy": "rr"
}`);
  assert.deepEqual(found, [
    'config.jsonc:3:14: instances[0].url: expected http:// or https://; got `"ftp://x"`',
    "config.jsonc:3:44: instances[0].weigth: unknown option; did you mean `weight`?",
    'config.jsonc:5:11: port: expected a number; got `"x"`',
    "config.jsonc:6:17: timeouts.conect: unknown option; did you mean `connect`?",
    "config.jsonc:7:30: load_balancing_strategy: expected round_robin, least_connections, " +
    'prefix_aware or bounded_hash; got `"rr"`',
  ]);
});

Deno.test("an option in the wrong section is answered with the right one, a value with the one that is meant", () => {
  const found = problems(`{
  "instances": [{ "url": "http://a", "model_name": "m", "error_threshold": 3, "keep_days": 1 }],
  "max_concurrency": 4,
  "keep_days": 3,
  "nonsense": 1,
  "load_balancing_strategy": "least_conn",
  "alerts": [{ "type": "email", "host": "h", "from": "a@b", "to": ["c@d"], "tls": "none" }]
}`);
  assert.deepEqual(found.map((one) => one.replace(/^config.jsonc:/, "")), [
    "2:57: instances[0].error_threshold: unknown option; it belongs at the top of the file, beside `instances`",
    "2:79: instances[0].keep_days: unknown option; there is `record.keep_days`",
    "3:3: max_concurrency: unknown option; there is `instances[].max_concurrency`, " +
    "`fallback_instances[].max_concurrency`, `discovery[].max_concurrency`",
    "4:3: keep_days: unknown option; there is `record.keep_days`",
    "5:3: nonsense: unknown option",
    "6:30: load_balancing_strategy: expected round_robin, least_connections, prefix_aware or " +
    'bounded_hash; got `"least_conn"`; did you mean `least_connections`?',
    '7:83: alerts[0].tls: expected starttls, implicit or off; got `"none"`',
  ]);
});

Deno.test("what is missing is told with what may stand there", () => {
  assert.deepEqual(problems('{"instances":[{"url":"http://a"}]}'), [
    "config.jsonc:1:15: instances[0].model_name: expected a text in quotes or a list `[ … ]`; it is missing",
  ]);
});

Deno.test("a file beside the configuration that cannot be read is told from one that is not there", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const path = `${folder}/config.jsonc`;
    const said = (keys: string) => {
      const text = `{"instances":[{"url":"http://a","model_name":"m"}],"keys_file":"${keys}"}`;
      const loaded = loadConfig(path, text, () => undefined);
      return loaded.ok ? "" : loaded.problems[0].message;
    };
    assert.match(said("none.jsonc"), /^the keys file does not exist; .*keys create NAME/);
    assert.equal(
      said("."),
      "the keys file cannot be read: it is no regular file; the gateway's own user must be able to read it",
    );
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a fault inside one of several forms is reported where it stands", () => {
  assert.deepEqual(
    problems(`{"instances":[{"url":"http://a","model_name":"m"}],"health_check":{"interval":"q"}}`),
    [
      "config.jsonc:1:79: health_check.interval: expected a number; " +
      'got `"q"`',
    ],
  );
});

Deno.test("keys never appear in a message", () => {
  const found = problems(one(`,"api_key":12345,"tokn":1`)).join("\n");
  assert.match(found, /api_key: .*a value \(hidden\)/);
  assert.ok(!found.includes("12345"));
});

Deno.test("a key that stands twice is an error that names the first", () => {
  assert.deepEqual(problems(`{\n"port": 1,\n"port": 2}`), [
    "config.jsonc:3:1: `port` stands twice; it is first given in line 2",
  ]);
});

Deno.test("${NAME} reads the environment, and says where a variable is missing", () => {
  const env = (name: string) => ({ KEY: "secret", HOST: "10.0.0.9" })[name];
  const loaded = config(
    '{instances:[{url:"http://${HOST}:80/v1",model_name:"m",api_key:"${KEY}$${x}"}]}',
    env,
  );
  assert.equal(loaded.instances[0].apiKey, "secret${x}");
  assert.equal(loaded.instances[0].origin, "http://10.0.0.9");
  assert.match(problems(one(',"api_key":"${NOPE}"')).join(), /1:75: .*`NOPE` is not set/);
});

Deno.test("urls that could never work are refused", () => {
  for (
    const [url, reason] of [
      ["http://a:6000", "bad ports"],
      ["http://u:p@a", "credentials"],
      ["http://a/?x=1", "query"],
      ["a:80", "http:// or https://"],
      ["//a", "absolute URL"],
      ["http://", "absolute URL"],
      ["http://a:8000/v1/chat/completions", "the base of the API, `http://a:8000/v1`"],
      ["http://a:8000/chat/completions/", "the base of the API, `http://a:8000/v1`"],
      ["https://a/vllm/v1/models", "the base of the API, `https://a/vllm/v1`"],
    ]
  ) {
    const text = `{"instances":[{"url":${JSON.stringify(url)},"model_name":"m"}]}`;
    assert.ok(problems(text).join().includes(reason), `${url}: ${problems(text)}`);
  }
});

Deno.test("strange files get a clear error, whatever they are", () => {
  for (
    const text of [
      "",
      "   \n",
      "{",
      "[1]",
      "null",
      '"x"',
      "\0\0",
      "{}",
      `{"a":${"[".repeat(5000)}${"]".repeat(5000)}}`,
      "{error_window: NaN, instances: []}",
      "{port: Infinity, instances: []}",
      "x".repeat(11 * 1024 * 1024),
      '{"instances":{"0":{}}}',
      one(',"weight":-1'),
      one(',"weight":1e999'),
    ]
  ) {
    const found = problems(text);
    assert.ok(found.length > 0, text.slice(0, 50));
    for (const problem of found) assert.match(problem, /^config\.jsonc:\d+:\d+: ./);
  }
});

Deno.test("__proto__ in a file is an unknown option, not a prototype", () => {
  assert.ok(problems(`{"__proto__":{"port":1}}`).length > 0);
  assert.equal(({} as Record<string, unknown>).port, undefined);
});

Deno.test("the same instance twice is an error, the same server for other models is not", () => {
  const both = (second: string) =>
    `{"instances":[{"url":"http://a/v1","model_name":"m"},{"url":"http://a/","model_name":"${second}"}]}`;
  assert.match(problems(both("m")).join(), /the same url and models as instances\[0\]/);
  assert.deepEqual(config(both("n")).instances.map((i) => i.name), ["a", "a#2"]);
});

Deno.test("limits of an instance differ from the common ones only where it says so", () => {
  const { instances } = config(
    `{"instances":[{"url":"http://a","model_name":"m","timeouts":{"idle":5}}],"timeouts":{"connect":9}}`,
  );
  assert.deepEqual(instances[0].timeouts, {
    connectS: 9,
    firstByteIsAuto: true,
    firstByteS: 300,
    heldIdleS: 300,
    answerS: 600,
    idleS: 5,
    totalS: null,
  });
});

Deno.test("a snapshot cannot be changed", () => {
  const loaded = config(one(""));
  assert.throws(() => {
    (loaded.instances[0] as { weight: number }).weight = 5;
  }, TypeError);
});

Deno.test("a text cut off anywhere is an error with a place, never a loop or a crash", () => {
  const whole = `// 'note'
{ "instances": [ { url: 'http://a\\u002eb/v1\\
', "model_name": ["m\\"n", 'o\\x41'], weight: .5e0, }, ], /* end */ port: 0x1F }`;
  assert.ok(config(whole));
  for (let length = 0; length < whole.length; length++) {
    for (const end of ["", "\\", "'", '"', "\\u", "/*", "//", "\r", "\u2028", "-", "0x", "\0"]) {
      for (const problem of problems(whole.slice(0, length) + end)) {
        assert.match(problem, /^config\.jsonc:[1-9]\d*:[1-9]\d*: ./);
      }
    }
  }
});

Deno.test("a file that ends too early is told by the bracket that stays open", () => {
  assert.deepEqual(problems('{\n  "instances": [\n    {"url": "x"}, // more\n'), [
    "config.jsonc:2:16: syntax: the file ends before this `[` is closed",
  ]);
});

Deno.test("a text or comment without an end is told where it begins, other languages' signs by this one's", () => {
  for (
    const [text, said] of [
      [
        '{"a":[{"url":"http://a:1\n',
        "1:14: syntax: the text that begins here has no closing quote",
      ],
      [
        '{\n "a": "x,\n "b": "y"\n}\n',
        "2:7: syntax: the text that begins here has no closing quote",
      ],
      ["{a: 'x, b: 2}", "1:5: syntax: the text that begins here has no closing quote"],
      ['{"a": /* x\n 1}\n', "1:7: syntax: the comment that begins here is not closed"],
      ['{"a": 1 # x\n}', "1:9: syntax: comments begin with `//`, not with `#`"],
      ['{"a": “x”}', "1:7: syntax: expected plain quotes"],
      ['{"a": True}', "1:7: syntax: expected a value; did you mean `true`?"],
      ['{"a": None}', "1:7: syntax: expected a value; did you mean `null`?"],
      ['{"a": ${X}}', "1:7: syntax: expected a value; a text stands in quotes"],
      ['{"a" = 1}', "1:6: syntax: expected `:` between a name and its value"],
      ['{"a": 1; "b": 2}', "1:8: syntax: expected `,` between members"],
      ['{"a": 08}', "1:7: syntax: unexpected character '8'"],
    ]
  ) assert.ok(problems(text)[0].startsWith(`config.jsonc:${said}`), `${text}: ${problems(text)}`);
});

Deno.test("a text that is no object, or goes on behind it, is told as that", () => {
  const behind = "syntax: the file's object has ended before this";
  const none = "syntax: expected an object `{ … }`";
  for (
    const [text, said] of [
      ["{}{}", `1:3: ${behind}`],
      ["{}\n}", `2:1: ${behind}`],
      ["{}, // more\n", `1:3: ${behind}`],
      ["{}\nport: 1", `2:1: ${behind}`],
      ["// a file\ninstances:\n  - url: x\n", `2:1: ${none}`],
      ["// a file\n/* of comments */\n", "1:1: syntax: only comments; expected an object `{ … }`"],
    ]
  ) assert.deepEqual(problems(text), [`config.jsonc:${said}`]);
});

Deno.test("a keys file is a list: what is wrong in it is told with its own place", () => {
  const instances = '"instances": [{ "url": "http://a:8000", "model_name": "m" }]';
  const config = `{ ${instances}, "keys_file": "keys.jsonc" }`;
  for (
    const [text, said] of [
      [
        '[\n  { "name": "a" }\n  { "name": "b" }\n]\n',
        "3:3: syntax: a comma is missing before this",
      ],
      ['[\n  { "name" "a" }\n]\n', "2:12: syntax: a colon is missing before this"],
      ["[]\n]\n", "2:1: syntax: the file's list has ended before this"],
      ["// keys\n- name: a\n", "2:1: syntax: expected a list `[ … ]`"],
      ["// keys\n", "1:1: syntax: only comments; expected a list `[ … ]`"],
      ["\n", "1:1: the file is empty; expected a list `[ … ]`"],
    ]
  ) {
    const loaded = loadConfig("/etc/config.jsonc", config, noEnv, text);
    assert.ok(!loaded.ok);
    assert.deepEqual(loaded.problems.map(formatProblem), [`/etc/keys.jsonc:${said}`]);
  }
});

Deno.test("a file in UTF-16 is told by its encoding", async () => {
  const path = await Deno.makeTempFile();
  try {
    const units = new Uint16Array(
      [..."\ufeff{ }\n{ } {}{}{}{}{}"].map((char) => char.charCodeAt(0)),
    );
    const bigEndian = units.map((unit) => (unit >> 8) | (unit << 8));
    for (const text of [units, units.subarray(1), bigEndian]) {
      await Deno.writeFile(path, new Uint8Array(text.buffer, text.byteOffset, text.byteLength));
      const loaded = await readConfig(path, noEnv);
      assert.ok(!loaded.ok);
      assert.match(loaded.problems[0].message, /UTF-16; expected UTF-8/);
    }
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("text that is no UTF-8 is refused where it stands, but in comments", async () => {
  const path = await Deno.makeTempFile();
  const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
  try {
    const said = async (text: string) => {
      await Deno.writeFile(path, bytes(text));
      const loaded = await readConfig(path, noEnv);
      return loaded.ok
        ? []
        : loaded.problems.map(({ line, column, message }) => `${line}:${column}: ${message}`);
    };
    const rest = '"instances":[{"url":"http://a","model_name":"m"}]';
    assert.deepEqual(await said(`{ // gr\xfc\xdfe\n${rest} /* \xd6 */ }`), []);
    const refused = "is not UTF-8; save the file with that encoding";
    assert.deepEqual(
      await said(`{\n"instances":[{"url":"http://a","model_name":"gr\xfcn"}]}`),
      [`2:45: instances[0].model_name: ${refused}`],
    );
    assert.match((await said(`{${rest},"gr\xfc":1}`)).join(), /is not UTF-8/);
    // The second byte of a character of GBK may be a backslash.
    assert.match((await said(`{${rest},"data_dir":"\x8f\x5c"}`)).join(), /; is not UTF-8/);
    assert.deepEqual(await said(`{${rest},"data_dir":"\\ufffd"}`), [], "written on purpose");
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("no form of mistake shows a key, password or token", () => {
  const wrong = [
    '{"instances":{"url":"http://a","api_key":"s3cret"}}',
    '{"instances":[["api_key","x",{"api_key":"s3cret"}]]}',
    one('}],"keys":["s3cret"],"x":[{'),
    one('}],"admin":{"token":"s3cret"},"x":[{'),
    one('}],"alerts":[{"url":"https://chat.example.com/s3cret"}],"x":[{'),
    one('}],"alerts":[{"type":"slack","url":"chat.example.com/s3cret"}],"x":[{'),
    one('}],"alerts":["https://chat.example.com/s3cret"],"x":[{'),
    one('}],"alerts":"https://chat.example.com/s3cret","x":[{'),
    one('}],"alerts":[{"type":"webhook","url":"http://a","headers":"s3cret"}],"x":[{'),
    one('}],"alerts":[{"type":"telegram","token":"s3cret s3cret","chat_id":1}],"x":[{'),
    one('}],"alerts":[{"type":"email","host":"h","from":"a@b","to":["s3cret"]}],"x":[{'),
    one(',"api_kye":"s3cret"'),
    one(',"api_key":["s3cret"]'),
    one(',"api_key":"s3cret\\n"'),
    '{"instances":[{"url":"http://u:s3cret@a","model_name":"m"}]}',
    '{"instances":[{"url":"http://u:p@s3cret@a","model_name":"m"}]}',
    '{"instances":[{"url":"http://a/v1?token=s3cret","model_name":"m"}]}',
  ];
  for (const text of wrong) {
    const found = problems(text).join("\n");
    assert.notEqual(found, "", text);
    assert.ok(!found.includes("s3cret"), found);
  }
});

Deno.test("a key that no header can carry is refused, an empty one lets the client's pass", () => {
  assert.match(problems(one(',"api_key":"abc\\n"')).join(), /api_key: expected printable ASCII/);
  assert.equal(config(one(',"api_key":""')).instances[0].apiKey, null);
});

Deno.test("a duration beyond what a timer can hold is refused", () => {
  assert.match(problems(one('}],"error_window":31536000,"x":[{')).join(), /error_window: too big/);
});

Deno.test("a problem carries its path", () => {
  const loaded = loadConfig("c", one(',"weight":"x"'), noEnv);
  assert.ok(!loaded.ok);
  assert.deepEqual(loaded.problems[0].path, ["instances", 0, "weight"]);
});

Deno.test("a missing file and a folder are problems, not crashes", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const path of [`${folder}/none.jsonc`, folder]) {
      const loaded = await readConfig(path, noEnv);
      assert.ok(!loaded.ok);
      assert.equal(loaded.problems[0].file, path);
      assert.match(loaded.problems[0].message, /does not exist|cannot be read/);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a model named twice on one instance counts once", () => {
  const text = '{"instances":[{"url":"http://a","model_name":["m","m"]}]}';
  assert.deepEqual(config(text).instances[0].models, ["m"]);
});
