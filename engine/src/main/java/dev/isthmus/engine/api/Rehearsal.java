package dev.isthmus.engine.api;

import dev.isthmus.engine.scheduler.BatchLimits;
import dev.isthmus.engine.scheduler.PreparedFailures;
import dev.isthmus.engine.scheduler.ResultThread;
import dev.isthmus.engine.scheduler.SchedulerRehearsal;
import dev.isthmus.engine.session.LoadedModel;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Function;

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
    static void run(LoadedModel model, ResultThread results, Function<GenerationRequest, GenerationTask> taken) {
        List<GenerationTask> computed = List.of(taken.apply(request(model, OPTIONS)),
                taken.apply(request(model, ALL_OPTIONS)), taken.apply(request(model, withStop(model))));
        SchedulerRehearsal.run(model, limits(computed.size()), computed.stream().map(GenerationTask::state).toList());
        GenerationTask whole = task(model);
        whole.state().deliver(new Token(0, "", OptionalDouble.empty(), List.of()));
        whole.state().complete(FinishReason.MAX_TOKENS);
        GenerationTask failed = task(model);
        failed.state().fail(PreparedFailures.of(new OutOfMemoryError()));
        GenerationTask closed = task(model);
        closed.state().fail(PreparedFailures.executorClosed());
        GenerationTask late = new GenerationTask(new GenerationState(model,
                request(model, OPTIONS).withTimeLimit(Duration.ZERO), System.nanoTime(), results::wake));
        GenerationTask cancelled = task(model);
        cancelled.cancel();
        List<GenerationTask> ended = List.of(whole, failed, closed, late, cancelled);
        for (GenerationTask each : ended) {
            results.add(each.state());
        }
        results.wake();
        whole.iterator().forEachRemaining(token -> {});
        for (GenerationTask each : ended) {
            each.result().handle((result, failure) -> result).join();
        }
    }

    private static GenerationTask task(LoadedModel model) {
        return new GenerationTask(new GenerationState(model, request(model, OPTIONS), 0, () -> {}));
    }

    private static GenerationRequest request(LoadedModel model, GenerationOptions options) {
        return GenerationRequest.of(new int[Math.min(2, model.config().context())], options);
    }

    private static GenerationOptions withStop(LoadedModel model) {
        return model.tokenizer().tokenizer().isPresent() ? OPTIONS.toBuilder().stop("\n\n\n").build() : OPTIONS;
    }

    private static BatchLimits limits(int requests) {
        return new BatchLimits(requests, requests, BatchingOptions.DEFAULT.prefillRows());
    }
}
