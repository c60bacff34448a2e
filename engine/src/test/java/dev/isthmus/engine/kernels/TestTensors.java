package dev.isthmus.engine.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.cache.BlockPool;
import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
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

    private final Backend opened;
    private final Arena arena = Arena.ofShared();
    private final SplittableRandom random;
    private final List<MemorySegment> regions = new ArrayList<>();

    public TestTensors(Backend opened, long seed) {
        this.opened = opened;
        random = new SplittableRandom(seed);
    }

    /** Whether Java reaches the backend's tensors. */
    public boolean isOnHost() {
        return opened.tensors().allocate(arena, 1).place() == Place.HOST;
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

    /** Values for {@link WeightMemory#pack}, off alignment as those in a mapped checkpoint are. */
    public MemorySegment stored(float[] values) {
        return filled(DType.F32, values, 4, values.length).data();
    }

    /** A vector or table of weights holding {@code values}, off alignment where Java reaches it. */
    public Tensor weight(float[] values, long... dims) {
        if (isOnHost()) {
            return filled(DType.F32, values, 4, dims);
        }
        Shape shape = new Shape(dims);
        Tensor weight = new Tensor(opened.weights().allocate(arena, shape.elements() * Float.BYTES), DType.F32, shape,
                Place.DEVICE);
        opened.tensors().write(MemorySegment.ofArray(values), weight);
        return weight;
    }

    /** A weight matrix of the backend's form, of float32 values in the order of {@code layout}. */
    public Matrix matrix(WeightType type, Layout layout, int inputs, int outputs, float[] values) {
        Matrix matrix = opened.weights().matrix(type, layout, inputs, outputs,
                weightMemory(opened.weights().matrixBytes(type, inputs, outputs)));
        opened.weights().pack(matrix, layout, stored(values), 0, inputs, 0, outputs);
        return matrix;
    }

    /** Memory for a matrix, in which something is already where Java reaches it. */
    public MemorySegment weightMemory(long bytes) {
        return isOnHost() ? guarded(bytes, 4) : opened.weights().allocate(arena, bytes);
    }

    /** An activation of the residual stream's type holding {@code values}. */
    public Tensor activation(float[] values, long... dims) {
        return isOnHost() ? filled(opened.tensors().allocate(arena, 1).dtype(), values, 0, dims)
                : written(opened.tensors().allocate(arena, dims), values);
    }

    /** What products with such weights read, holding {@code values} as far as its type can. */
    public Tensor input(WeightType weights, float[] values, long... dims) {
        return isOnHost() ? activation(values, dims)
                : written(opened.tensors().allocateInputs(weights, arena, dims), values);
    }

    private Tensor written(Tensor tensor, float[] values) {
        opened.tensors().write(MemorySegment.ofArray(values), tensor);
        return tensor;
    }

    /** An activation of the residual stream's type full of NaN: what a kernel leaves unwritten shows. */
    public Tensor output(long... dims) {
        return activation(nan(dims), dims);
    }

    /** What products with such weights write, full of NaN. */
    public Tensor inputOutput(WeightType weights, long... dims) {
        return input(weights, nan(dims), dims);
    }

    private static float[] nan(long... dims) {
        float[] values = new float[(int) new Shape(dims).elements()];
        Arrays.fill(values, Float.NaN);
        return values;
    }

    /** An empty cache on the backend's own memory. */
    public KvCache cache(int layers, int heads, int headChannels, int context) {
        return new KvCache(layers, heads, headChannels, context, opened.cacheTypes(WeightType.F32).getFirst(),
                BlockPool.in(opened.blocks(), arena));
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

    public double[] doubles(Tensor tensor) {
        double[] values = new double[(int) tensor.shape().elements()];
        opened.tensors().read(tensor, 0, values);
        return values;
    }

    /** Each element is within {@code tolerance} of what is expected; NaN never is. */
    public void assertClose(double[] expected, Tensor found, double tolerance) {
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
