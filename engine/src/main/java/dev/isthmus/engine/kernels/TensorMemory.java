package dev.isthmus.engine.kernels;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Allocates, reads and writes a backend's activations. Several threads may use one instance, each on its own tensors. */
public interface TensorMemory {

    /** A zeroed tensor of the type that the residual stream, logits and probabilities have here. */
    Tensor allocate(Arena arena, long... dims);

    /** A zeroed tensor of the type that products with such weights read, and write unless they add to the residual stream. */
    default Tensor allocateInputs(WeightType weights, Arena arena, long... dims) {
        return allocate(arena, dims);
    }

    /** Copies a tensor's elements from {@code first} on, as many as {@code into} takes. */
    default void read(Tensor from, long first, float[] into) {
        HostMemory.read(from, first, into);
    }

    /** Copies a tensor's elements from {@code first} on, as many as {@code into} takes. */
    default void read(Tensor from, long first, double[] into) {
        HostMemory.read(from, first, into);
    }

    /** Stores float32 values, off-heap or of an array, as a tensor's elements: all of them, rounded to its type. */
    default void write(MemorySegment values, Tensor into) {
        HostMemory.write(values, into);
    }

    /** Tensors of one type in the process's own memory. */
    static TensorMemory host(DType type) {
        return (arena, dims) -> Tensor.allocate(arena, type, dims);
    }
}
