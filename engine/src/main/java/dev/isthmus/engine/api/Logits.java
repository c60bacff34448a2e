package dev.isthmus.engine.api;

import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Logits on their way between a backend's tensors and Java's arrays. */
final class Logits {

    private Logits() {}

    /** The probabilities that they stand for, as the kernels compute softmax. */
    static float[] softmax(Backend backend, float[] logits) {
        try (Arena temporary = Arena.ofShared()) {
            Tensor x = backend.tensors().allocate(temporary, 1, logits.length);
            backend.tensors().write(MemorySegment.ofArray(logits), x);
            backend.kernels().softmax(x);
            float[] probabilities = new float[logits.length];
            backend.tensors().read(x, 0, probabilities);
            return probabilities;
        }
    }
}
