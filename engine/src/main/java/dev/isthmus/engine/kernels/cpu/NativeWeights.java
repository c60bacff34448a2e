package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.bindings.MappedMemory;
import dev.isthmus.bindings.isthmus.Isthmus;
import dev.isthmus.bindings.isthmus.isthmus_matrix;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.PackedMatrix;
import dev.isthmus.engine.kernels.ShapeChecks;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/** Weights for the C kernels: packed matrices, also where they lie in mapped files. */
final class NativeWeights implements WeightMemory, WeightMemory.MappedWeights {

    private final int level;

    NativeWeights(int level) {
        this.level = level;
    }

    @Override
    public MemorySegment allocate(Arena arena, long bytes) {
        return MappedMemory.allocate(arena, bytes).orElseGet(() -> arena.allocate(bytes, Tensor.ALIGNMENT));
    }

    @Override
    public boolean packs() {
        return true;
    }

    @Override
    public Optional<MappedWeights> mapped() {
        return Optional.of(this);
    }

    @Override
    public Optional<BooleanSupplier> watch(MemorySegment mapping, Arena arena) {
        return MappedMemory.watch(mapping, arena);
    }

    @Override
    public void touch(MemorySegment part) {
        NativeOps.check("touch weights", Isthmus.isthmus_touch(part, part.byteSize()));
    }

    @Override
    public long matrixBytes(WeightType type, int inputs, int outputs) {
        return PackedMatrix.bytes(type, inputs, outputs);
    }

    @Override
    public Matrix matrix(WeightType type, Layout layout, int inputs, int outputs, MemorySegment memory) {
        return new PackedMatrix(type, inputs, outputs, memory);
    }

    @Override
    public void pack(Matrix matrix, Layout layout, MemorySegment weights, int k0, int k1, int n0, int n1) {
        ShapeChecks.pack(matrix, weights, k0, k1, n0, n1);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment into = NativeOps.fill(isthmus_matrix.allocate(arena), matrix);
            NativeOps.check("pack weights",
                    Isthmus.isthmus_pack(level, weights, NativeCodes.of(layout), into, k0, k1, n0, n1));
        }
    }

    /** A matrix as one of these. */
    static PackedMatrix packed(Matrix matrix) {
        if (matrix instanceof PackedMatrix packed) {
            return packed;
        }
        throw new IllegalArgumentException("expected a matrix made by these kernels, found a plain one");
    }
}
