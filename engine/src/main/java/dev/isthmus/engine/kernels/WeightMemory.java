package dev.isthmus.engine.kernels;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * Holds weights in the form that a backend's kernels read: vectors as float32, matrices as the backend likes. Every
 * method checks sizes and throws {@link IllegalArgumentException} where they do not fit. Several threads may use one
 * instance, each on its own part.
 */
public interface WeightMemory {

    /** Where the weights lie. */
    default Place place() {
        return Place.HOST;
    }

    /** Zeroed memory for weights, aligned to {@link Tensor#ALIGNMENT} bytes; it may be used by any thread. */
    default MemorySegment allocate(Arena arena, long bytes) {
        return arena.allocate(bytes, Tensor.ALIGNMENT);
    }

    /** As {@link #allocate}, to be handed out piece by piece. */
    default SegmentAllocator allocator(Arena arena, long bytes) {
        return SegmentAllocator.slicingAllocator(allocate(arena, bytes));
    }

    /**
     * The type that all matrices of a model must have here; empty where each may have its own.
     *
     * @param types those that they have, each once
     */
    default Optional<WeightType> commonType(List<WeightType> types) {
        return Optional.empty();
    }

    /** Whether matrices are kept as {@link PackedMatrix}, which files can hold. */
    default boolean packs() {
        return false;
    }

    /** What uses packed matrices where they lie in mapped files; empty where matrices must be read into memory. */
    default Optional<MappedWeights> mapped() {
        return Optional.empty();
    }

    /** A vector or table of weights, F32, on {@code memory} of this backend. */
    default Tensor vector(MemorySegment memory, Shape shape) {
        return new Tensor(memory, DType.F32, shape);
    }

    /** Fills a vector with what {@code source} writes to the off-heap memory that it is given, F32. */
    default void fill(Tensor vector, Consumer<MemorySegment> source) {
        source.accept(vector.data());
    }

    /** The bytes of memory that a weight matrix takes. */
    long matrixBytes(WeightType type, int inputs, int outputs);

    /**
     * A weight matrix, to be filled by {@link #pack}.
     *
     * @param layout the order in which it will be packed
     * @param memory as many bytes as {@link #matrixBytes} says
     */
    Matrix matrix(WeightType type, Layout layout, int inputs, int outputs, MemorySegment memory);

    /** Whether {@link #pack} is fastest with all inputs of an output at once. */
    default boolean packsWholeRows() {
        return false;
    }

    /**
     * Fills a part of a matrix: inputs [k0, k1) of outputs [n0, n1), rounded to its type. Threads may fill different
     * parts at once.
     *
     * @param layout that of {@link #matrix}
     * @param weights just this part, float32, [k1 − k0, n1 − n0] or the transposed by {@code layout}; off-heap
     * @param k0 a multiple of the type's {@link WeightType#blockInputs}, as k1 is if it is not K
     * @param n0 a multiple of {@link PackedMatrix#PANEL}, as n1 is if it is not N
     */
    void pack(Matrix matrix, Layout layout, MemorySegment weights, int k0, int k1, int n0, int n1);

    /** Copies the weights of a matrix's outputs from {@code first} on, K each, for as many as {@code into} takes. */
    default void read(Matrix matrix, int first, float[] into) {
        HostMemory.readWeights(matrix, first, into);
    }

    /** Uses packed matrices where they lie in mapped files. */
    interface MappedWeights {

        /**
         * Watches over a mapped file.
         *
         * @param mapping the file
         * @param arena what the mapping is freed with; it ends the watch
         * @return tells whether every page that was read was there: a file that is cut short loses pages, which read as
         *     zeros then. Empty where this platform cannot tell
         */
        Optional<BooleanSupplier> watch(MemorySegment mapping, Arena arena);

        /** Makes a part of a watched mapping ready to be read. Several threads may do so. */
        void touch(MemorySegment part);
    }
}
