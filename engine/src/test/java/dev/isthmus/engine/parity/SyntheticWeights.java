package dev.isthmus.engine.parity;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.StoredType;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Deterministic synthetic GPT-2 weights, bit for bit those of {@code weights-tools/python/synthetic_checkpoint.py},
 * which says how they come to behave like the real ones. Every element is a pure function of the seed, its tensor's
 * name and its index: mean[column] + deviation[column] · z, where z is the centred sum of a hash's four 16-bit chunks.
 *
 * @param seed what chooses the weights
 * @param size the model's dimensions
 */
record SyntheticWeights(long seed, Size size) {

    private static final long GOLDEN = 0x9E3779B97F4A7C15L;
    private static final double CHUNKS_TO_NORMAL = 1.75 / 65536;
    private static final double[] SHARPNESS = {0.25, 1.0, 2.0, 4.0};

    /** The dimensions that shapes depend on, under config.json's names. */
    record Size(int layers, int heads, int channels, int inner, int positions, int vocabulary, boolean tied) {}

    /** The means and standard deviations of a tensor's columns. */
    private record Columns(double[] mean, double[] deviation) {

        void all(double m, double d) {
            Arrays.fill(mean, m);
            Arrays.fill(deviation, d);
        }
    }

    /** The parameters' names without prefix, with their shapes. */
    Map<String, Shape> shapes() {
        int c = size.channels;
        Map<String, Shape> shapes = new LinkedHashMap<>();
        shapes.put("wte.weight", new Shape(size.vocabulary, c));
        shapes.put("wpe.weight", new Shape(size.positions, c));
        for (int layer = 0; layer < size.layers; layer++) {
            String block = "h." + layer + ".";
            shapes.put(block + "ln_1.weight", new Shape(c));
            shapes.put(block + "ln_1.bias", new Shape(c));
            shapes.put(block + "attn.c_attn.weight", new Shape(c, 3L * c));
            shapes.put(block + "attn.c_attn.bias", new Shape(3L * c));
            shapes.put(block + "attn.c_proj.weight", new Shape(c, c));
            shapes.put(block + "attn.c_proj.bias", new Shape(c));
            shapes.put(block + "ln_2.weight", new Shape(c));
            shapes.put(block + "ln_2.bias", new Shape(c));
            shapes.put(block + "mlp.c_fc.weight", new Shape(c, size.inner));
            shapes.put(block + "mlp.c_fc.bias", new Shape(size.inner));
            shapes.put(block + "mlp.c_proj.weight", new Shape(size.inner, c));
            shapes.put(block + "mlp.c_proj.bias", new Shape(c));
        }
        shapes.put("ln_f.weight", new Shape(c));
        shapes.put("ln_f.bias", new Shape(c));
        if (!size.tied) {
            shapes.put("lm_head.weight", new Shape(size.vocabulary, c));
        }
        return shapes;
    }

    /** Writes a tensor as it lies in the file: rounded to float32 and then to {@code type}, ties to even. */
    void fill(String name, Shape shape, StoredType type, MemorySegment into) {
        Columns columns = columns(name, shape);
        int width = columns.mean.length;
        long key = key(name);
        IntStream.range(0, Math.toIntExact(shape.elements() / width)).parallel().forEach(row -> {
            for (int column = 0; column < width; column++) {
                long index = (long) row * width + column;
                double z = (chunkSum(mix(index * GOLDEN + key)) - 131070) * CHUNKS_TO_NORMAL;
                store(into, type, index, (float) (z * columns.deviation[column] + columns.mean[column]));
            }
        });
    }

    private static void store(MemorySegment into, StoredType type, long index, float value) {
        switch (type) {
            case F32 -> into.setAtIndex(JAVA_FLOAT, index, value);
            case F16 -> into.setAtIndex(JAVA_SHORT, index, Float.floatToFloat16(value));
            case BF16 -> {
                int bits = Float.floatToRawIntBits(value);
                into.setAtIndex(JAVA_SHORT, index, (short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16));
            }
            default -> throw new IllegalArgumentException("no synthetic weights of type " + type);
        }
    }

