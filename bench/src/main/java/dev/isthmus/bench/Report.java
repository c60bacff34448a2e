package dev.isthmus.bench;

import dev.isthmus.engine.config.WeightType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;

/**
 * Times the kernels at GPT-2's shapes and states GB/s and GFLOP/s beside the machine's limits, measured in the same run:
 * a table on standard output, and a roofline picture (Williams, Waterman and Patterson 2009) as SVG.
 */
public final class Report {

    private final int threads;
    private final List<Point> points = new ArrayList<>();

    /**
     * A kernel's place on the roofline.
     *
     * @param name the kernel
     * @param work what a call takes at least
     * @param seconds what it took
     */
    record Point(String name, Work work, double seconds) {

        double bytesPerSecond() {
            return work.bytes() / seconds;
        }

        double operationsPerSecond() {
            return work.operations() / seconds;
        }

        /** Operations for each byte. */
        double intensity() {
            return work.operations() / work.bytes();
        }
    }

    /**
     * The machine's limits.
     *
     * @param bytes bytes per second
     * @param floats float32 operations per second
     * @param integers operations with bytes per second
     */
    record Roof(double bytes, double floats, double integers) {

        /** The operations per second that are possible for a kernel. */
        double at(Point point) {
            double peak = point.work().arithmetic().isQuantized() ? integers : floats;
            return Math.min(peak, point.intensity() * bytes);
        }

        private static Roof measure(Limits limits) {
            return new Roof(limits.bytesPerSecond(), limits.operationsPerSecond(WeightType.F32),
                    limits.operationsPerSecond(WeightType.INT8));
        }

        private Roof or(Roof other) {
            return new Roof(Math.max(bytes, other.bytes), Math.max(floats, other.floats),
                    Math.max(integers, other.integers));
        }
    }

    private Report(int threads) {
        this.threads = threads;
    }

    /**
     * Prints the table and writes the picture.
     *
     * @param args the picture's file, {@code roofline.svg} if missing, and the threads, 2 if missing
     */
    public static void main(String[] args) throws IOException {
        Path picture = Path.of(args.length > 0 ? args[0] : "roofline.svg");
        Report report = new Report(args.length > 1 ? Integer.parseInt(args[1]) : 2);
        Roof roof;
        try (Limits limits = new Limits(report.threads)) {
            Roof before = Roof.measure(limits);
            report.run();
            roof = before.or(Roof.measure(limits));
        }
        report.print(roof);
        Files.writeString(picture, RooflineSvg.of(roof, report.points, report.threads));
        System.err.println("wrote " + picture.toAbsolutePath());
    }

    private void run() {
        for (WeightType type : WeightType.values()) {
            for (int rows : new int[] {1, 8, 32, 128, 512}) {
                add(() -> Case.linear(rows, Gpt2Matrix.FEED_FORWARD_INPUT, type, "own", threads));
            }
        }
        for (int context : new int[] {128, 1024}) {
            add(() -> Case.attention("decode", context, threads));
            add(() -> Case.attention("prefill", context, threads));
        }
        add(() -> Case.layerNorm(512, threads));
    }

    private void add(Supplier<Case> made) {
        try (Case kernel = made.get()) {
            System.err.println(kernel.name());
            points.add(new Point(kernel.name(), kernel.work(), kernel.seconds()));
        }
    }

    private void print(Roof roof) {
        System.out.printf(Locale.ROOT, "%d threads; memory %.1f GB/s, float32 %.0f GFLOP/s, bytes %.0f GOP/s%n", threads,
                roof.bytes() / 1e9, roof.floats() / 1e9, roof.integers() / 1e9);
        System.out.printf(Locale.ROOT, "%-32s %10s %10s %10s %10s%n", "kernel", "us", "GB/s", "GFLOP/s", "of limit");
        for (Point p : points) {
            System.out.printf(Locale.ROOT, "%-32s %10.1f %10.1f %10.1f %10.2f%n", p.name(), p.seconds() * 1e6,
                    p.bytesPerSecond() / 1e9, p.operationsPerSecond() / 1e9, p.operationsPerSecond() / roof.at(p));
        }
    }
}
