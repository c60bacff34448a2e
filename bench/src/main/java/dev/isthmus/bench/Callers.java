package dev.isthmus.bench;

import dev.isthmus.engine.api.BatchingExecutor;
import dev.isthmus.engine.api.BatchingOptions;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.GenerationRequest;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.config.WeightType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Prints how many tokens a second a model generates for several callers at once: in a session, and through the batching
 * executor, which each caller on a virtual thread of its own asks for one continuation. Prompts are pseudo-random and
 * have nothing in common. The time of a round includes reading the prompts; the median of the rounds counts.
 */
public final class Callers {

    private static final int PROMPT = 32;
    private static final int GENERATED = 64;
    private static final int ROUNDS = 3;
    private static final GenerationOptions GREEDY = GenerationOptions.builder().greedy().maxTokens(GENERATED)
            .stopAtEndOfText(false).build();

    private Callers() {}

    /** Takes a model's path, a type of weights, and numbers of callers, 1,8,32 unless given. */
    public static void main(String[] args) {
        if (args.length < 2 || args.length > 3) {
            System.err.println("usage: Callers MODEL F32|F16|BF16|INT8|Q4 [CALLERS,...]");
            System.exit(2);
        }
        WeightType type = WeightType.valueOf(args[1].toUpperCase(Locale.ROOT));
        int[] counts = Arrays.stream((args.length == 3 ? args[2] : "1,8,32").split(",")).mapToInt(Integer::parseInt)
                .toArray();
        try (Model model = Model.open(Path.of(args[0]), ModelOptions.DEFAULT.withWeights(type))) {
            System.out.println(model.backend() + ", weights " + type + "; prompt " + PROMPT + ", generated " + GENERATED
                    + " tokens");
            double alone = median(() -> inSession(model));
            print("one session", alone, alone);
            for (int count : counts) {
                print(count + (count == 1 ? " caller" : " callers"), count * median(() -> together(model, count)),
                        alone);
            }
        }
    }

    private static void print(String name, double perSecond, double alone) {
        System.out.printf(Locale.ROOT, "%-12s %8.1f tokens/s %6.2f x one session%n", name, perSecond,
                perSecond / alone);
    }

    /** The tokens that each caller gets per second. */
    private static double median(Runnable round) {
        round.run();
        double[] rates = new double[ROUNDS];
        for (int i = 0; i < ROUNDS; i++) {
            long begun = System.nanoTime();
            round.run();
            rates[i] = GENERATED * 1e9 / (System.nanoTime() - begun);
        }
        Arrays.sort(rates);
        return rates[ROUNDS / 2];
    }

    private static void inSession(Model model) {
        try (Session session = model.newSession()) {
            session.append(prompt(model, 0));
            session.generate(GREEDY).forEach(token -> {});
        }
    }

    private static void together(Model model, int count) {
        List<CompletableFuture<Void>> callers = new ArrayList<>();
        try (BatchingExecutor executor = model.newBatchingExecutor(BatchingOptions.DEFAULT);
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < count; i++) {
                int[] prompt = prompt(model, i);
                callers.add(CompletableFuture.runAsync(() ->
                        executor.submit(GenerationRequest.of(prompt, GREEDY)).result().join(), threads));
            }
            callers.forEach(CompletableFuture::join);
        }
    }

    private static int[] prompt(Model model, int seed) {
        return new SplittableRandom(seed).ints(PROMPT, 0, model.config().vocabulary()).toArray();
    }
}
