package dev.isthmus.engine.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Tensors for kernel tests: pseudo-random contents from a fixed seed, and guard bytes before and behind each, which
 * {@link #assertGuardsIntact} looks at.
 */
public final class TestTensors implements AutoCloseable {

    private static final int GUARD_BYTES = 256;
    private static final byte GUARD = 0x5A;

    private final Arena arena = Arena.ofShared();
    private final SplittableRandom random;
    private final List<MemorySegment> regions = new ArrayList<>();

    public TestTensors(long seed) {
        random = new SplittableRandom(seed);
    }

    public Arena arena() {
        return arena;
    }

    /** Float values, the same for every backend, between −scale and scale. */
    public float[] values(int count, double scale) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (scale * (2 * random.nextDouble() - 1));
        }
        return values;
    }

    /** A weight holding {@code values}, off alignment as those in a mapped checkpoint are. */
    public Tensor weight(float[] values, long... dims) {
        return filled(DType.F32, values, 4, dims);
    }

    /** A weight matrix of the backend's form, of float32 values in the order of {@code layout}. */
    public Matrix matrix(Kernels kernels, WeightType type, Layout layout, int inputs, int outputs, float[] values) {
        Matrix matrix = kernels.matrix(type, layout, inputs, outputs,
                guarded(kernels.matrixBytes(type, inputs, outputs), 4));
        kernels.pack(matrix, layout, weight(values, values.length).data(), 0, inputs, 0, outputs);
        return matrix;
    }

    /** An activation of the backend's type holding {@code values}. */
    public Tensor activation(Kernels kernels, float[] values, long... dims) {
        return filled(type(kernels), values, 0, dims);
    }

    /** An activation of the backend's type full of NaN: what a kernel leaves unwritten shows. */
    public Tensor output(Kernels kernels, long... dims) {
        float[] values = new float[(int) new Shape(dims).elements()];
        Arrays.fill(values, Float.NaN);
        return filled(type(kernels), values, 0, dims);
    }

    private DType type(Kernels kernels) {
        return kernels.allocate(arena, 1).dtype();
    }

    private Tensor filled(DType type, float[] values, int misalignment, long... dims) {
        MemorySegment data = guarded((long) values.length * type.bytes(), misalignment);
        for (int i = 0; i < values.length; i++) {
            if (type == DType.F64) {
                data.setAtIndex(ValueLayout.JAVA_DOUBLE, i, values[i]);
            } else {
                data.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[i]);
            }
        }
        return new Tensor(data, type, new Shape(dims));
    }

    private MemorySegment guarded(long bytes, int misalignment) {
        MemorySegment region = arena.allocate(bytes + 2 * GUARD_BYTES + misalignment, 64);
        region.fill(GUARD);
        MemorySegment data = region.asSlice(GUARD_BYTES + misalignment, bytes);
        regions.add(region.asSlice(0, GUARD_BYTES + misalignment));
        regions.add(region.asSlice(GUARD_BYTES + misalignment + bytes));
        return data;
    }

    public void assertGuardsIntact() {
        for (MemorySegment guard : regions) {
            for (long i = 0; i < guard.byteSize(); i++) {
                assertEquals(GUARD, guard.get(ValueLayout.JAVA_BYTE, i), "a kernel wrote outside its tensor");
            }
        }
    }

    public static double[] doubles(Tensor tensor) {
        double[] values = new double[(int) tensor.shape().elements()];
        for (int i = 0; i < values.length; i++) {
            values[i] = tensor.dtype() == DType.F64 ? tensor.data().getAtIndex(ValueLayout.JAVA_DOUBLE, i)
                    : tensor.data().getAtIndex(ValueLayout.JAVA_FLOAT, i);
        }
        return values;
    }

    /** Each element is within {@code tolerance} of what is expected; NaN never is. */
    public static void assertClose(double[] expected, Tensor found, double tolerance) {
        double[] values = doubles(found);
        assertEquals(expected.length, values.length);
        for (int i = 0; i < values.length; i++) {
            int index = i;
            assertTrue(Math.abs(expected[i] - values[i]) <= tolerance, () -> "element " + index + " of "
                    + found.shape() + ": expected " + expected[index] + " within " + tolerance + ", found "
                    + values[index]);
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
