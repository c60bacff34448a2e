package dev.isthmus.bench;

import dev.isthmus.engine.config.WeightType;
import java.util.Arrays;
import java.util.List;

/**
 * A kernel that is timed without JMH, in the process that measures the machine's limits too.
 *
 * @param name what is shown
 * @param operation one call
 * @param work what one call takes at least
 * @param freeing frees what it holds
 */
record Case(String name, Runnable operation, Work work, Runnable freeing) implements AutoCloseable {

    private static final long ROUND_NANOS = 20_000_000;
    private static final int WARM_UP_ROUNDS = 5;
    private static final int ROUNDS = 9;

    static Case linear(int rows, Gpt2Matrix matrix, WeightType type, String product, int threads) {
        LinearBenchmark benchmark = new LinearBenchmark();
        benchmark.rows = rows;
        benchmark.matrix = matrix;
        benchmark.type = type;
        benchmark.product = product;
        benchmark.threads = threads;
        benchmark.setUp();
        return new Case(type + " " + matrix + " x" + rows + (product.equals("own") ? "" : ", " + product),
                benchmark::linear, benchmark.work(), benchmark::tearDown);
    }

    static Case attention(String phase, int context, int threads) {
        AttentionBenchmark benchmark = new AttentionBenchmark();
        benchmark.phase = phase;
        benchmark.context = context;
        benchmark.threads = threads;
        benchmark.setUp();
        return new Case("attention " + phase + " " + context, benchmark::attention, benchmark.work(),
                benchmark::tearDown);
    }

    static Case layerNorm(int rows, int threads) {
        LayerNormBenchmark benchmark = new LayerNormBenchmark();
        benchmark.rows = rows;
        benchmark.threads = threads;
        benchmark.setUp();
        return new Case("layer norm x" + rows, benchmark::layerNorm, benchmark.work(), benchmark::tearDown);
    }

    /** Seconds of one call: the median of some rounds of many calls. */
    double seconds() {
        return medians(List.of(this))[0];
    }

    /** The same of several cases, their rounds in turn, so that a change of the machine's speed meets all alike. */
    static double[] medians(List<Case> cases) {
        double[][] seconds = new double[cases.size()][ROUNDS];
        for (int round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
            for (int i = 0; i < cases.size(); i++) {
                double time = round(cases.get(i).operation);
                if (round >= 0) {
                    seconds[i][round] = time;
                }
            }
        }
        return Arrays.stream(seconds).mapToDouble(times -> {
            Arrays.sort(times);
            return times[ROUNDS / 2];
        }).toArray();
    }

    private static double round(Runnable operation) {
        long begun = System.nanoTime();
        long nanos;
        int calls = 0;
        do {
            operation.run();
            calls++;
            nanos = System.nanoTime() - begun;
        } while (nanos < ROUND_NANOS);
        return nanos / 1e9 / calls;
    }

    @Override
    public void close() {
        freeing.run();
    }
}
