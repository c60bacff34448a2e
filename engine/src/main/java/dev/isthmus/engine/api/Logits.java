package dev.isthmus.engine.api;

import dev.isthmus.engine.kernels.Kernels;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Logits on their way between a backend's tensors and Java's arrays. */
final class Logits {

    private Logits() {}

    /** The probabilities that they stand for, as the kernels compute softmax. */
    static float[] softmax(Kernels kernels, float[] logits) {
        try (Arena temporary = Arena.ofShared()) {
            Tensor x = kernels.allocate(temporary, 1, logits.length);
            kernels.write(MemorySegment.ofArray(logits), x);
            kernels.softmax(x);
            float[] probabilities = new float[logits.length];
            kernels.read(x, 0, probabilities);
            return probabilities;
        }
    }
}
