package dev.isthmus.bench;

import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.api.Token;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * A whole model at work, in milliseconds: reading a prompt of {@code prompt} tokens, or generating {@code decode} more
 * behind it. {@code peers/run} compares that with other engines.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3)
@Measurement(iterations = 7)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class ForwardBenchmark {

    /** A model directory: {@code -p model=DIR}. */
    @Param("")
    public String model;

    /** Prompt tokens, and tokens to generate behind them; 0 times the prompt itself. */
    @Param({"128+0", "512+0", "1024+0", "64+128", "896+64"})
    public String workload;

    /** Threads. */
    @Param("2")
    public int threads;

    private Model opened;
    private Session session;
    private int[] prompt;
    private int decode;

    /** Opens the model. */
    @Setup
    public void open() {
        if (model.isEmpty()) {
            throw new IllegalArgumentException("name a model directory: -p model=DIR");
        }
        opened = Model.open(Path.of(model), ModelOptions.DEFAULT.withThreads(threads));
        String[] counts = workload.split("\\+");
        decode = Integer.parseInt(counts[1]);
        prompt = new SplittableRandom(1).ints(Integer.parseInt(counts[0]), 0, opened.config().vocabulary()).toArray();
    }

    /** Begins a session; where decoding is timed, the prompt has been read. */
    @Setup(Level.Iteration)
    public void begin() {
        session = opened.newSession();
        if (decode > 0) {
            session.append(prompt);
        }
    }

    /** Reads the prompt, or generates. */
    @Benchmark
    public int run() {
        if (decode == 0) {
            session.append(prompt);
            return session.length();
        }
        int sum = 0;
        for (Token token : session.generate(GenerationOptions.builder().greedy().stopAtEndOfText(false)
                .maxTokens(decode).build())) {
            sum += token.id();
        }
        return sum;
    }

    /** Ends the session. */
    @TearDown(Level.Iteration)
    public void end() {
        session.close();
    }

    /** Closes the model. */
    @TearDown
    public void close() {
        opened.close();
    }
}
