package dev.isthmus.bench;

import dev.isthmus.engine.sampling.Sampler;
import dev.isthmus.engine.sampling.TokenHistory;
import dev.isthmus.engine.sampling.Truncation;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** Taking one token from GPT-2's V = 50257 logits, which are normal with a deviation of 5.3 as the model's are. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class SamplerBenchmark {

    private static final int VOCABULARY = 50257;

    /** How the token is chosen. */
    @Param({"greedy", "all", "top-k", "top-p", "min-p", "typical-p"})
    public String choice;

    private final float[] logits = new float[VOCABULARY];
    private final TokenHistory history = new TokenHistory(new int[0], 0, 0);
    private Sampler sampler;

    /** Draws the logits. */
    @Setup
    public void setUp() {
        SplittableRandom random = new SplittableRandom(1);
        for (int id = 0; id < VOCABULARY; id++) {
            logits[id] = (float) (-29 + 5.3 * random.nextGaussian());
        }
        Truncation truncation = switch (choice) {
            case "top-k" -> new Truncation(40, 1, 0, 1);
            case "top-p" -> new Truncation(0, 0.95, 0, 1);
            case "min-p" -> new Truncation(0, 1, 0.05, 1);
            case "typical-p" -> new Truncation(0, 1, 0, 0.95);
            default -> Truncation.NONE;
        };
        sampler = new Sampler(choice.equals("greedy") ? 0 : 0.8, truncation, 1, List.of());
    }

    /** Takes a token. */
    @Benchmark
    public int sample() {
        return sampler.sample(logits, history);
    }
}
