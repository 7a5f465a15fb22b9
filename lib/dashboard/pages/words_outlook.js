// The sentences about the fleet (../outlook.ts), in English and Chinese. The command line says them, too.

export const OUTLOOK_ENGLISH = {
  strength_whole: "All {all} instances serve",
  strength_most: "{serving} of {all} instances serve",
  strength_half: "Only {serving} of {all} instances serve",
  strength_fallback: "Only fallbacks serve: none of {all} instances can",
  strength_none: "No instance can serve",
  feel_good: "Clients get their answers: {requests} in the last {minutes} minutes, none lost.",
  feel_quiet: "Nobody has asked in the last {minutes} minutes.",
  feel_rescued:
    "Clients get their answers. Of {requests} requests in the last {minutes} minutes {passed_on} were passed on to another instance; streams that broke off and went on elsewhere: {resumed}.",
  feel_refused:
    "Clients get their answers, but {refused} of {requests} requests in the last {minutes} minutes were refused.",
  feel_lost:
    "Clients lose answers: {lost} of {requests} requests in the last {minutes} minutes got no whole one.",
  feel_lost_before:
    "Clients get their answers again; the last one was lost at {last_lost}, {lost} of {requests} in the last {minutes} minutes.",
  feel_waiting: "Clients wait: {waiting} requests stand in line now.",
  feel_model: "Clients of {models} get errors: no instance of it can answer.",
  feel_nothing: "Clients get errors: no instance can answer.",
  last_hour:
    "Last hour: {requests} requests, {lost} lost, {refused} refused, {passed_on} passed on, {resumed} resumed, {by_fallback} by fallbacks.",
  ask_now: "Ask it now",
  asking: "Asking {name}…",
  probe_good: "{name} answers, and is in service.",
  probe_good_but_out:
    "{name} answers now. The gateway still holds it for {state}, and takes it back by itself after its next check or trial.",
  probe_bad: "{name} cannot be used as it is.",
  probe_fine: "{asked}: fine ({status}, {time})",
  probe_no_model_of_words:
    "{asked}: it answered {status} in {time}; such a model is asked otherwise: {detail}",
  probe_refuses_key:
    "{asked}: it refuses the key (answered {status}): {detail}. Compare the api_key in the file.",
  probe_not_listed:
    "{asked}: it does not serve {missing}; it has: {listed}. Compare model_name and upstream_model in the file.",
  probe_no_list: "{asked}: no list of models (answered {status}): {detail}",
  probe_error: "{asked}: it failed (answered {status} in {time}): {detail}",
  probe_no_answer: "{asked}: {detail} (after {time})",
  last_hour_lost:
    "Last hour: {requests} requests, {lost} lost (the last at {last_lost}), {refused} refused, {passed_on} passed on, {resumed} resumed, {by_fallback} by fallbacks.",
  what_happened_when: "What happened when",
  usage: "Usage",
  usage_by: "A line for each",
  day: "Day",
  days_7d: "7 days",
  days_30d: "30 days",
  days_365d: "A year",
  usage_sum: "{tokens} tokens in {requests} requests",
  usage_left_out: "{count} more lines are in the CSV.",
  prompt_tokens: "Prompt tokens",
  cached_tokens: "of them cached",
  completion_tokens: "Answer tokens",
  cost: "Cost",
  tokens_a_day: "Tokens a day",
  tokens_a_day_of: "Tokens a day, {name}",
  curve_of_this: "Show its curve alone",
  other_clients: "all others",
  only_instance: "Only this instance",
  code: "As code",
  code_curl: "curl",
  code_python: "Python",
  code_node: "Node",
  code_prompt: "Hello!",
  copy: "Copy",
  copied: "Copied.",
  copy_by_hand: "The browser does not allow it here: mark the text.",
  raw_answer: "The answer as it came",
  not_signed_in: "A single instance is asked with the token only.",
  file_and_memory: "File and memory",
  file_in_force: "What the file says is in force.",
  check_pasted: "Check a configuration",
  pasted_text: "Paste the text of a configuration here: it is checked, and nothing is changed.",
  check_do: "Check",
  pasted_same: "It is fine, and says what is in force.",
  text_refused: "It would be refused:",
  text_differs: "It is fine, and differs from what is in force in {count}:",
  needs_restart: "These take effect at the next start: {options}.",
  difference_added: "added: {after}",
  difference_removed: "gone: {before}",
  difference_changed: "{before} becomes {after}",
  difference_secret: "another secret",
  todo_model: "{model} has no instance: bring one of its instances back, or add one.",
  todo_refused:
    "The configuration file was refused; the one before stays in force. Mend the file: {problem}",
  todo_hung: "{name}: its server answers, its engine does not. Restart it.",
  todo_misconfigured:
    "{name}: compare its url, its key and its model names in the file with what it serves (check --live).",
  todo_down:
    "{name}: see whether its server runs and can be reached. It serves again by itself once it answers.",
  todo_ejected: "{name}: it failed too often. Read its last errors; it is tried again by itself.",
  todo_shutting_down: "{name}: it is ending. Nothing is to be done where a restart is meant.",
  todo_asleep: "{name}: it sleeps. Wake it up, or take it out of the file.",
  todo_drained: "{name}: drained by hand. Undrain it when it is ready.",
  todo_weightless: "{name}: it has weight 0 in the file.",
  todo_fallback:
    "Fallbacks answer ({by_fallback} of {requests} lately): that may cost money until instances are back.",
  todo_waiting: "{waiting} requests wait in line: more instances, or a higher max_concurrency.",
  todo_refusals:
    "{refused} of {requests} requests were refused lately: see Failing requests for who and why.",
};

