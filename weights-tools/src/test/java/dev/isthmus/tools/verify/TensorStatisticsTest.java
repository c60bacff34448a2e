package dev.isthmus.tools.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is said of a tensor's numbers, against sums in float64 over all of them. */
class TensorStatisticsTest {

    @TempDir
    private Path folder;

    private TensorStatistics of(StoredType type, long elements, ByteBuffer bytes) throws IOException {
        Path file = folder.resolve("model.safetensors");
        SafetensorsWriter.write(file, Map.of(), List.of(new SafetensorsWriter.Entry("x", type, new Shape(elements),
                MemorySegment.ofArray(bytes.array()))));
        try (Checkpoint checkpoint = Checkpoint.open(file)) {
            return TensorStatistics.of(checkpoint, checkpoint.tensors().getFirst());
        }
    }

    private TensorStatistics of(float... values) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            bytes.putFloat(value);
        }
        return of(StoredType.F32, values.length, bytes);
    }

    @Test
    void manyNumbersFarFromZero() throws IOException {
        // More than are read at a time, and a spread that a sum of squares in one pass would lose.
        float[] values = new float[(1 << 20) + 12_345];
        Random random = new Random(3);
        double sum = 0;
        for (int i = 0; i < values.length; i++) {
            values[i] = 10_000 + 0.01f * random.nextFloat();
            sum += values[i];
        }
        double mean = sum / values.length;
        double squares = 0;
        for (float value : values) {
            squares += (value - mean) * (value - mean);
        }
        TensorStatistics statistics = of(values);
        assertEquals(values.length, statistics.elements());
        assertEquals(mean, statistics.mean(), 1e-9);
        assertEquals(Math.sqrt(squares / values.length), statistics.std(), 1e-9);
    }

    @Test
    void whatIsNotFiniteIsCountedAndLeftOut() throws IOException {
        assertEquals(new TensorStatistics(6, 1, 2, -1, 3, 1, Math.sqrt(8 / 3.0)),
                of(Float.NaN, -1, Float.POSITIVE_INFINITY, 3, Float.NEGATIVE_INFINITY, 1));
        assertEquals(new TensorStatistics(2, 2, 0, Double.NaN, Double.NaN, Double.NaN, Double.NaN),
                of(Float.NaN, Float.NaN));
        assertEquals(new TensorStatistics(0, 0, 0, Double.NaN, Double.NaN, Double.NaN, Double.NaN), of());
    }

    @Test
    void halvesAreReadAsWhatTheyStandFor() throws IOException {
        ByteBuffer f16 = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
        f16.putShort(Float.floatToFloat16(-2)).putShort(Float.floatToFloat16(4));
        assertEquals(new TensorStatistics(2, 0, 0, -2, 4, 1, 3), of(StoredType.F16, 2, f16));
        ByteBuffer bf16 = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
        bf16.putShort((short) (Float.floatToRawIntBits(-2) >>> 16)).putShort((short) 0x7F80);
        assertEquals(new TensorStatistics(2, 0, 1, -2, -2, -2, 0), of(StoredType.BF16, 2, bf16));
    }
}
