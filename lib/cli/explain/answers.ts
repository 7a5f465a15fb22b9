// What a gateway says of its choices, by what is read of it.

import { having, isNumber, isText, isTime, listOf, orNull } from "../../json/shape.ts";

export const areDecisions = having({
  decisions: listOf(having({
    ...{ time: isTime, id: isText, model: isText, instance: isText, route: isText },
    ...{ outcome: isText, status: isNumber, attempts: isNumber },
    first_byte_ms: orNull(isNumber),
  })),
});

export const isExplanation = having({
  ...{ model: isText, upstream_model: isText, strategy: isText, by: isText, waiting: isNumber },
  instance: orNull(isText),
  prompt: orNull(having({
    ...{ tokens: isNumber, bytes: isNumber, bytes_per_token: isNumber, chunks: isNumber },
    answer_tokens: isNumber,
  })),
  instances: listOf(having({
    ...{ instance: isText, left: orNull(isText), in_flight: isNumber },
    ...{ max_context: orNull(isNumber), metrics_age_s: orNull(isNumber) },
    weighed: orNull(having({
      ...{ cached_tokens: isNumber, tokens_to_compute: isNumber, tokens_before: isNumber },
      ...{ others: isNumber, tokens_per_second: isNumber, cost_s: isNumber },
    })),
  })),
});
