package dev.isthmus.engine.config;

/** The function between the two matrix products of the feed-forward network. */
public enum Activation {
    /** None: the value itself. */
    NONE,
    /** x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))): GPT-2's own, transformers' {@code gelu_new}. */
    GELU_TANH,
    /** x/2 (1 + erf(x/√2)): transformers' {@code gelu}. */
    GELU_ERF,
    /** max(x, 0). */
    RELU
}
