package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.session.LoadedModel;
import dev.isthmus.engine.session.PassRehearsal;
import dev.isthmus.engine.session.PreparedFailures;
import dev.isthmus.engine.session.ResultThread;
import java.time.Duration;
import java.util.List;
import java.util.OptionalDouble;

/**
 * Does once what a batching executor does with its requests, so that the classes for it are loaded and initialized while
 * there is memory. A class whose initialization fails as the heap is full cannot be used for the rest of the process.
 */
final class Rehearsal {

    private static final GenerationOptions OPTIONS = GenerationOptions.builder().maxTokens(1).build();

    private Rehearsal() {}

    /** Computes two tokens, and ends requests in every way; {@code results} is running. */
    static void run(LoadedModel model, ResultThread results) {
        try {
            new Continuation(model, new int[] {0}, OPTIONS).next(PassRehearsal.run(model));
        } catch (EngineException noMemory) {
            // Requests may have more of it later.
        }
        GenerationTask whole = task(model);
        whole.state().deliver(new Token(0, "", OptionalDouble.empty(), List.of()));
        whole.state().complete(FinishReason.MAX_TOKENS);
        GenerationTask failed = task(model);
        failed.state().fail(PreparedFailures.of(new OutOfMemoryError()));
        GenerationTask closed = task(model);
        closed.state().fail(PreparedFailures.executorClosed());
        GenerationTask late = new GenerationTask(new GenerationState(model, request().withTimeLimit(Duration.ZERO),
                System.nanoTime(), results::wake));
        GenerationTask cancelled = task(model);
        cancelled.cancel();
        for (GenerationTask each : List.of(whole, failed, closed, late, cancelled)) {
            results.add(each.state());
        }
        results.wake();
        whole.iterator().forEachRemaining(token -> {});
        for (GenerationTask each : List.of(whole, failed, closed, late, cancelled)) {
            each.result().handle((result, failure) -> result).join();
        }
    }

    private static GenerationTask task(LoadedModel model) {
        return new GenerationTask(new GenerationState(model, request(), 0, () -> {}));
    }

    private static GenerationRequest request() {
        return GenerationRequest.of(new int[] {0}, OPTIONS);
    }
}
