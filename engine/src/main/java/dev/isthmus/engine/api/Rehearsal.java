package dev.isthmus.engine.api;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.model.PassPool;
import java.time.Duration;
import java.util.List;
import java.util.OptionalDouble;
import jdk.jfr.FlightRecorder;

/**
 * Does once what a batching executor does with its requests, so that the classes for it are loaded and initialized while
 * there is memory. A class whose initialization fails as the heap is full cannot be used for the rest of the process.
 */
final class Rehearsal {

    private static final GenerationOptions OPTIONS = GenerationOptions.builder().maxTokens(1).build();

    private Rehearsal() {}

    /** Computes two tokens, and ends requests in every way; {@code results} is running. */
    static void run(Model model, ResultThread results) {
        try {
            compute(model);
        } catch (EngineException noMemory) {
            // Requests may have more of it later.
        }
        GenerationTask whole = task(model);
        whole.deliver(new Token(0, "", OptionalDouble.empty(), List.of()));
        whole.complete(FinishReason.MAX_TOKENS);
        GenerationTask failed = task(model);
        failed.fail(PreparedFailures.of(new OutOfMemoryError()));
        GenerationTask closed = task(model);
        closed.fail(PreparedFailures.executorClosed());
        GenerationTask late = new GenerationTask(model, request().withTimeLimit(Duration.ZERO), System.nanoTime(),
                results::wake);
        GenerationTask cancelled = task(model);
        cancelled.cancel();
        for (GenerationTask each : List.of(whole, failed, closed, late, cancelled)) {
            results.add(each);
        }
        results.wake();
        whole.iterator().forEachRemaining(token -> {});
        for (GenerationTask each : List.of(whole, failed, closed, late, cancelled)) {
            each.result().handle((result, failure) -> result).join();
        }
    }

    private static GenerationTask task(Model model) {
        return new GenerationTask(model, request(), 0, () -> {});
    }

    private static GenerationRequest request() {
        return GenerationRequest.of(new int[] {0}, OPTIONS);
    }

    private static void compute(Model model) {
        if (FlightRecorder.isInitialized()) {
            QueueWaitEvent.begin(0, 0);
            PrefillEvent.begin(0, 0, 0, 0);
            DecodeStepEvent.begin(0, 0);
        }
        model.availableCacheBytes();
        int rows = Math.min(2, model.config().context());
        float[] logits = new float[model.config().vocabulary()];
        try (PassPool.Pass pass = model.passes().borrow(); KvCache cache = model.newCache("")) {
            cache.adopt(new int[rows], 0);
            pass.batch(rows).add(cache, new int[rows], 0, rows);
            model.computeBackend().tensors().read(pass.forward(new int[] {rows - 1}, LayerProbe.NONE), 0, logits);
            cache.publish(new int[rows], 0);
        }
        new Continuation(model, new int[] {0}, OPTIONS).next(logits);
    }
}
