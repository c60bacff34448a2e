package dev.isthmus.engine.kernels;

/** How a weight matrix of K inputs and N outputs lies in memory. */
public enum Layout {
    /** [K, N], as GPT-2's Conv1D stores it. */
    IN_OUT,
    /** [N, K], as nn.Linear and the tied token embedding store it. */
    OUT_IN
}
