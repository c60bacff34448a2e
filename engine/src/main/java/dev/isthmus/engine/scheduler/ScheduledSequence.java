package dev.isthmus.engine.scheduler;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.session.HeapLimit;
import dev.isthmus.engine.session.LoadedModel;
import dev.isthmus.engine.session.TokenBuffer;

/**
 * The text of a request in the batch, and how much of it has been read. It can be preempted, that is give up its keys
 * and values; what it has chosen stays, and is read again with the prompt when it resumes. Used by one thread.
 */
final class ScheduledSequence implements AutoCloseable {

    private final ScheduledRequest request;
    private final KvCache cache;
    private final long begun;
    private final TokenBuffer tokens;
    private boolean preempted;

    /**
     * A request that has read nothing.
     *
     * @param begun the rows of prompts that the batch has read before
     */
    ScheduledSequence(LoadedModel model, ScheduledRequest request, long begun) {
        this.request = request;
        this.begun = begun;
        cache = model.newCache(request.cacheDomain());
        tokens = request.text();
    }

    ScheduledRequest request() {
        return request;
    }

    /** Whether it can go on: it has not ended, and not as many tokens are ready as may be. */
    boolean isRunnable() {
        return !request.isEnded() && !request.isPaused();
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
        return tokens.length() - cache.length();
    }

    /** Whether more than the last token is to be read. */
    boolean isPrefilling() {
        return unread() > 1;
    }

    /** Takes over what other requests have read of the same text, and forgets a last token that led to no choice. */
    void prepare() {
        if (unread() == 0) {
            cache.rewind(tokens.length() - 1);
        }
        if (isPrefilling()) {
            cache.adopt(tokens.array(), tokens.length() - 1);
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
        batch.add(cache, tokens.array(), cache.length(), cache.length() + rows);
    }

    /** Lets others take over what it has read. */
    void publish(int rows) {
        cache.publish(tokens.array(), cache.length() - rows);
    }

    /** Chooses and hands out the next token. */
    void choose(float[] logits) {
        if (request.isEnded()) {
            return;
        }
        try {
            request.choose(logits);
        } catch (OutOfMemoryError noMemory) {
            request.fail(HeapLimit.failure(noMemory));
        } catch (Throwable failed) {
            // Perhaps from a processor of the caller's own, which must not end the others' requests.
            request.fail(failed);
        }
    }

    @Override
    public void close() {
        cache.close();
    }
}
