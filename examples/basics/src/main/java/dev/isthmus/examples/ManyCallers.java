package dev.isthmus.examples;

import dev.isthmus.engine.api.BatchingExecutor;
import dev.isthmus.engine.api.BatchingOptions;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Continues several texts, each for a caller in a virtual thread of its own, computed together as one continuous batch:
 * {@code ManyCallers MODEL TEXT…}.
 */
public final class ManyCallers {

    private static final GenerationOptions OPTIONS = GenerationOptions.builder().greedy().maxTokens(24).build();

    private ManyCallers() {}

    /** Takes the model's directory and the texts. */
    public static void main(String[] args) {
        List<String> texts = Arrays.asList(args).subList(1, args.length);
        try (Model model = Model.open(Path.of(args[0]));
                BatchingExecutor batch = model.newBatchingExecutor(BatchingOptions.DEFAULT);
                ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
            for (String text : texts) {
                callers.execute(() -> System.out.println(text + batch.submit(text, OPTIONS).result().join().text()));
            }
        }
    }
}
