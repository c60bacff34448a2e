package dev.isthmus.engine.api;

import dev.isthmus.engine.tensor.DType;
import java.util.Optional;

/**
 * How a session keeps keys and values. The reference backend keeps them in float64 and CUDA in the weights' type,
 * whatever is asked for.
 */
public enum CacheType {
    /** Bytes where the weights have eight bits or fewer, else float32. */
    AUTO,
    /** Float32. */
    F32,
    /** Float16: half the memory, and half the time where reading the cache takes it. */
    F16,
    /** Bytes with a scale for each position's head: a little more than a quarter of float32's memory. */
    INT8;

    /** The type of a cache's elements; empty for what fits the weights. */
    Optional<DType> type() {
        return switch (this) {
            case AUTO -> Optional.empty();
            case F32 -> Optional.of(DType.F32);
            case F16 -> Optional.of(DType.F16);
            case INT8 -> Optional.of(DType.INT8);
        };
    }
}
