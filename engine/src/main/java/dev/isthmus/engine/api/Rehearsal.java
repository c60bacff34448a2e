package dev.isthmus.engine.api;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Function;
import jdk.jfr.FlightRecorder;

/**
 * Does once what a batching executor does with its requests, so that the classes for it are loaded and initialized and
 * its lambdas are linked while there is memory. A class whose initialization fails as the heap is full, and a lambda
 * whose linkage does, cannot be used for the rest of the process.
 */
final class Rehearsal {

    private static final GenerationOptions OPTIONS = GenerationOptions.builder().maxTokens(2).greedy().build();

    /** Options that change the logits and the choice in every way that does not depend on the model. */
    private static final GenerationOptions ALL_OPTIONS = GenerationOptions.builder().maxTokens(2).temperature(0.9)
            .topK(8).topP(0.9).minP(0.01).typicalP(0.9).repetitionPenalty(1.1).presencePenalty(0.1)
            .frequencyPenalty(0.1).noRepeatNgram(3).logitBias(Map.of(0, 0.1)).banned(List.of(List.of(0, 0)))
            .logprobs(1).build();

    private Rehearsal() {}

    /**
     * Computes some tokens, and ends requests in every way.
     *
     * @param results completes futures; it is running
     * @param taken makes of a request what is computed, as when it is submitted
     */
    static void run(Model model, ResultThread results, Function<GenerationRequest, GenerationTask> taken) {
        List<GenerationTask> computed = List.of(taken.apply(request(model, OPTIONS)),
                taken.apply(request(model, ALL_OPTIONS)), taken.apply(request(model, withStop(model))));
        compute(model, computed);
        GenerationTask whole = task(model);
        whole.deliver(new Token(0, "", OptionalDouble.empty(), List.of()));
        whole.complete(FinishReason.MAX_TOKENS);
        GenerationTask failed = task(model);
        failed.fail(PreparedFailures.of(new OutOfMemoryError()));
        GenerationTask closed = task(model);
        closed.fail(PreparedFailures.executorClosed());
        GenerationTask late = new GenerationTask(model, request(model, OPTIONS).withTimeLimit(Duration.ZERO),
                System.nanoTime(), results::wake);
        GenerationTask cancelled = task(model);
        cancelled.cancel();
        List<GenerationTask> ended = List.of(whole, failed, closed, late, cancelled);
        for (GenerationTask each : ended) {
            results.add(each);
        }
        results.wake();
        whole.iterator().forEachRemaining(token -> {});
        for (GenerationTask each : ended) {
            each.result().handle((result, failure) -> result).join();
        }
    }

    private static GenerationTask task(Model model) {
        return new GenerationTask(model, request(model, OPTIONS), 0, () -> {});
    }

    private static GenerationRequest request(Model model, GenerationOptions options) {
        return GenerationRequest.of(new int[Math.min(2, model.config().context())], options);
    }

    private static GenerationOptions withStop(Model model) {
        return model.tokenizer().isPresent() ? OPTIONS.toBuilder().stop("\n\n\n").build() : OPTIONS;
    }

    private static void compute(Model model, List<GenerationTask> tasks) {
        if (FlightRecorder.isInitialized()) {
            QueueWaitEvent.begin(0, 0);
            PrefillEvent.begin(0, 0, 0, 0);
            DecodeStepEvent.begin(0, 0);
        }
        BatchingOptions options = BatchingOptions.DEFAULT.withMaxBatch(tasks.size());
        CacheDemand demand = CacheDemand.of(model);
        try (ContinuousBatch batch = new ContinuousBatch(model, options, demand, Meter.unrecorded(), step -> {})) {
            for (GenerationTask each : tasks) {
                batch.hasRoomFor(each);
                batch.admit(each);
            }
            // The caller's interrupt is the caller's, and ends every pass.
            while (batch.hasWork() && !Thread.currentThread().isInterrupted()) {
                batch.step();
                batch.removeEnded();
            }
        }
    }
}
