"""model.py FOLDER TEXT...: a tiny Qwen3 of random weights whose words are those of the texts, ready in seconds.

What it says is gibberish, but at temperature 0 the same gibberish for the same tokens, and another for others. Random
weights are the hardest case for going on with a text: a text that is encoded anew is another text.
"""

import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

folder, texts = sys.argv[1], sys.argv[2:]
MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
TEMPLATE = """{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}{% if not (loop.last and continue_final_message) %}<|im_end|>
{% endif %}{%- endfor %}{%- if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% endif %}{% endif %}"""

bpe = Tokenizer(models.BPE())
bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
bpe.decoder = decoders.ByteLevel()
bpe.train(
    texts,
    trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=MARKS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    ),
)
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>"
)
tokenizer.chat_template = TEMPLATE
tokenizer.save_pretrained(folder)

torch.manual_seed(11)
model = Qwen3ForCausalLM(
    Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=4096,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
).to(torch.float32)
with torch.no_grad():
    # The best token is clearly the best, so that two servers agree on it.
    model.lm_head.weight.mul_(30)
model.save_pretrained(folder)
