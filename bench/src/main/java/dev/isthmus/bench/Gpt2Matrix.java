package dev.isthmus.bench;

/** The weight matrices of GPT-2 124M, by what they compute. */
public enum Gpt2Matrix {
    /** attn.c_attn. */
    ATTENTION_INPUT(768, 2304),
    /** attn.c_proj. */
    ATTENTION_OUTPUT(768, 768),
    /** mlp.c_fc. */
    FEED_FORWARD_INPUT(768, 3072),
    /** mlp.c_proj. */
    FEED_FORWARD_OUTPUT(3072, 768),
    /** lm_head. */
    HEAD(768, 50257);

    /** K. */
    final int inputs;
    /** N. */
    final int outputs;

    Gpt2Matrix(int inputs, int outputs) {
        this.inputs = inputs;
        this.outputs = outputs;
    }
}
