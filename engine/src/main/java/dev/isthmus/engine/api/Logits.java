package dev.isthmus.engine.api;

import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Logits on their way between a backend's tensors and Java's arrays. */
final class Logits {

    private Logits() {}

    /** Row {@code row} of a tensor [T, V]. */
    static void copyRow(Tensor from, long row, float[] into) {
        if (from.dtype() == DType.F32) {
            MemorySegment.copy(from.data(), ValueLayout.JAVA_FLOAT, row * into.length * Float.BYTES, into, 0,
                    into.length);
            return;
        }
        for (int i = 0; i < into.length; i++) {
            into[i] = (float) from.data().getAtIndex(ValueLayout.JAVA_DOUBLE, row * into.length + i);
        }
    }

    /** The probabilities that they stand for, as the kernels compute softmax. */
    static float[] softmax(Kernels kernels, float[] logits) {
        try (Arena temporary = Arena.ofShared()) {
            Tensor x = kernels.allocate(temporary, 1, logits.length);
            for (int i = 0; i < logits.length; i++) {
                if (x.dtype() == DType.F64) {
                    x.data().setAtIndex(ValueLayout.JAVA_DOUBLE, i, logits[i]);
                } else {
                    x.data().setAtIndex(ValueLayout.JAVA_FLOAT, i, logits[i]);
                }
            }
            kernels.softmax(x);
            float[] probabilities = new float[logits.length];
            copyRow(x, 0, probabilities);
            return probabilities;
        }
    }
}
