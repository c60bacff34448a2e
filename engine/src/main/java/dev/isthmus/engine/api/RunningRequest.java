package dev.isthmus.engine.api;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.kernels.RowBatch;
import java.util.Arrays;

/**
 * A request in the batch: its text, and how much of it has been read. It can be preempted, that is give up its keys and
 * values; what it has chosen stays, and is read again with the prompt when it resumes. Used by one thread.
 */
final class RunningRequest implements AutoCloseable {

    private final GenerationTask task;
    private final KvCache cache;
    private final long begun;
    private int[] tokens;
    private int length;
    private boolean preempted;

    /**
     * A request that has read nothing.
     *
     * @param begun the rows of prompts that the batch has read before
     */
    RunningRequest(Model model, GenerationTask task, long begun) {
        this.task = task;
        this.begun = begun;
        cache = model.newCache(task.cacheDomain());
        tokens = task.prompt();
        length = tokens.length;
    }

    GenerationTask task() {
        return task;
    }

    /** Whether it can go on: it has not ended, and not as many tokens are ready as may be. */
    boolean isRunnable() {
        return !task.isEnded() && !task.isPaused();
    }

    boolean isPreempted() {
        return preempted;
    }

    /** Gives up its keys and values. */
    void preempt() {
        preempted = true;
        cache.close();
    }

    void resume() {
        preempted = false;
    }

    /** The bytes of its keys and values; others may hold some of them too. */
    long bytes() {
        return cache.bytes();
    }

    /** The tokens that have yet to be read for the next to be chosen, at least one. */
    int unread() {
        return length - cache.length();
    }

    /** Whether more than the last token is to be read. */
    boolean isPrefilling() {
        return unread() > 1;
    }

    /** Takes over what other requests have read of the same text, and forgets a last token that led to no choice. */
    void prepare() {
        if (unread() == 0) {
            cache.rewind(length - 1);
        }
        if (isPrefilling()) {
            cache.adopt(tokens, length - 1);
        }
    }

    /**
     * The rank among prompts, of which the smallest is read first: the rows that are left, less the rows that were read
     * of any prompt since it came. So short ones go first, and a long one waits for as many rows as it has.
     */
    long rank(long rowsRead) {
        return unread() - (rowsRead - begun);
    }

    /** Takes memory for the next {@code rows} tokens. */
    void reserve(int rows) {
        cache.reserve(rows);
    }

    /** Adds its next {@code rows} tokens to a batch. */
    void addTo(RowBatch batch, int rows) {
        batch.add(cache, tokens, cache.length(), cache.length() + rows);
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
            if (length == tokens.length) {
                tokens = Arrays.copyOf(tokens, 2 * length);
            }
            Token token = task.continuation().next(logits);
            tokens[length++] = token.id();
            task.deliver(token);
        } catch (OutOfMemoryError noMemory) {
            task.fail(Model.outOfMemory(noMemory));
            return;
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
