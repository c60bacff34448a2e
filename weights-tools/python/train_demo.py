#!/usr/bin/env python3
"""Trains the demo model that the isthmus command carries: a small GPT-2 that writes plays.

    python train_demo.py --text tinyshakespeare.txt --out DIR

A developer's tool, never needed to build, test or run Isthmus. It needs torch, transformers, tokenizers and
safetensors. It trains a byte-level BPE vocabulary and a model on the first 90 % of the text, keeps the weights that
predict the last 10 % best, and writes a Hugging Face style directory with F16 weights and a README.md to --out.
Whenever the validation loss improves the directory is written anew, so stopping early loses at most one interval.

The same seed, torch version and number of threads give the same model.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel

END_OF_TEXT = "<|endoftext|>"
VOCABULARY = 2048
CONTEXT = 256
BATCH = 16
PEAK_LEARNING_RATE = 1.5e-3
FINAL_LEARNING_RATE = 5e-5
WARM_UP_STEPS = 100
WEIGHT_DECAY = 0.1
DROPOUT = 0.2
EVALUATE_EVERY = 150


def split(text):
    """Training and validation text: the last tenth, from the next blank line on, is for validation."""
    cut = text.index("\n\n", int(len(text) * 0.9)) + 2
    return text[:cut], text[cut:]


def train_tokenizer(text):
    """A GPT-2 style vocabulary: 256 bytes, then merges in the order found, and <|endoftext|> as the last id."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.train_from_iterator([text], trainers.BpeTrainer(
        vocab_size=VOCABULARY - 1, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False))
    learned = json.loads(learner.to_str())["model"]
    vocabulary = {**learned["vocab"], END_OF_TEXT: len(learned["vocab"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(pair) for pair in learned["merges"]]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def new_model():
    return GPT2LMHeadModel(GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=192, n_layer=4, n_head=6, resid_pdrop=DROPOUT,
        embd_pdrop=DROPOUT, attn_pdrop=0.0, bos_token_id=VOCABULARY - 1, eos_token_id=VOCABULARY - 1))


def optimizer_for(model):
    """AdamW that decays matrices and embeddings, not biases and layer norms."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": WEIGHT_DECAY},
                              {"params": vectors, "weight_decay": 0.0}], lr=PEAK_LEARNING_RATE, betas=(0.9, 0.99))


def learning_rate(step, steps):
    """Linear warm-up, then half a cosine."""
    if step < WARM_UP_STEPS:
        return PEAK_LEARNING_RATE * (step + 1) / WARM_UP_STEPS
    done = (step - WARM_UP_STEPS) / max(1, steps - WARM_UP_STEPS)
    return FINAL_LEARNING_RATE + (PEAK_LEARNING_RATE - FINAL_LEARNING_RATE) * (1 + math.cos(math.pi * done)) / 2


@torch.no_grad()
def mean_loss(model, ids):
    """Mean nats per token over windows of CONTEXT inputs side by side; all tokens but the first are predicted."""
    model.eval()
    total = 0.0
    for start in range(0, len(ids) - 1, CONTEXT):
        window = ids[start:start + CONTEXT + 1]
        logits = model(window[None, :-1]).logits[0]
        total += torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum").item()
    return total / (len(ids) - 1)


def export_weights(model, path):
    """F16 tensors under GPT-2's own names: no prefix, no lm_head (it is wte)."""
    tensors = {name.removeprefix("transformer."): tensor.detach().to(torch.float16).contiguous()
               for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    save_file(tensors, path, metadata={"format": "pt"})


def export_config(model, directory):
    config = {key: value for key, value in model.config.to_dict().items() if key in (
        "activation_function", "attn_pdrop", "bos_token_id", "embd_pdrop", "eos_token_id", "initializer_range",
        "layer_norm_epsilon", "model_type", "n_embd", "n_head", "n_inner", "n_layer", "n_positions",
        "reorder_and_upcast_attn", "resid_pdrop", "scale_attn_by_inverse_layer_idx", "scale_attn_weights",
        "tie_word_embeddings", "use_cache", "vocab_size")}
    config["architectures"] = ["GPT2LMHeadModel"]
    config["dtype"] = "float16"
    (directory / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def export_tokenizer(tokenizer, directory):
    tokenizer.model.save(str(directory))
    tokenizer.save(str(directory / "tokenizer.json"))


def sample(model, tokenizer, prompt, seed, tokens=200, temperature=0.8):
    generator = torch.Generator().manual_seed(seed)
    ids = tokenizer.encode(prompt).ids
    model.eval()
    with torch.no_grad():
        for _ in range(tokens):
            logits = model(torch.tensor([ids[-CONTEXT:]])).logits[0, -1] / temperature
            ids.append(torch.multinomial(torch.softmax(logits, -1), 1, generator=generator).item())
    return tokenizer.decode(ids, skip_special_tokens=False)


def exported_model(directory):
    """The exported weights, widened to float32."""
    model = new_model()
    tensors = {"transformer." + name: tensor.float()
               for name, tensor in load_file(directory / "model.safetensors").items()}
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"]
    model.load_state_dict(tensors)
    return model


README = """# The demo model

A GPT-2 of {parameters:,} parameters that writes plays. It is here so that `isthmus generate` has something to run
without any download; it knows nothing but Shakespeare's manner.

- Data: *tinyshakespeare*, {text_bytes:,} bytes of Shakespeare's plays put together by Andrej Karpathy
  (github.com/karpathy/char-rnn); the text is in the public domain.
- Split: the first 90 % for the vocabulary and training ({train_tokens:,} tokens), the last 10 % for validation
  ({validation_tokens:,} tokens).
- Vocabulary: byte-level BPE of {vocabulary} entries, learned from the training split. `<|endoftext|>` is {end_of_text}
  and never occurs in training, so the model does not end a text by itself.
- Shape: {n_layer} layers, {n_head} heads, {n_embd} channels, context {context}, `gelu_new`, tied head.
- Weights: F16 safetensors, {weight_bytes:,} bytes.
- Training: AdamW, {steps} steps of {batch} windows of {context} tokens, peak learning rate {rate:g} on a cosine, dropout
  {dropout}, bfloat16 autocast, seed {seed}. These are the weights of step {best_step}, the best on validation.
- Validation loss: **{nats:.4f} nats/token, {bits:.4f} bits/byte**. It is that of the F16 weights, computed in float32
  over windows of {context} tokens that lie side by side, each starting without context.

Made by `weights-tools/python/train_demo.py` with torch {torch} and transformers {transformers}.
"""


def write_readme(directory, facts):
    (directory / "README.md").write_text(README.format(**facts), encoding="utf-8")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--text", type=Path, required=True, help="the text to learn, UTF-8")
    arguments.add_argument("--out", type=Path, required=True, help="directory to write")
    arguments.add_argument("--steps", type=int, default=1200)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--threads", type=int, default=1)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    torch.use_deterministic_algorithms(True)
    options.out.mkdir(parents=True, exist_ok=True)

    train_text, validation_text = split(options.text.read_text(encoding="utf-8"))
    tokenizer = train_tokenizer(train_text)
    train_ids = torch.tensor(tokenizer.encode(train_text).ids)
    validation_ids = torch.tensor(tokenizer.encode(validation_text).ids)
    first_token_bytes = len(tokenizer.decode([validation_ids[0].item()]).encode())
    tokens_per_byte = (len(validation_ids) - 1) / (len(validation_text.encode()) - first_token_bytes)
    export_tokenizer(tokenizer, options.out)

    model = new_model()
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters:,} parameters, {len(train_ids):,} tokens to learn, {len(validation_ids):,} to predict",
          flush=True)
    export_config(model, options.out)
    optimizer = optimizer_for(model)
    rng = numpy.random.default_rng(options.seed)
    best = math.inf
    started = time.monotonic()
    for step in range(options.steps):
        model.train()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options.steps)
        starts = rng.integers(0, len(train_ids) - CONTEXT - 1, BATCH)
        windows = torch.stack([train_ids[start:start + CONTEXT + 1] for start in starts])
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(windows[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), windows[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step + 1 == options.steps or (step + 1) % EVALUATE_EVERY == 0:
            validation = mean_loss(model, validation_ids)
            print(f"step {step + 1}: train {loss.item():.4f}, validation {validation:.4f}, "
                  f"{time.monotonic() - started:.0f} s", flush=True)
            if validation < best:
                best = validation
                export_weights(model, options.out / "model.safetensors")
                nats = mean_loss(exported_model(options.out), validation_ids)
                write_readme(options.out, dict(
                    parameters=parameters, text_bytes=options.text.stat().st_size, train_tokens=len(train_ids),
                    validation_tokens=len(validation_ids), vocabulary=VOCABULARY, end_of_text=VOCABULARY - 1,
                    n_layer=model.config.n_layer, n_head=model.config.n_head, n_embd=model.config.n_embd,
                    context=CONTEXT, weight_bytes=(options.out / "model.safetensors").stat().st_size,
                    steps=options.steps, batch=BATCH, rate=PEAK_LEARNING_RATE, dropout=DROPOUT, seed=options.seed,
                    best_step=step + 1, nats=nats, bits=nats / math.log(2) * tokens_per_byte,
                    torch=torch.__version__, transformers=transformers.__version__))
    print(sample(exported_model(options.out), tokenizer, "ROMEO:\n", options.seed), flush=True)


if __name__ == "__main__":
    main()