export const OUTLOOK_CHINESE = {
  strength_whole: "全部 {all} 个实例正常",
  strength_most: "{all} 个实例中有 {serving} 个可用",
  strength_half: "{all} 个实例中仅 {serving} 个可用",
  strength_fallback: "仅回退实例可用：{all} 个实例全部不可用",
  strength_none: "没有可用实例",
  feel_good: "客户端均正常得到回答：最近 {minutes} 分钟共 {requests} 个请求，无一丢失。",
  feel_quiet: "最近 {minutes} 分钟没有请求。",
  feel_rescued:
    "客户端均正常得到回答。最近 {minutes} 分钟的 {requests} 个请求中，{passed_on} 个转由其他实例回答，{resumed} 个流中断后由其他实例续传。",
  feel_refused:
    "客户端可以得到回答，但最近 {minutes} 分钟的 {requests} 个请求中有 {refused} 个被拒绝。",
  feel_lost:
    "有客户端丢失回答：最近 {minutes} 分钟的 {requests} 个请求中有 {lost} 个没有得到完整的回答。",
  feel_lost_before:
    "客户端已恢复正常得到回答；最近一次丢失在 {last_lost}，最近 {minutes} 分钟的 {requests} 个请求中丢失 {lost} 个。",
  feel_waiting: "客户端在等待：当前有 {waiting} 个请求在排队。",
  feel_model: "使用 {models} 的客户端收到错误：没有可用的实例。",
  feel_nothing: "客户端收到错误：没有可用的实例。",
  last_hour:
    "最近 1 小时：{requests} 个请求，丢失 {lost}，被拒绝 {refused}，故障转移 {passed_on}，续传 {resumed}，由回退实例回答 {by_fallback}。",
  ask_now: "立即探测",
  asking: "正在探测 {name}…",
  probe_good: "{name} 响应正常，正在服务。",
  probe_good_but_out: "{name} 现在响应正常。网关仍视其为“{state}”，下一次检查或试探后会自动恢复。",
  probe_bad: "{name} 目前无法使用。",
  probe_fine: "{asked}：正常（{status}，{time}）",
  probe_no_model_of_words: "{asked}：{time} 后返回 {status}；此类模型需用其他接口调用：{detail}",
  probe_refuses_key: "{asked}：密钥被拒绝（返回 {status}）：{detail}。请核对配置文件里的 api_key。",
  probe_not_listed:
    "{asked}：不提供 {missing}；实际提供：{listed}。请核对配置文件里的 model_name 和 upstream_model。",
  probe_no_list: "{asked}：无法获取模型列表（返回 {status}）：{detail}",
  probe_error: "{asked}：失败（{time} 后返回 {status}）：{detail}",
  probe_no_answer: "{asked}：{detail}（{time} 后）",
  last_hour_lost:
    "最近 1 小时：{requests} 个请求，丢失 {lost}（最近一次在 {last_lost}），被拒绝 {refused}，故障转移 {passed_on}，续传 {resumed}，由回退实例回答 {by_fallback}。",
  what_happened_when: "按时间查看发生了什么",
  usage: "用量",
  usage_by: "分组方式",
  day: "日期",
  days_7d: "7 天",
  days_30d: "30 天",
  days_365d: "一年",
  usage_sum: "{requests} 次请求，共 {tokens} Token",
  usage_left_out: "其余 {count} 行见 CSV。",
  prompt_tokens: "输入 Token",
  cached_tokens: "其中缓存命中",
  completion_tokens: "输出 Token",
  cost: "费用",
  tokens_a_day: "每日 Token",
  tokens_a_day_of: "每日 Token：{name}",
  curve_of_this: "只看它的曲线",
  other_clients: "其余客户端",
  only_instance: "仅此实例",
  code: "示例代码",
  code_curl: "curl",
  code_python: "Python",
  code_node: "Node",
  code_prompt: "你好！",
  copy: "复制",
  copied: "已复制。",
  copy_by_hand: "浏览器不允许在此复制：请手动选中文本。",
  raw_answer: "原始响应",
  not_signed_in: "探测单个实例需要令牌。",
  file_and_memory: "文件与运行中的配置",
  file_in_force: "配置文件的内容已全部生效。",
  check_pasted: "检查配置",
  pasted_text: "把配置文本粘贴到这里：只检查，不改动任何东西。",
  check_do: "检查",
  pasted_same: "没有问题，与生效的配置相同。",
  text_refused: "这份配置会被拒绝：",
  text_differs: "没有问题，与生效的配置有 {count} 处不同：",
  needs_restart: "以下选项下次启动时生效：{options}。",
  difference_added: "新增：{after}",
  difference_removed: "移除：{before}",
  difference_changed: "{before} 改为 {after}",
  difference_secret: "敏感值不同",
  todo_model: "{model} 没有可用实例：请恢复它的一个实例，或增加一个。",
  todo_refused: "配置文件被拒绝，原有配置继续生效。请修正文件：{problem}",
  todo_hung: "{name}：服务有响应，但推理引擎没有响应。请重启它。",
  todo_misconfigured:
    "{name}：请核对配置文件里的地址、密钥和模型名与它实际提供的是否一致（check --live）。",
  todo_down: "{name}：请检查服务是否在运行、网络是否可达。恢复响应后会自动重新接收请求。",
  todo_ejected: "{name}：失败次数过多。请查看最近的错误；网关会自动重试。",
  todo_shutting_down: "{name}：正在退出。如果是计划内重启，无需处理。",
  todo_asleep: "{name}：处于休眠。请唤醒它，或从配置文件中移除。",
  todo_drained: "{name}：已手动排空。准备好后请取消排空。",
  todo_weightless: "{name}：在配置文件中权重为 0。",
  todo_fallback:
    "正在由回退实例回答（最近 {requests} 个请求中有 {by_fallback} 个）：实例恢复前可能产生费用。",
  todo_waiting: "{waiting} 个请求在排队：请增加实例，或调高 max_concurrency。",
  todo_refusals:
    "最近 {requests} 个请求中有 {refused} 个被拒绝：请在“未成功的请求”中查看来源和原因。",
};

/** The sentences of a probe by hand (`ProbeView`): what came of each question, then the whole. `t` gives words. */
export function probeWords(t, { instance, state, verdict, steps }, timeText) {
  const each = steps.map(({ asked, outcome, ms, status, detail }) => {
    const [missing, listed = ""] = detail.split("; ");
    return t(`probe_${outcome}`, {
      ...{ asked, status: status ?? "–", time: timeText(ms), missing, listed },
      detail: detail === "" ? "–" : detail,
    });
  });
  return [...each, t(verdict, { name: instance, state: t(`state_${state}`) })];
}

/** A sentence of the outlook; `timeText` makes a text of an ISO time. */
export function sentence(t, { words, values }, timeText) {
  const times = ["time", "last_lost"].filter((name) => typeof values[name] === "string")
    .map((name) => [name, timeText(values[name])]);
  return t(words, { ...values, ...Object.fromEntries(times) });
}
