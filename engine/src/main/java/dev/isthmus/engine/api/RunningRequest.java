package dev.isthmus.engine.api;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.kernels.RowBatch;
import java.util.Arrays;

/** A request with a place in the batch: its text, and how much of it has been read. Used by one thread. */
final class RunningRequest implements AutoCloseable {

    private final GenerationTask task;
    private final KvCache cache;
    private int[] tokens;
    private int length;

    RunningRequest(Model model, GenerationTask task) {
        this.task = task;
        cache = model.newCache(task.cacheDomain());
        tokens = task.prompt();
        length = tokens.length;
    }

    GenerationTask task() {
        return task;
    }

    /** The tokens that have yet to be read for the next to be chosen; one after each that was generated. */
    int unread() {
        return length - cache.length();
    }

    boolean isPrefilling() {
        return cache.length() < task.prompt().length;
    }

    /** Takes over what other requests have read of the same prompt. */
    void adopt() {
        cache.adopt(tokens, task.prompt().length - 1);
    }

    /** Adds its next {@code rows} tokens to a batch; false if it failed on the way. */
    boolean addTo(RowBatch batch, int rows) {
        try {
            cache.reserve(rows);
        } catch (EngineException full) {
            task.fail(full);
            return false;
        } catch (OutOfMemoryError e) {
            task.fail(Model.outOfMemory(e));
            return false;
        }
        batch.add(cache, tokens, cache.length(), cache.length() + rows);
        return true;
    }

    /** Lets others take over what it has read. */
    void publish(int rows) {
        cache.publish(tokens, cache.length() - rows);
    }

    /** Chooses and hands out the next token. */
    void choose(float[] logits) {
        if (task.isEnded()) {
            return;
        }
        try {
            Token token = task.continuation().next(logits);
            if (length == tokens.length) {
                tokens = Arrays.copyOf(tokens, 2 * length);
            }
            tokens[length++] = token.id();
            task.deliver(token);
        } catch (Throwable failed) {
            // Perhaps from a processor of the caller's own, which must not end the others' requests.
            task.fail(failed);
            return;
        }
        if (task.continuation().finishReason() != null) {
            task.complete(task.continuation().finishReason());
        }
    }

    @Override
    public void close() {
        cache.close();
    }
}