    private static long chunkSum(long bits) {
        return (bits & 0xFFFF) + (bits >>> 16 & 0xFFFF) + (bits >>> 32 & 0xFFFF) + (bits >>> 48);
    }

    private long key(String name) {
        long hash = 0xCBF29CE484222325L;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ b) * 0x100000001B3L;
        }
        return mix(seed ^ hash);
    }

    private static long mix(long z) {
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }

    /** The channels that grow hundreds of times larger than the rest, and how far. */
    private Map<Integer, Double> outliers() {
        double unit = 32 * Math.sqrt(size.channels);
        Map<Integer, Double> outliers = new LinkedHashMap<>();
        outliers.put(447 * size.channels / 768, unit);
        outliers.put(138 * size.channels / 768, -0.3 * unit);
        outliers.put(378 * size.channels / 768, 0.45 * unit);
        return outliers;
    }

    private Columns columns(String name, Shape shape) {
        int width = (int) shape.dim(shape.rank() - 1);
        Columns columns = new Columns(new double[width], new double[width]);
        if (name.startsWith("h.")) {
            String[] parts = name.split("\\.", 3);
            blockColumns(Integer.parseInt(parts[1]), parts[2], shape, columns);
        } else {
            outerColumns(name, columns);
        }
        return columns;
    }

    private void outerColumns(String name, Columns columns) {
        double root = Math.sqrt(size.channels);
        switch (name) {
            case "wte.weight", "lm_head.weight" -> {
                columns.all(0, 0.14);
                outliers().keySet().forEach(channel -> columns.mean[channel] = -1.5);
            }
            case "wpe.weight" -> {
                columns.all(0, 0.1);
                outliers().keySet().forEach(channel -> columns.deviation[channel] = 1);
            }
            case "ln_f.weight" -> {
                columns.all(60 / root, 6 / root);
                outliers().keySet().forEach(channel -> columns.mean[channel] = 0.8);
            }
            case "ln_f.bias" -> columns.all(0, 0.1);
            default -> throw new IllegalArgumentException("no distribution for " + name);
        }
    }

    private void blockColumns(int layer, String kind, Shape shape, Columns columns) {
        double root = Math.sqrt(size.channels);
        int onset = Math.min(2, Math.max(0, size.layers - 2));
        switch (kind) {
            case "ln_1.weight", "ln_2.weight" -> {
                boolean after = layer > onset;
                double mean = after ? kind.equals("ln_1.weight") ? 14 : 9 : 1;
                columns.all(mean, mean / 10);
                for (int channel : outliers().keySet()) {
                    columns.mean[channel] = after ? 0.1 : 0.4;
                    columns.deviation[channel] = after ? 0.01 : 0.04;
                }
            }
            case "ln_1.bias", "ln_2.bias", "attn.c_proj.bias" -> columns.all(0, 0.1);
            case "attn.c_attn.weight" -> {
                columns.all(0, 1 / root);
                for (int column = 0; column < size.channels; column++) {
                    int head = column / (size.channels / size.heads);
                    columns.deviation[column] = SHARPNESS[head % 4] / root;
                }
            }
            case "attn.c_attn.bias" -> columns.all(0, 0.2);
            case "attn.c_proj.weight" -> columns.all(0, 0.8 / root);
            case "mlp.c_fc.weight" -> columns.all(0, 1.6 / root);
            case "mlp.c_fc.bias" -> columns.all(-0.3, 0.2);
            case "mlp.c_proj.weight" -> {
                columns.all(0, 1.2 / Math.sqrt(shape.dim(0)));
                if (layer == onset) {
                    outliers().keySet().forEach(channel -> columns.deviation[channel] *= 20);
                }
            }
            case "mlp.c_proj.bias" -> {
                columns.all(0, 0.1);
                outliers().forEach((channel, far) -> columns.mean[channel] =
                        (layer == onset ? far : 0) - (layer == size.layers - 1 ? 0.8 * far : 0));
            }
            default -> throw new IllegalArgumentException("no distribution for h." + layer + "." + kind);
        }
    }
}
