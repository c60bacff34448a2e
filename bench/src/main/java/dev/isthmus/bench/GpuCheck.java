package dev.isthmus.bench;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.cuda.CudaDevice;
import dev.isthmus.engine.kernels.cuda.CudaBackend;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.DoubleSupplier;

/**
 * Our half of {@code native-src/cuda/gpu-check}: a model's logits for comparison with PyTorch's, and the times of the
 * workloads that both sides run, by the device's own clock.
 *
 * <pre>
 * GpuCheck logits MODEL IDS OUT TYPE…    IDS: int32; OUT.TYPE: float32 [T, V]
 * GpuCheck times MODEL OUT [RUNS]        OUT: JSON, name → median milliseconds
 * </pre>
 */
public final class GpuCheck {

    private GpuCheck() {}

    /** Runs one of the two. */
    public static void main(String[] arguments) throws IOException {
        Path model = Path.of(arguments[1]);
        switch (arguments[0]) {
            case "logits" -> {
                for (int i = 4; i < arguments.length; i++) {
                    WeightType type = WeightType.valueOf(arguments[i].toUpperCase(Locale.ROOT));
                    logits(model, Path.of(arguments[2]), Path.of(arguments[3] + "." + arguments[i]), type);
                }
            }
            case "times" -> times(model, Path.of(arguments[2]),
                    arguments.length > 3 ? Integer.parseInt(arguments[3]) : 9);
            default -> throw new IllegalArgumentException("expected logits or times, found " + arguments[0]);
        }
    }

    private static void logits(Path directory, Path idFile, Path out, WeightType type) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(idFile)).order(ByteOrder.LITTLE_ENDIAN);
        int[] ids = new int[bytes.remaining() / Integer.BYTES];
        bytes.asIntBuffer().get(ids);
        try (GpuModel model = new GpuModel(directory, type); FileChannel channel = FileChannel.open(out,
                StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
            for (float[] row : model.logits(ids)) {
                ByteBuffer values = ByteBuffer.allocate(row.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
                values.asFloatBuffer().put(row);
                channel.write(values);
            }
        }
    }

    private static void times(Path directory, Path out, int runs) throws IOException {
        List<String> entries = new ArrayList<>();
        for (WeightType type : List.of(WeightType.BF16, WeightType.F32)) {
            String name = type.name().toLowerCase(Locale.ROOT);
            try (GpuModel model = new GpuModel(directory, type)) {
                int half = model.config().context() / 2;
                int prompt = Math.min(64, half / 2);
                int count = Math.min(128, half);
                entries.add(median("decode " + name, runs, () -> model.decode(prompt, count, 1)));
                entries.add(median("prefill " + name, runs, () -> model.prefill(model.config().context())));
                if (type == WeightType.BF16) {
                    entries.add(median("decode 64 sequences " + name, runs, () -> model.decode(prompt, count, 64)));
                }
            }
        }
        try (CudaBackend backend = new CudaBackend(CudaDevice.find())) {
            int most = runs < 3 ? 128 : 16384;
            for (int rows = Math.min(1024, most); rows <= most; rows *= 2) {
                int count = rows;
                entries.add(median("attention " + rows + " bf16", runs,
                        () -> GpuModel.attention(backend, WeightType.BF16, count, 12)));
            }
        }
        try (PrintStream json = new PrintStream(Files.newOutputStream(out))) {
            json.println("{\n  " + String.join(",\n  ", entries) + "\n}");
        }
    }

    private static String median(String name, int runs, DoubleSupplier milliseconds) {
        double[] times = new double[runs];
        milliseconds.getAsDouble();
        for (int i = 0; i < runs; i++) {
            times[i] = milliseconds.getAsDouble();
        }
        Arrays.sort(times);
        return String.format(Locale.ROOT, "\"%s\": %.6f", name, times[runs / 2]);
    }
}
