package dev.isthmus.bench;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.cuda.CudaBackend;
import dev.isthmus.engine.kernels.cuda.CudaDevice;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.DoubleSupplier;

/**
 * Our half of {@code native-src/cuda/gpu-check}: a model's logits for comparison with PyTorch's, and times. What comes out
 * is written as it comes, a line of JSON for each time, so that an interrupted run leaves what it had.
 *
 * <pre>
 * GpuCheck device
 * GpuCheck logits MODEL IDS OUT TYPE…    IDS: int32; OUT.TYPE and, the second half in single steps, OUT.TYPE.steps:
 *                                        float32 [T, V]
 * GpuCheck first MODEL OUT [RUNS]        OUT: lines {"name": …, "ms": median}; what says most about a device
 * GpuCheck times MODEL OUT [RUNS]        the workloads that PyTorch runs too
 * </pre>
 */
public final class GpuCheck {

    /** A device's clocks take up to half a second of work to rise. */
    private static final long WARM_UP_NANOS = 500_000_000;

    private final Path model;
    private final Path out;
    private final int runs;

    private GpuCheck(Path model, Path out, int runs) {
        this.model = model;
        this.out = out;
        this.runs = runs;
    }

    /** Runs one of the four. */
    public static void main(String[] arguments) throws IOException {
        switch (arguments[0]) {
            case "device" -> System.out.println(CudaDevice.find().description());
            case "logits" -> {
                for (int i = 4; i < arguments.length; i++) {
                    logits(Path.of(arguments[1]), Path.of(arguments[2]), arguments[3], arguments[i]);
                }
            }
            case "first" -> of(arguments).first();
            case "times" -> of(arguments).times();
            default -> throw new IllegalArgumentException("expected device, logits, first or times, found "
                    + arguments[0]);
        }
    }

    private static GpuCheck of(String[] arguments) {
        return new GpuCheck(Path.of(arguments[1]), Path.of(arguments[2]),
                arguments.length > 3 ? Integer.parseInt(arguments[3]) : 9);
    }

    private static void logits(Path directory, Path idFile, String out, String type) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(idFile)).order(ByteOrder.LITTLE_ENDIAN);
        int[] ids = new int[bytes.remaining() / Integer.BYTES];
        bytes.asIntBuffer().get(ids);
        try (GpuModel model = new GpuModel(directory, WeightType.valueOf(type.toUpperCase(Locale.ROOT)))) {
            write(model.logits(ids, ids.length), Path.of(out + "." + type));
            write(model.logits(ids, ids.length / 2), Path.of(out + "." + type + ".steps"));
        }
    }

    private static void write(float[][] logits, Path out) throws IOException {
        try (FileChannel channel = FileChannel.open(out, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE)) {
            for (float[] row : logits) {
                ByteBuffer values = ByteBuffer.allocate(row.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
                values.asFloatBuffer().put(row);
                channel.write(values);
            }
        }
    }

    private boolean isDryRun() {
        return runs < 3;
    }

    /** Whether a graph's nodes, single kernels, alignment, attention and opening a model cost what was estimated. */
    private void first() throws IOException {
        try (GpuModel opened = new GpuModel(model, WeightType.BF16); GpuKernels kernels = new GpuKernels(opened.backend())) {
            time("graph of " + GpuKernels.NODES + " empty kernels", kernels::emptyGraph);
            for (String operation : List.of("norm", "qkv", "projection", "inner", "outer", "head")) {
                time("decode kernel " + operation + " bf16", () -> kernels.decodeKernel(opened, operation));
            }
            for (int positions : isDryRun() ? new int[] {64} : new int[] {192, 1000}) {
                time("decode attention of " + positions + " bf16", () -> kernels.decodeAttention(positions));
            }
            for (int outputs : isDryRun() ? new int[] {257, 320} : new int[] {50257, 50304}) {
                time("cublas 64 rows to " + outputs, () -> kernels.product(outputs));
            }
            for (int rows : isDryRun() ? new int[] {128} : new int[] {1024, 4096, 16384}) {
                time("attention " + rows + " bf16", () -> kernels.attention(rows));
            }
        }
        for (int i = 0; i < 3; i++) {
            long begun = System.nanoTime();
            try (GpuModel opened = new GpuModel(model, WeightType.BF16)) {
                opened.prefill(16);
            }
            append("opening, prefill and closing " + (i + 1), (System.nanoTime() - begun) / 1e6);
        }
    }

    private void times() throws IOException {
        for (WeightType type : List.of(WeightType.BF16, WeightType.F32)) {
            String name = type.name().toLowerCase(Locale.ROOT);
            try (GpuModel opened = new GpuModel(model, type)) {
                int half = opened.config().context() / 2;
                int prompt = Math.min(64, half / 2);
                int count = Math.min(128, half);
                time("decode " + name, () -> opened.decode(prompt, count, 1));
                time("prefill " + name, () -> opened.prefill(opened.config().context()));
                if (type == WeightType.BF16) {
                    time("decode 64 sequences " + name, () -> opened.decode(prompt, count, 64));
                }
            }
        }
        try (CudaBackend backend = new CudaBackend(CudaDevice.find()); GpuKernels kernels = new GpuKernels(backend)) {
            int most = isDryRun() ? 128 : 16384;
            for (int rows = Math.min(1024, most); rows <= most; rows *= 2) {
                int count = rows;
                time("attention " + rows + " bf16", () -> kernels.attention(count));
            }
        }
    }

    /** Warms the device up, and writes the median of several runs. */
    private void time(String name, DoubleSupplier milliseconds) throws IOException {
        long begun = System.nanoTime();
        do {
            milliseconds.getAsDouble();
        } while (!isDryRun() && System.nanoTime() - begun < WARM_UP_NANOS);
        double[] times = new double[runs];
        for (int i = 0; i < runs; i++) {
            times[i] = milliseconds.getAsDouble();
        }
        Arrays.sort(times);
        append(name, times[runs / 2]);
    }

    private void append(String name, double milliseconds) throws IOException {
        String line = String.format(Locale.ROOT, "{\"name\": \"%s\", \"ms\": %.6f}%n", name, milliseconds);
        Files.writeString(out, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        System.out.print(line);
    }
}
