package dev.isthmus.bench;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.cpu.CpuChoice;
import java.util.List;
import java.util.Locale;

/**
 * Prints how a handful of kernels stand to OpenBLAS, or to plainly reading the weights, in the same run: ratios, since a
 * shared machine's speeds mean nothing, and nothing that fails, since its ratios waver too. Takes some seconds.
 */
public final class Guard {

    private static final int THREADS = Math.min(2, Runtime.getRuntime().availableProcessors());

    private Guard() {}

    /** Prints the ratios to standard output. */
    public static void main(String[] args) {
        if (CpuChoice.choose().level().isEmpty()) {
            System.out.println("kernel ratios: NOT MEASURED, there are no C kernels here");
            return;
        }
        System.out.println("kernel ratios, " + THREADS + " threads (not asserted):");
        againstReading(WeightType.F32);
        againstReading(WeightType.INT8);
        againstOpenBlas(8);
        againstOpenBlas(128);
    }

    /** One row: the speed at which weights are read, to that of a loop that only reads as much. */
    private static void againstReading(WeightType type) {
        try (Case own = Case.linear(1, Gpt2Matrix.FEED_FORWARD_INPUT, type, "own", THREADS);
                Limits limits = new Limits(THREADS)) {
            double before = limits.bytesPerSecond();
            double rate = own.work().bytes() / own.seconds();
            double reading = Math.max(before, limits.bytesPerSecond());
            print(own.name(), rate / reading, "a plain read");
        }
    }

    private static void againstOpenBlas(int rows) {
        try (Case own = Case.linear(rows, Gpt2Matrix.FEED_FORWARD_INPUT, WeightType.F32, "own", THREADS);
                Case other = Case.linear(rows, Gpt2Matrix.FEED_FORWARD_INPUT, WeightType.F32, "openblas", THREADS)) {
            double[] seconds = Case.medians(List.of(own, other));
            print(own.name(), seconds[1] / seconds[0], "OpenBLAS");
        }
    }

    private static void print(String name, double ratio, String other) {
        System.out.printf(Locale.ROOT, "  %-30s %5.2f x %s%n", name, ratio, other);
    }
}
