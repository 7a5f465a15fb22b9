// GET /v1/models.

import type { EngineOptions } from "./engine.ts";

/** The models that an instance serves, as vLLM lists them. */
export function modelList({ models, maxModelLen }: EngineOptions) {
  const created = Math.floor(Date.now() / 1000);
  return {
    object: "list",
    data: models.map((id) => ({
      id,
      object: "model",
      created,
      owned_by: "vllm",
      root: models[0],
      parent: null,
      max_model_len: maxModelLen,
      permission: [{
        id: "modelperm-simulated",
        object: "model_permission",
        created,
        allow_create_engine: false,
        allow_sampling: true,
        allow_logprobs: true,
        allow_search_indices: false,
        allow_view: true,
        allow_fine_tuning: false,
        organization: "*",
        group: null,
        is_blocking: false,
      }],
    })),
  };
}
