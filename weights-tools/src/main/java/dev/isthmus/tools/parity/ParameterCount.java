package dev.isthmus.tools.parity;

import dev.isthmus.engine.checkpoint.Checkpoint;

/** Counts what a GPT-2 checkpoint has learned. */
public final class ParameterCount {

    private ParameterCount() {}

    /** The elements of all tensors but the causal masks that old files carry along. */
    public static long of(Checkpoint checkpoint) {
        return checkpoint.tensors().stream().filter(tensor -> !isBuffer(tensor.name()))
                .mapToLong(tensor -> tensor.shape().elements()).sum();
    }

    /** Whether a tensor is such a mask: {@code h.N.attn.bias} or {@code h.N.attn.masked_bias}. */
    public static boolean isBuffer(String name) {
        return name.endsWith(".attn.bias") || name.endsWith(".attn.masked_bias");
    }
}
